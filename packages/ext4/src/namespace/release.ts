import { freeInode } from "../alloc/free-inode.js";
import { FileType } from "../format/inode.js";
import { isFastSymlink } from "../inode/decode-inode.js";
import type { Inode } from "../inode/inode.js";
import { forgetGrowth } from "../iomap/promises.js";
import { transact } from "../journal/transactions.js";
import { mapBlocks } from "../map/map-blocks.js";
import { BlockMapping, MAX_FILE_BLOCKS, MappingType } from "../map/mapping.js";
import { removeRange, truncateBlocks } from "../map/remove-range.js";
import { ORPHAN_CREDITS, removeOrphan } from "../orphan/change.js";
import type { Volume } from "../volume.js";
import { removeAllXattrs } from "../xattr/remove-all.js";
import { XATTR_CREDITS } from "../xattr/set-xattr.js";

/** Blocks that the last step of a deletion changes: attributes, bitmaps, descriptors, neighbours on the list, quota. */
const RELEASE_CREDITS = 64;

/**
 * Deletes an inode that has no links and that nobody uses any more. It is on the list of orphans until the last step, so that a
 * crash in between is made good at the next mount.
 */
export function deleteInode(volume: Volume, inode: Inode): void {
  const mapped = hasBlocks(volume, inode);
  // Room for what one block's removal takes: a symbolic link without target and blocks is never seen, even after a crash.
  transact(volume, mapped ? 2 * RELEASE_CREDITS : RELEASE_CREDITS, (handle) => {
    handle.changes?.tell();
    handle.modifyInode(inode);
    if (mapped) {
      inode.size = 0;
      removeRange(handle, inode, 0, MAX_FILE_BLOCKS);
    }
    forgetGrowth(handle, inode);
    const credits = RELEASE_CREDITS + (volume.features.eaInode ? XATTR_CREDITS : 0);
    if (handle.room < credits) handle.restart(Math.min(credits, volume.transactions!.mostCredits));
    handle.modifyInode(inode);
    removeAllXattrs(handle, inode);
    removeOrphan(handle, inode);
    inode.dtime = volume.environment.clock.now().seconds % 0x1_0000_0000;
    freeInode(handle, inode);
  });
  volume.inodes.delete(inode.ino);
  volume.promises.pinned.delete(inode.ino);
}

/**
 * A file that a host outside of this process let grow is used no more: what it allocated behind the end in vain is freed. The last
 * block's bytes are the host's: what this process could read of them is not what the host wrote.
 */
export function endGrowth(volume: Volume, inode: Inode): void {
  freeBehindEnd(volume, inode);
  transact(volume, ORPHAN_CREDITS, (handle) => forgetGrowth(handle, inode));
}

/** Frees what lies behind the size of an inode that a crash left half truncated. Nothing else of it changes. */
export function truncateOrphan(volume: Volume, inode: Inode): void {
  if (!hasBlocks(volume, inode)) return;
  if (inode.isRegular) clearBehindEnd(volume, inode);
  freeBehindEnd(volume, inode);
}

function freeBehindEnd(volume: Volume, inode: Inode): void {
  transact(volume, RELEASE_CREDITS, (handle) => {
    handle.modifyInode(inode);
    truncateBlocks(handle, inode, Math.ceil(inode.size / volume.geometry.blockSize));
  });
}

/** What the file lost must not come back when it grows: its last block holds zeros behind the end, as after any truncation. */
function clearBehindEnd(volume: Volume, inode: Inode): void {
  const { blockSize } = volume.geometry;
  const over = inode.size % blockSize;
  if (over === 0) return;
  const mapping = new BlockMapping();
  mapBlocks(volume, inode, Math.floor(inode.size / blockSize), mapping);
  if (mapping.type !== MappingType.mapped) return;
  volume.device.write(mapping.block * blockSize + over, new Uint8Array(blockSize - over));
}

/** Whether i_block maps blocks: not in device files, pipes, sockets, fast links and inodes with inline data. */
export function hasBlocks(volume: Volume, inode: Inode): boolean {
  if (inode.hasInlineData) return false;
  if (inode.isSymlink) return !isFastSymlink(volume, inode);
  return inode.type === FileType.regular || inode.type === FileType.directory;
}
