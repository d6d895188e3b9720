import type { CachedBlock, Seal } from "../cache/block-cache.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import { allocateRange, convertUnwritten } from "./allocate-range.js";
import { BlockMapping, MappingType } from "./mapping.js";

/**
 * A block of a file that the engine writes itself, ready to be changed: readFileBlock's counterpart. Where no data was (a hole, an
 * unwritten extent) it is a block of zeros. Size and times stay.
 *
 * @param seal see Handle.modify
 * @throws FileSystemError ENOSPC, EDQUOT, EFBIG; CorruptionError, DeviceError
 */
export function getFileBlockForWrite(
  handle: Handle,
  inode: Inode,
  fileBlock: number,
  seal?: Seal,
  seed = 0,
): CachedBlock {
  const mapping = new BlockMapping();
  allocateRange(handle, inode, fileBlock, 1, false, mapping);
  const { block, type, isNew } = mapping;
  if (type === MappingType.unwritten) convertUnwritten(handle, inode, fileBlock, 1);
  if (isNew || type === MappingType.unwritten) return handle.create(block, seal, seed);
  const cached = handle.volume.cache.read(block);
  handle.modify(cached, seal, seed);
  return cached;
}

/** Adds a block of zeros at the end of a directory (or another file of the engine's), whose size grows by it. */
export function appendBlock(handle: Handle, inode: Inode, seal?: Seal, seed = 0): CachedBlock {
  const { blockSize } = handle.volume.geometry;
  const fileBlock = Math.ceil(inode.size / blockSize);
  const block = getFileBlockForWrite(handle, inode, fileBlock, seal, seed);
  inode.size = (fileBlock + 1) * blockSize;
  return block;
}
