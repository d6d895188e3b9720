import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import { removeExtents } from "./extent-change.js";
import { MAX_FILE_BLOCKS } from "./mapping.js";
import { removeIndirect } from "./write-indirect.js";

/** Blocks with which removeRange, shiftRange and the conversions do a step; with fewer they restart the handle. */
export { MAP_CREDITS } from "./map-allocation.js";

/**
 * Unmaps and frees the file blocks from `fileBlock` to `endBlock - 1`, last first. Restarts the handle when it runs out of
 * credits, at points where the tree and i_blocks are right: what is left is then still mapped, so a caller who truncates has
 * set the size and put the inode on the orphan list before.
 *
 * @param endBlock exclusive; MAX_FILE_BLOCKS for all that follows
 * @throws CorruptionError, DeviceError; FileSystemError ENOSPC when a hole in the middle of an extent needs a new node
 */
export function removeRange(handle: Handle, inode: Inode, fileBlock: number, endBlock: number): void {
  if (inode.hasInlineData) return;
  const end = Math.min(endBlock, MAX_FILE_BLOCKS);
  if (inode.hasExtents) removeExtents(handle, inode, fileBlock, end);
  else removeIndirect(handle, inode, fileBlock, end);
}

/** Unmaps and frees all from file block `sizeBlocks` on; see removeRange. */
export function truncateBlocks(handle: Handle, inode: Inode, sizeBlocks: number): void {
  removeRange(handle, inode, sizeBlocks, MAX_FILE_BLOCKS);
}
