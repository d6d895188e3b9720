import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import type { BlockMapping } from "./mapping.js";

export interface AllocateOptions {
  /** Allocated blocks read as zeros until they are converted; only files with extents can say so. */
  readonly unwritten: boolean;
  /** Whether the blocks reserved for root may be taken. */
  readonly privileged?: boolean;
}

/** Makes i_block of a new inode an extent tree without extents, and sets the inode's flag. */
export function initExtentRoot(_inode: Inode): void {
  throw new Error("not yet");
}

/** Blocks that one call of allocateRange modifies at most, those of the allocator and of quota included. */
export const ALLOCATE_CREDITS = 64;

/**
 * Makes sure that `fileBlock` is mapped, and fills `out` with the mapping from there on, no longer than `count` blocks and as
 * long as one run makes it. What is mapped stays as it is, unwritten or not; what is a hole is allocated, with `out.isNew`:
 * the caller writes or zeroes these blocks on the device. Neither the size nor the times of the inode change.
 *
 * @param count blocks that are wanted, 1 or more
 * @throws FileSystemError ENOSPC, EDQUOT; EFBIG when no mapping reaches fileBlock; CorruptionError, DeviceError
 */
export function allocateRange(
  _handle: Handle,
  _inode: Inode,
  _fileBlock: number,
  _count: number,
  _options: AllocateOptions,
  _out: BlockMapping,
): void {
  throw new Error("not yet");
}

/**
 * Marks what is unwritten of the file blocks from `fileBlock` to `fileBlock + count - 1` as written. Holes and written blocks
 * stay. May restart the handle, at points where a part is converted.
 *
 * @throws FileSystemError ENOSPC when the tree has to grow and cannot; CorruptionError, DeviceError
 */
export function convertUnwritten(_handle: Handle, _inode: Inode, _fileBlock: number, _count: number): void {
  throw new Error("not yet");
}

/** The reverse: what is written becomes unwritten, so that it reads as zeros. For FALLOC_FL_ZERO_RANGE; extents only. */
export function convertToUnwritten(_handle: Handle, _inode: Inode, _fileBlock: number, _count: number): void {
  throw new Error("not yet");
}
