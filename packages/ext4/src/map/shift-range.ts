import { FileSystemError } from "../errors.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import { shiftDown, shiftUp } from "./extent-shift.js";

/**
 * Moves all mappings from file block `fromBlock` on by `delta` blocks. Down, the blocks before `fromBlock` that they move to are
 * holes (the caller has removed them); up leaves a hole of `delta` blocks. With bigalloc both are multiples of a cluster.
 * May restart the handle at points where the tree is right. The size stays.
 *
 * @throws FileSystemError EOPNOTSUPP without extents; EINVAL when a mapping, perhaps behind the file's end, would leave what can
 *   be mapped; ENOSPC; CorruptionError, DeviceError
 */
export function shiftRange(handle: Handle, inode: Inode, fromBlock: number, delta: number): void {
  if (!inode.hasExtents || inode.hasInlineData) {
    throw new FileSystemError("EOPNOTSUPP", `inode ${inode.ino} has no extents to shift`);
  }
  if (delta < 0) shiftDown(handle, inode, fromBlock, -delta);
  else if (delta > 0) shiftUp(handle, inode, fromBlock, delta);
}
