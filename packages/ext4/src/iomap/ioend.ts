import { FileSystemError } from "../errors.js";
import type { Inode } from "../inode/inode.js";
import { maxFileSize, setSize } from "../inode/size.js";
import type { Handle } from "../journal/handle.js";
import { changing, transact } from "../journal/transactions.js";
import { ALLOCATE_CREDITS, convertUnwritten } from "../map/allocate-range.js";
import { mapBlocks } from "../map/map-blocks.js";
import { BlockMapping, MappingType } from "../map/mapping.js";
import { ORPHAN_CREDITS } from "../orphan/change.js";
import type { Volume } from "../volume.js";
import { IoendFlag } from "./flags.js";
import { settleGrowth } from "./promises.js";

/** The inode, the superblock for large_file. */
const SIZE_CREDITS = 4;

/**
 * Data of a host outside of this process has reached the device, or has not: fuse-iomap's IOMAP_IOEND. What was unwritten of the
 * range becomes written, and the file grows to its end, in one transaction. Any range is taken: parts of blocks, several extents,
 * what was converted before. Times are the host's.
 *
 * @param flags of IoendFlag
 * @param error a negative errno of the I/O, or 0; nothing changes then: what is unwritten goes on reading as zeros
 * @param pos bytes
 * @param written bytes from `pos` on
 * @returns the size on the device
 * @throws FileSystemError EUCLEAN for what this file cannot have had written (shared blocks, unwritten ones of a file with block
 *   pointers, a range with a hole): the host is wrong, and nothing changes; EINVAL, EFBIG, EROFS; CorruptionError, DeviceError
 */
export function ioend(
  volume: Volume,
  inode: Inode,
  flags: number,
  error: number,
  pos: number,
  written: number,
): number {
  if ((flags & IoendFlag.swapoff) !== 0) {
    volume.promises.pinned.delete(inode.ino);
    return inode.size;
  }
  if (!inode.isRegular) throw new FileSystemError("EINVAL", `inode ${inode.ino} is no regular file`);
  if (error !== 0 || written === 0) return inode.size;
  if (!(pos >= 0 && written > 0)) throw new FileSystemError("EINVAL", `${written} bytes at ${pos}`);
  if ((flags & IoendFlag.shared) !== 0) {
    throw new FileSystemError("EUCLEAN", `no block of inode ${inode.ino} is shared`);
  }
  const end = pos + written;
  const most = maxFileSize(volume, inode);
  if (end > most) throw new FileSystemError("EFBIG", `${written} bytes at ${pos}; a file can have ${most}`);
  changing(volume);
  const converts = (flags & IoendFlag.unwritten) !== 0 && hasUnwritten(volume, inode, pos, end);
  // What is written behind the end must not stay there, whether or not the host knows where the end is.
  const grows = end > inode.size && (flags & (IoendFlag.append | IoendFlag.unwritten)) !== 0;
  if (!converts && !grows) return inode.size;
  if (inode.hasInlineData) throw new FileSystemError("EUCLEAN", `inode ${inode.ino} has its data inside`);
  const credits = ALLOCATE_CREDITS + SIZE_CREDITS + ORPHAN_CREDITS;
  transact(volume, credits, (handle) => {
    handle.changes?.tell();
    // The size first: a crash at a restart in between must not leave written blocks behind the end.
    if (grows) grow(handle, inode, end);
    if (converts) convert(handle, inode, pos, end);
  });
  return inode.size;
}

function grow(handle: Handle, inode: Inode, size: number): void {
  setSize(handle, inode, size);
  settleGrowth(handle, inode);
}

function convert(handle: Handle, inode: Inode, pos: number, end: number): void {
  const { blockSize } = handle.volume.geometry;
  const first = Math.floor(pos / blockSize);
  convertUnwritten(handle, inode, first, Math.ceil(end / blockSize) - first);
}

const run = new BlockMapping();

/** Whether a part of the range is unwritten. @throws FileSystemError EUCLEAN where no block is that could have been written to */
function hasUnwritten(volume: Volume, inode: Inode, pos: number, end: number): boolean {
  if (!inode.hasExtents) {
    throw new FileSystemError("EUCLEAN", `inode ${inode.ino} has no extents, and nothing of it is unwritten`);
  }
  const { blockSize } = volume.geometry;
  const stop = Math.ceil(end / blockSize);
  let found = false;
  for (let block = Math.floor(pos / blockSize); block < stop; block += run.length) {
    mapBlocks(volume, inode, block, run);
    if (run.type === MappingType.hole) {
      throw new FileSystemError(
        "EUCLEAN",
        `block ${block} of inode ${inode.ino} is a hole, and cannot have been written to`,
      );
    }
    found ||= run.type === MappingType.unwritten;
  }
  return found;
}
