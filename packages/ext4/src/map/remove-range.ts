import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";

/** Blocks that one step of removeRange and shiftRange modifies at most. */
export const REMOVE_CREDITS = 64;

/**
 * Unmaps and frees the file blocks from `fileBlock` to `endBlock - 1`, last first. Restarts the handle when it runs out of
 * credits, at points where the tree and i_blocks are right: what is left is then still mapped, so a caller who truncates has
 * set the size and put the inode on the orphan list before.
 *
 * @param endBlock exclusive; MAX_FILE_BLOCKS for all that follows
 * @throws CorruptionError, DeviceError; FileSystemError ENOSPC when a hole in the middle of an extent needs a new node
 */
export function removeRange(_handle: Handle, _inode: Inode, _fileBlock: number, _endBlock: number): void {
  throw new Error("not yet");
}

/** Unmaps and frees all from file block `sizeBlocks` on; see removeRange. */
export function truncateBlocks(_handle: Handle, _inode: Inode, _sizeBlocks: number): void {
  throw new Error("not yet");
}
