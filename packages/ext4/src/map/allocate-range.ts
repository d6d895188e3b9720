import { FileSystemError } from "../errors.js";
import { maxExtentFileSize, maxIndirectFileSize } from "../inode/file-limits.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import type { Volume } from "../volume.js";
import { allocateExtent, setUnwritten } from "./extent-change.js";
import { indirectLimit } from "./indirect.js";
import { mapBlocks } from "./map-blocks.js";
import { type BlockMapping, MappingType } from "./mapping.js";
import { allocateIndirect } from "./write-indirect.js";

export { initExtentRoot } from "./extent-edit.js";

/** Blocks that one call of allocateRange modifies at most, those of the allocator and of quota included. */
export const ALLOCATE_CREDITS = 48;

/**
 * Makes sure that `fileBlock` is mapped, and fills `out` with the mapping from there on, no longer than `count` blocks and as
 * long as one run makes it. What is mapped stays as it is, unwritten or not; what is a hole is allocated, with `out.isNew`:
 * the caller writes or zeroes these blocks on the device. Neither the size nor the times of the inode change.
 *
 * @param count blocks that are wanted, 1 or more
 * @param unwritten whether blocks that are allocated read as zeros until they are converted; only files with extents can say so
 * @throws FileSystemError ENOSPC, EDQUOT; EFBIG when no mapping reaches fileBlock; EOPNOTSUPP for unwritten blocks of a file
 *   with block pointers; CorruptionError, DeviceError
 */
export function allocateRange(
  handle: Handle,
  inode: Inode,
  fileBlock: number,
  count: number,
  unwritten: boolean,
  out: BlockMapping,
): void {
  const { volume } = handle;
  const limit = blockLimit(volume, inode);
  if (fileBlock >= limit) {
    throw new FileSystemError("EFBIG", `block ${fileBlock} of inode ${inode.ino}, which ends before ${limit}`);
  }
  mapBlocks(volume, inode, fileBlock, out);
  if (out.type === MappingType.inline) throw new Error("inline data is to be spilled before blocks are allocated");
  const wanted = Math.min(count, out.length, limit - fileBlock);
  out.length = wanted;
  if (out.type !== MappingType.hole) return;
  handle.modifyInode(inode);
  if (inode.hasExtents) {
    allocateExtent(handle, inode, wanted, unwritten, out);
    return;
  }
  if (unwritten) throw new FileSystemError("EOPNOTSUPP", `inode ${inode.ino} has block pointers`);
  allocateIndirect(handle, inode, wanted, out);
}

/** File blocks that a file's map and i_blocks can count. */
function blockLimit(volume: Volume, inode: Inode): number {
  const { blockSize } = volume.geometry;
  if (inode.hasExtents) return Math.floor(maxExtentFileSize(volume) / blockSize);
  return Math.min(indirectLimit(blockSize), Math.floor(maxIndirectFileSize(volume) / blockSize));
}

/**
 * Marks what is unwritten of the file blocks from `fileBlock` to `fileBlock + count - 1` as written. Holes and written blocks
 * stay. May restart the handle, at points where a part is converted.
 *
 * @param zeroOut see setUnwritten
 * @throws FileSystemError ENOSPC when the tree has to grow and cannot; CorruptionError, DeviceError
 */
export function convertUnwritten(
  handle: Handle,
  inode: Inode,
  fileBlock: number,
  count: number,
  zeroOut = false,
): void {
  if (inode.hasExtents && !inode.hasInlineData)
    setUnwritten(handle, inode, fileBlock, fileBlock + count, false, zeroOut);
}

/**
 * The reverse: what is written becomes unwritten, so that it reads as zeros (FALLOC_FL_ZERO_RANGE).
 *
 * @throws FileSystemError EOPNOTSUPP without extents; see convertUnwritten
 */
export function convertToUnwritten(handle: Handle, inode: Inode, fileBlock: number, count: number): void {
  if (!inode.hasExtents) throw new FileSystemError("EOPNOTSUPP", `inode ${inode.ino} has block pointers`);
  setUnwritten(handle, inode, fileBlock, fileBlock + count, true);
}
