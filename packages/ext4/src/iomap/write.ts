import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import type { IomapMapping } from "./begin.js";

/**
 * mapBytes for who is going to write: what is a hole is allocated, no more than was asked for, and flagged NEW. A hole
 * that is only to be zeroed stays one.
 *
 * @param operation IomapOperation flags
 * @throws FileSystemError EFBIG, ENOSPC, EDQUOT; CorruptionError, DeviceError
 */
export function mapBytesForWrite(
  _handle: Handle,
  _inode: Inode,
  _pos: number,
  _count: number,
  _operation: number,
  _dev: number,
  _out: IomapMapping,
): void {
  throw new Error("not yet");
}

/** Takes back blocks of a NEW mapping that were not written: those past the file's end that `written` bytes from `pos` on do not touch. */
export function endWrite(
  _handle: Handle,
  _inode: Inode,
  _pos: number,
  _count: number,
  _written: number,
  _mapping: Readonly<IomapMapping>,
): void {
  throw new Error("not yet");
}

/** Data has reached the device: what is unwritten of `written` bytes from `pos` on becomes written. */
export function finishWrite(_handle: Handle, _inode: Inode, _pos: number, _written: number): void {
  throw new Error("not yet");
}
