import { CorruptionError } from "../errors.js";
import { groupDescriptor } from "../groups/group-table.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import { chargeInode } from "../quota/quota.js";
import { allocatorOf } from "./allocator.js";
import { clearBits, findClear } from "./bits.js";
import { addFreeInodes } from "./free-counts.js";
import { inodeBitmap } from "./inode-bitmap.js";

/**
 * Frees an inode whose contents are gone already; dtime was set by the caller. It leaves the cache of inodes. In a group whose bitmap is
 * known to be wrong nothing is freed, as in the kernel.
 *
 * @throws CorruptionError inode-bitmap when it is free already, inode-number for a reserved one
 */
export function freeInode(handle: Handle, inode: Inode): void {
  const { volume } = handle;
  const allocator = allocatorOf(volume);
  allocator.enter(handle);
  const { firstInode, inodeCount, inodesPerGroup } = volume.geometry;
  const { ino } = inode;
  if (ino < firstInode || ino > inodeCount) {
    throw new CorruptionError("inode-number", { inode: ino }, "it is to be freed, and is reserved or does not exist");
  }
  const group = Math.floor((ino - 1) / inodesPerGroup);
  const index = ino - 1 - group * inodesPerGroup;
  const space = allocator.space(group);
  handle.changes?.freeInode(ino);
  chargeInode(handle, inode, -1);
  allocator.freedInode(space, inode);
  allocator.windows.delete(ino);
  volume.inodes.delete(ino);
  if (allocator.badInodeBitmaps.has(group)) return;
  try {
    const bitmap = inodeBitmap(volume, groupDescriptor(volume, group));
    if (findClear(bitmap.view, index, index + 1) === index) {
      throw new CorruptionError("inode-bitmap", { inode: ino, group }, "the inode is to be freed and is free already");
    }
    handle.modifyBits(bitmap, index, index + 1);
    const descriptor = handle.modifyGroup(group);
    clearBits(bitmap.view, index, index + 1);
    descriptor.freeInodes = Math.min(descriptor.freeInodes + 1, inodesPerGroup);
    if (inode.isDirectory && descriptor.usedDirectories > 0) {
      descriptor.usedDirectories--;
      if (allocator.directories > 0) allocator.directories--;
    }
    if (index < space.lowestInode) space.lowestInode = index;
  } catch (error) {
    // The error ends the operation, and is put on record by who catches it.
    if (error instanceof CorruptionError) allocator.badInodeBitmaps.add(group);
    throw error;
  }
  handle.modifySuperblock();
  addFreeInodes(volume, 1);
}
