import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";

/**
 * Moves all mappings from file block `fromBlock` on by `delta` blocks. Down, the blocks before `fromBlock` that they move to are
 * holes (the caller has removed them); up leaves a hole of `delta` blocks. With bigalloc both are multiples of a cluster.
 * May restart the handle at points where the tree is right.
 *
 * @throws FileSystemError EOPNOTSUPP without extents, EFBIG when a mapping would leave the file; ENOSPC; CorruptionError, DeviceError
 */
export function shiftRange(_handle: Handle, _inode: Inode, _fromBlock: number, _delta: number): void {
  throw new Error("not yet");
}
