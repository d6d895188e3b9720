import { GOOD_OLD_INODE_SIZE, I_BLOCK_SIZE, InodeFlag } from "../format/inode.js";
import { XATTR_ALIGNMENT, XATTR_END_SIZE, XATTR_INODE_HEADER_SIZE, XattrEntryLayout } from "../format/xattr.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import type { Volume } from "../volume.js";
import { isLastEntry, nextEntry } from "../xattr/entries.js";
import { findInInode, inodeXattrs } from "../xattr/in-inode.js";
import { setInInode } from "../xattr/write-in-inode.js";
import { allocateRange, initExtentRoot } from "./allocate-range.js";
import { DATA_INDEX, DATA_NAME, inlineData } from "./inline-data.js";
import { BlockMapping } from "./mapping.js";

/** Bytes of the entry of system.data, a multiple of the alignment. */
const DATA_ENTRY_SIZE = XattrEntryLayout.size + DATA_NAME.length;

const nothing = new Uint8Array(0);

/** Most bytes of inline data that the inode can hold with its other attributes as they are; 0 when it cannot have any. */
export function inlineCapacity(volume: Volume, inode: Inode): number {
  if (!volume.features.inlineData) return 0;
  const room = valueCapacity(volume, inode);
  return room < 0 ? 0 : I_BLOCK_SIZE + room;
}

/** Most bytes of the value of system.data (the kernel's get_max_inline_xattr_value_size); negative without room for its entry. */
function valueCapacity(volume: Volume, inode: Inode): number {
  if (inode.raw.length <= GOOD_OLD_INODE_SIZE || inode.extraSize === 0) return -1;
  const space = inodeXattrs(volume, inode);
  if (space === undefined) {
    const room = inode.raw.length - GOOD_OLD_INODE_SIZE - inode.extraSize - XATTR_INODE_HEADER_SIZE;
    return roundDown(room - XATTR_END_SIZE - DATA_ENTRY_SIZE);
  }
  const { valueOffset, valueInode, valueSize } = XattrEntryLayout.offset;
  const { view, first, valueBase } = space;
  let values = space.end;
  let entry = first;
  for (; !isLastEntry(space, entry); entry = nextEntry(space, entry)) {
    if (view.getUint32(entry + valueInode, true) !== 0 || view.getUint32(entry + valueSize, true) === 0) continue;
    values = Math.min(values, valueBase + view.getUint16(entry + valueOffset, true));
  }
  const free = values - entry - XATTR_END_SIZE;
  const value = findInInode(volume, inode, DATA_INDEX, DATA_NAME);
  if (value === undefined) return roundDown(free - DATA_ENTRY_SIZE);
  return roundDown(free) + roundDown(value.length + XATTR_ALIGNMENT - 1);
}

function roundDown(bytes: number): number {
  return Math.floor(bytes / XATTR_ALIGNMENT) * XATTR_ALIGNMENT;
}

/** Makes an inode without blocks hold its data inside itself: the flag, i_block of zeros, an empty system.data. */
export function initInlineData(handle: Handle, inode: Inode): void {
  handle.modifyInode(inode);
  inode.block.fill(0);
  inode.flags = ((inode.flags & ~InodeFlag.extents) | InodeFlag.inlineData) >>> 0;
  inode.extentRootVerified = false;
  setInInode(handle, inode, DATA_INDEX, DATA_NAME, nothing);
}

/**
 * Writes bytes into inline data, which grows; `inode.size` becomes at least `pos + bytes.length`, with zeros in between.
 *
 * @returns false when it does not fit; nothing has changed then, and the caller spills
 * @throws CorruptionError
 */
export function writeInlineData(handle: Handle, inode: Inode, pos: number, bytes: Uint8Array): boolean {
  const end = pos + bytes.length;
  inlineData(handle.volume, inode); // throws where the inode does not hold what its size says
  if (end > inode.size && !truncateInlineData(handle, inode, end)) return false;
  handle.modifyInode(inode);
  const inBlock = bytes.subarray(0, Math.max(0, I_BLOCK_SIZE - pos));
  if (inBlock.length > 0) inode.block.set(inBlock, pos);
  if (inBlock.length < bytes.length) {
    const value = findInInode(handle.volume, inode, DATA_INDEX, DATA_NAME)!;
    value.set(bytes.subarray(inBlock.length), pos + inBlock.length - I_BLOCK_SIZE);
  }
  return true;
}

/**
 * Cuts inline data to `size` bytes, or grows it with zeros, and sets `inode.size`. The kernel leaves it inline when it is empty.
 *
 * @returns false when it does not fit; nothing has changed then
 * @throws CorruptionError
 */
export function truncateInlineData(handle: Handle, inode: Inode, size: number): boolean {
  const { volume } = handle;
  if (size > inode.size && size > inlineCapacity(volume, inode)) return false;
  const contents = inlineData(volume, inode);
  const kept = contents.slice(0, Math.min(size, contents.length));
  handle.modifyInode(inode);
  inode.block.fill(0);
  inode.block.set(kept.subarray(0, I_BLOCK_SIZE));
  const old = findInInode(volume, inode, DATA_INDEX, DATA_NAME);
  const length = Math.max(0, size - I_BLOCK_SIZE);
  if (length > 0 || old === undefined || old.length > 0) {
    const value = new Uint8Array(length);
    value.set(kept.subarray(I_BLOCK_SIZE));
    setInInode(handle, inode, DATA_INDEX, DATA_NAME, value);
  }
  inode.size = size;
  return true;
}

/** Where inline data went. */
export interface SpilledData {
  /** Block on the device, 0 when the file was empty and has none. */
  readonly block: number;
  /** A whole block, what follows the data is zeros: the caller writes it to `block`. Empty when there is no block. */
  readonly bytes: Uint8Array;
}

/**
 * Moves inline data out to block 0 of the file. Of a regular file the caller writes the bytes to the device before the handle
 * stops (data before metadata).
 *
 * @throws FileSystemError ENOSPC, EDQUOT; CorruptionError
 */
export function spillInlineData(handle: Handle, inode: Inode): SpilledData {
  const contents = clearInlineData(handle, inode);
  if (contents.length === 0) return { block: 0, bytes: nothing };
  const mapping = new BlockMapping();
  allocateRange(handle, inode, 0, 1, false, mapping);
  const bytes = new Uint8Array(handle.volume.geometry.blockSize);
  bytes.set(contents);
  return { block: mapping.block, bytes };
}

/**
 * Takes the data and the flag from an inode with inline data: i_block becomes an empty extent root, or no pointers. The size stays.
 *
 * @returns a copy of the data
 * @throws CorruptionError
 */
export function clearInlineData(handle: Handle, inode: Inode): Uint8Array {
  const { volume } = handle;
  const contents = inlineData(volume, inode).slice();
  handle.modifyInode(inode);
  setInInode(handle, inode, DATA_INDEX, DATA_NAME, undefined);
  inode.flags = (inode.flags & ~InodeFlag.inlineData) >>> 0;
  if (volume.features.extents) initExtentRoot(inode);
  else inode.block.fill(0);
  return contents;
}
