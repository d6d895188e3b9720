import { groupDescriptor, groupFirstBlock, groupOfBlock } from "../groups/group-table.js";
import { checkOutsideMetadata } from "../groups/system-zone.js";
import type { Handle } from "../journal/handle.js";
import { checkBlockRange, type Volume } from "../volume.js";
import { take } from "./allocate-blocks.js";
import { takeInode } from "./allocate-inode.js";
import { allocatorOf } from "./allocator.js";
import { findClear, findSet } from "./bits.js";
import { blockBitmap } from "./block-bitmap.js";
import { clusterRatio } from "./group-geometry.js";
import { inodeBitmap } from "./inode-bitmap.js";

/** What somebody else has allocated is marked as used: a fast commit says what, and leaves the bitmaps to who replays it. */

/**
 * Marks blocks as used, those that are not yet. With bigalloc, the clusters that they lie in. Quota and `inode.blocks` are the caller's.
 *
 * @param ino whose they are
 * @throws CorruptionError block-range when some are no ordinary blocks, block-bitmap; DeviceError
 */
export function claimBlocks(handle: Handle, ino: number, block: number, count: number): void {
  const { volume } = handle;
  const location = { inode: ino, block };
  checkBlockRange(volume, block, count, "block-range", location);
  checkOutsideMetadata(volume, block, count, ino, location);
  const allocator = allocatorOf(volume);
  allocator.enter(handle);
  const ratio = clusterRatio(volume);
  for (let at = block; at < block + count; ) {
    const group = groupOfBlock(volume, at);
    const first = groupFirstBlock(volume, group);
    const past = Math.min(block + count, first + volume.geometry.blocksPerGroup);
    const end = Math.ceil((past - first) / ratio);
    const { view } = blockBitmap(volume, groupDescriptor(volume, group));
    for (let from = findClear(view, Math.floor((at - first) / ratio), end); from < end; ) {
      const stop = findSet(view, from, end);
      take(handle, allocator, group, from, stop);
      from = findClear(view, stop, end);
    }
    at = past;
  }
}

/** Whether an inode is marked as used. @throws CorruptionError inode-bitmap; DeviceError */
export function isInodeUsed(volume: Volume, ino: number): boolean {
  const { inodesPerGroup } = volume.geometry;
  const group = Math.floor((ino - 1) / inodesPerGroup);
  const index = ino - 1 - group * inodesPerGroup;
  return findSet(inodeBitmap(volume, groupDescriptor(volume, group)).view, index, index + 1) === index;
}

/**
 * Marks a free inode as used. What the table holds of it is what it was before.
 *
 * @param mode with the file type
 * @throws CorruptionError inode-bitmap; DeviceError
 */
export function claimInode(handle: Handle, ino: number, mode: number): void {
  const { volume } = handle;
  const allocator = allocatorOf(volume);
  allocator.enter(handle);
  const { inodesPerGroup } = volume.geometry;
  const group = Math.floor((ino - 1) / inodesPerGroup);
  takeInode(handle, allocator, group, ino - 1 - group * inodesPerGroup, mode);
  allocator.claimedInode(group);
}
