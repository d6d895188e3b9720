import { CorruptionError } from "../errors.js";
import { GroupFlag } from "../format/group-descriptor.js";
import { groupDescriptor, groupFirstBlock, groupOfBlock } from "../groups/group-table.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import { chargeBlocks } from "../quota/quota.js";
import { checkBlockRange } from "../volume.js";
import { type Allocator, allocatorOf } from "./allocator.js";
import { clearBits, findClear } from "./bits.js";
import { blockBitmap, isBlockUninit } from "./block-bitmap.js";
import { addFreeBlocks } from "./free-counts.js";
import { clusterRatio } from "./group-geometry.js";

export const FreeFlag = {
  /** The blocks held metadata: `handle.forget` is called for them. */
  metadata: 1,
} as const;

/**
 * Frees blocks. They may be allocated again once the transaction is committed. With bigalloc, whole clusters are freed: the caller
 * sees to it that nothing else lives in them. `inode.blocks` is the caller's.
 *
 * In a group whose bitmap is known to be wrong nothing is freed, as in the kernel: e2fsck finds the blocks.
 *
 * @param inode whose quota is credited
 * @param flags of FreeFlag
 * @throws CorruptionError block-range when they are not all ordinary blocks, block-bitmap when one is free already
 */
export function freeBlocks(handle: Handle, inode: Inode | undefined, block: number, count: number, flags = 0): void {
  const { volume } = handle;
  const allocator = allocatorOf(volume);
  allocator.enter(handle);
  const ino = inode?.ino ?? 0;
  const location = inode === undefined ? { block } : { inode: ino, block };
  if (!(count >= 1)) throw new CorruptionError("block-range", location, `${count} blocks are to be freed`);
  checkBlockRange(volume, block, count, "block-range", location);
  const inside = volume.systemZone?.firstInside(volume, block, count, 0) ?? -1;
  if (inside >= 0) {
    throw new CorruptionError(
      "block-range",
      location,
      `blocks ${block} to ${block + count - 1} are to be freed, and ${inside} holds metadata of the file system`,
    );
  }
  if ((flags & FreeFlag.metadata) !== 0) handle.forget(block, count);
  else handle.forgetData(block, count);

  const ratio = clusterRatio(volume);
  let freed = 0;
  for (let at = block; at < block + count; ) {
    const group = groupOfBlock(volume, at);
    const first = groupFirstBlock(volume, group);
    const end = Math.min(block + count, first + volume.geometry.blocksPerGroup);
    freed += freeInGroup(handle, allocator, group, Math.floor((at - first) / ratio), Math.ceil((end - first) / ratio));
    at = end;
  }
  if (freed === 0) return;
  handle.modifySuperblock();
  addFreeBlocks(volume, freed * ratio);
  allocator.askForCommit();
  if (inode !== undefined) chargeBlocks(handle, inode, -freed * volume.geometry.clusterSize);
}

/** Frees the clusters [from, end) of a group and returns how many. */
function freeInGroup(handle: Handle, allocator: Allocator, group: number, from: number, end: number): number {
  if (allocator.badBlockBitmaps.has(group)) return 0;
  const { volume } = handle;
  try {
    const bitmap = blockBitmap(volume, groupDescriptor(volume, group));
    const free = findClear(bitmap.view, from, end);
    if (free < end) {
      const block = groupFirstBlock(volume, group) + free * clusterRatio(volume);
      throw new CorruptionError("block-bitmap", { group, block }, "the block is to be freed and is free already");
    }
    handle.modifyBits(bitmap, from, end);
    const descriptor = handle.modifyGroup(group);
    if (isBlockUninit(volume, descriptor)) descriptor.flags &= ~GroupFlag.blockUninit;
    allocator.freeing(allocator.space(group), bitmap.view, from, end);
    clearBits(bitmap.view, from, end);
    descriptor.freeClusters += end - from;
  } catch (error) {
    // The error ends the operation, and is put on record by who catches it.
    if (error instanceof CorruptionError) allocator.badBlockBitmaps.add(group);
    throw error;
  }
  return end - from;
}
