import type { CachedBlock, Seal } from "../cache/block-cache.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";

/**
 * A block of a file that the engine writes itself, ready to be changed: readFileBlock's counterpart. A hole is filled with a
 * new block of zeros. Size and times stay.
 *
 * @param seal see Handle.modify
 * @throws FileSystemError ENOSPC, EDQUOT, EFBIG; CorruptionError, DeviceError
 */
export function getFileBlockForWrite(
  _handle: Handle,
  _inode: Inode,
  _fileBlock: number,
  _seal?: Seal,
  _seed?: number,
): CachedBlock {
  throw new Error("not yet");
}

/** Adds a block of zeros at the end of a directory (or another file of the engine's), whose size grows by it. */
export function appendBlock(_handle: Handle, _inode: Inode, _seal?: Seal, _seed?: number): CachedBlock {
  throw new Error("not yet");
}
