import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import { allocateRange, convertUnwritten } from "../map/allocate-range.js";
import { BlockMapping, MAX_FILE_BLOCKS } from "../map/mapping.js";
import { removeRange } from "../map/remove-range.js";
import { type IomapMapping, mapBytes } from "./begin.js";
import { zeroAhead } from "./zero-ahead.js";

/** ZERO of fuse-iomap's operation flags. */
const OP_ZERO = 0x2;
/** NEW of fuse-iomap's mapping flags: what the device holds there is anything. */
const NEW = 0x1;

/**
 * mapBytes for who is going to write: what is a hole is allocated, no more than was asked for, and flagged NEW. An unwritten
 * mapping stays one until finishWrite. A hole that is only to be zeroed stays one, too. Inline data has been spilled.
 *
 * @param operation fuse-iomap's operation flags
 * @throws FileSystemError EFBIG, ENOSPC, EDQUOT; CorruptionError, DeviceError
 */
export function mapBytesForWrite(
  handle: Handle,
  inode: Inode,
  pos: number,
  count: number,
  operation: number,
  dev: number,
  out: IomapMapping,
): void {
  const { volume } = handle;
  if ((operation & OP_ZERO) !== 0) {
    mapBytes(volume, inode, pos, count, dev, out);
    return;
  }
  const { blockSize } = volume.geometry;
  const fileBlock = Math.floor(pos / blockSize);
  const wanted = Math.max(fileBlock + 1, Math.min(Math.ceil((pos + count) / blockSize), MAX_FILE_BLOCKS));
  const run = new BlockMapping();
  allocateRange(handle, inode, fileBlock, wanted - fileBlock, false, run);
  out.type = run.type;
  out.flags = run.isNew ? NEW : 0;
  out.offset = fileBlock * blockSize;
  out.length = run.length * blockSize;
  out.addr = run.block * blockSize;
  out.dev = dev;
}

/**
 * Takes back the blocks of a NEW mapping that were not written, so that nobody reads what they held before.
 *
 * @param pos where the write that mapBytesForWrite gave the mapping for began, in its first block
 * @param written bytes from `pos` on that have reached the device
 */
export function endWrite(
  handle: Handle,
  inode: Inode,
  pos: number,
  written: number,
  mapping: Readonly<IomapMapping>,
): void {
  if ((mapping.flags & NEW) === 0) return;
  const { blockSize } = handle.volume.geometry;
  const first = written > 0 ? Math.ceil((pos + written) / blockSize) : Math.floor(pos / blockSize);
  removeRange(handle, inode, first, (mapping.offset + mapping.length) / blockSize);
}

/** Data has reached the device: what is unwritten of `written` bytes from `pos` on becomes written. May restart the handle. */
export function finishWrite(handle: Handle, inode: Inode, pos: number, written: number): void {
  const { blockSize } = handle.volume.geometry;
  const first = Math.floor(pos / blockSize);
  const end = zeroAhead(handle.volume, inode, first, Math.ceil((pos + written) / blockSize));
  convertUnwritten(handle, inode, first, end - first, true);
}
