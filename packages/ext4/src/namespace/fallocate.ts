import { FileSystemError } from "../errors.js";
import { InodeFlag } from "../format/inode.js";
import { maxExtentFileSize } from "../inode/file-limits.js";
import type { Inode } from "../inode/inode.js";
import { maxFileSize, setSize } from "../inode/size.js";
import { touchModified } from "../inode/times.js";
import { checkNotPinned } from "../iomap/promises.js";
import type { Handle } from "../journal/handle.js";
import { transact } from "../journal/transactions.js";
import { ALLOCATE_CREDITS, allocateRange, convertToUnwritten } from "../map/allocate-range.js";
import { mapBlocks } from "../map/map-blocks.js";
import { BlockMapping, MAX_FILE_BLOCKS, MappingType } from "../map/mapping.js";
import { MAP_CREDITS, removeRange } from "../map/remove-range.js";
import { shiftRange } from "../map/shift-range.js";
import type { Volume } from "../volume.js";
import { checkWritable, spillToBlock } from "./data.js";

/** Modes of fallocate(2). */
export const FallocateMode = {
  keepSize: 1,
  punchHole: 2,
  collapseRange: 8,
  zeroRange: 0x10,
  insertRange: 0x20,
} as const;

const CREDITS = Math.max(ALLOCATE_CREDITS, MAP_CREDITS) + 8;

/**
 * Changes how a file's range is mapped, in whole blocks: parts of blocks at the ends of a range that is punched or zeroed are the
 * host's to zero, after this: what is refused for lack of space has changed neither contents nor size.
 *
 * @param mode see FallocateMode
 * @param offset bytes, 0 or more
 * @param length bytes, 1 or more
 * @param privileged whether the blocks reserved for the superuser may be used
 * @throws FileSystemError EOPNOTSUPP, EINVAL, EFBIG, ENOSPC, EPERM
 */
export function fallocate(
  volume: Volume,
  inode: Inode,
  mode: number,
  offset: number,
  length: number,
  privileged: boolean,
): void {
  const { keepSize, punchHole, collapseRange, zeroRange, insertRange } = FallocateMode;
  checkFallocate(volume, inode, mode, offset, length);
  transact(volume, CREDITS, (handle) => {
    if ((mode & (collapseRange | insertRange)) === 0) handle.changes?.tell();
    // The zeros at its ends come with it.
    const { blockSize } = volume.geometry;
    const isRagged = offset % blockSize !== 0 || length % blockSize !== 0;
    if ((mode & (punchHole | zeroRange)) !== 0 && isRagged) handle.changes?.needData();
    handle.privileged = privileged;
    handle.modifyInode(inode);
    spillToBlock(handle, inode);
    if (mode & punchHole) punch(handle, inode, offset, length);
    else if (mode & collapseRange) collapse(handle, inode, offset, length);
    else if (mode & insertRange) insert(handle, inode, offset, length);
    else if (mode & zeroRange) zero(handle, inode, offset, length, (mode & keepSize) !== 0);
    else preallocate(handle, inode, offset, length, (mode & keepSize) !== 0);
    touchModified(handle, inode);
  });
}

/**
 * Refuses what fallocate would refuse whatever space there is: to be asked before parts of blocks are zeroed.
 *
 * @throws FileSystemError EOPNOTSUPP, EINVAL, EFBIG, EPERM
 */
export function checkFallocate(volume: Volume, inode: Inode, mode: number, offset: number, length: number): void {
  checkMode(mode);
  checkWritable(inode);
  checkNotPinned(volume.promises, inode);
  if (!(offset >= 0 && length > 0)) throw new FileSystemError("EINVAL", `a range of ${length} bytes at ${offset}`);
  if (inode.has(InodeFlag.append) && (mode & ~FallocateMode.keepSize) !== 0) {
    throw new FileSystemError("EPERM", `inode ${inode.ino} is append-only`);
  }
  const hasExtents = inode.hasExtents || (inode.hasInlineData && volume.features.extents);
  if (!hasExtents && (mode & FallocateMode.punchHole) === 0) {
    throw new FileSystemError("EOPNOTSUPP", `inode ${inode.ino} has no extents`);
  }
  // As Linux: nothing is where a file with block pointers cannot be, and that may be punched.
  const most = (mode & FallocateMode.punchHole) !== 0 ? maxExtentFileSize(volume) : maxFileSize(volume, inode);
  if (offset + length > most) throw new FileSystemError("EFBIG", `up to byte ${offset + length}; ${most} are possible`);
}

/** The combinations that ext4 knows. */
function checkMode(mode: number): void {
  const { keepSize, punchHole, collapseRange, zeroRange, insertRange } = FallocateMode;
  switch (mode) {
    case 0:
    case keepSize:
    case punchHole | keepSize:
    case collapseRange:
    case zeroRange:
    case zeroRange | keepSize:
    case insertRange:
      return;
    default:
      throw new FileSystemError("EOPNOTSUPP", `fallocate mode 0x${mode.toString(16)}`);
  }
}

function punch(handle: Handle, inode: Inode, offset: number, length: number): void {
  const { blockSize } = handle.volume.geometry;
  const first = Math.ceil(offset / blockSize);
  // Behind the end of the file there is nothing to keep: a range that reaches it takes the last block whole.
  const fileEnd = Math.ceil(inode.size / blockSize);
  const stop =
    offset + length >= inode.size
      ? Math.max(fileEnd, Math.floor((offset + length) / blockSize))
      : Math.floor((offset + length) / blockSize);
  if (stop > first) removeRange(handle, inode, first, stop);
}

/** Ranges that are cut out or put in begin and end on the unit of allocation. */
function checkAligned(handle: Handle, offset: number, length: number): void {
  const { clusterSize } = handle.volume.geometry;
  if (offset % clusterSize !== 0 || length % clusterSize !== 0) {
    throw new FileSystemError("EINVAL", `the range has to be a multiple of ${clusterSize} bytes at a multiple of that`);
  }
}

function collapse(handle: Handle, inode: Inode, offset: number, length: number): void {
  const { blockSize } = handle.volume.geometry;
  checkAligned(handle, offset, length);
  if (offset + length >= inode.size) throw new FileSystemError("EINVAL", "the range reaches the end of the file");
  const first = offset / blockSize;
  const stop = (offset + length) / blockSize;
  removeRange(handle, inode, first, stop);
  shiftRange(handle, inode, stop, first - stop);
  room(handle);
  setSize(handle, inode, inode.size - length);
}

function insert(handle: Handle, inode: Inode, offset: number, length: number): void {
  const { blockSize } = handle.volume.geometry;
  checkAligned(handle, offset, length);
  if (offset >= inode.size) throw new FileSystemError("EINVAL", "the range begins at the end of the file or behind it");
  const most = maxFileSize(handle.volume, inode);
  if (inode.size + length > most)
    throw new FileSystemError("EFBIG", `${inode.size + length} bytes; ${most} are possible`);
  setSize(handle, inode, inode.size + length);
  shiftRange(handle, inode, offset / blockSize, length / blockSize);
  room(handle);
}

/** What is mapped becomes unwritten, what is not is allocated so. */
function zero(handle: Handle, inode: Inode, offset: number, length: number, keepSize: boolean): void {
  const { blockSize } = handle.volume.geometry;
  const first = Math.ceil(offset / blockSize);
  const stop = Math.floor((offset + length) / blockSize);
  // What may be refused comes first: then nothing is zeroed.
  preallocate(handle, inode, offset, length, true);
  if (stop > first) convertToUnwritten(handle, inode, first, stop - first);
  if (!keepSize) growTo(handle, inode, offset + length);
}

const mapping = new BlockMapping();

/**
 * Allocates what is a hole as unwritten. A part that was allocated before the space ran out stays, as in the kernel; the size
 * stays what it was then, because a kernel in front of us does not ask for it after a call that failed.
 */
function preallocate(handle: Handle, inode: Inode, offset: number, length: number, keepSize: boolean): void {
  const { volume } = handle;
  const { blockSize } = volume.geometry;
  handle.resumes = true;
  const stop = Math.min(Math.ceil((offset + length) / blockSize), MAX_FILE_BLOCKS);
  for (let block = Math.floor(offset / blockSize); block < stop; ) {
    mapBlocks(volume, inode, block, mapping);
    const count = Math.min(mapping.length, stop - block);
    if (mapping.type === MappingType.hole) {
      room(handle);
      allocateRange(handle, inode, block, count, true, mapping);
    }
    block += Math.min(mapping.length, stop - block);
  }
  if (!keepSize) growTo(handle, inode, offset + length);
}

function growTo(handle: Handle, inode: Inode, size: number): void {
  if (inode.size >= size) return;
  room(handle);
  setSize(handle, inode, size);
}

function room(handle: Handle): void {
  if (handle.room < CREDITS) handle.restart(CREDITS);
}
