import { type CachedBlock, Verified } from "../cache/block-cache.js";
import { CorruptionError } from "../errors.js";
import { INLINE_DOTDOT_SIZE, recordSize } from "../format/directory.js";
import { I_BLOCK_SIZE } from "../format/inode.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import { clearInlineData, initInlineData, inlineCapacity, writeInlineData } from "../map/write-inline.js";
import type { Volume } from "../volume.js";
import { findInInode } from "../xattr/in-inode.js";
import { appendDirectoryBlock } from "./append.js";
import { inodeOf, recordLength } from "./leaf.js";
import { inlineBytes } from "./lookup.js";
import type { NameQuery } from "./name-query.js";
import {
  insertEntry,
  type NewEntry,
  recordBefore,
  removeRecord,
  writeInode,
  writeRecordLength,
  writeUnused,
} from "./records.js";
import { NO_ROOM, roomAt } from "./room.js";
import { leafEnd, sealLeaf, writeLeafTail } from "./seal.js";

/**
 * Directories inside their inode: the number of the parent, then two regions of records: the rest of i_block, and the value of
 * the attribute system.data.
 */

/** e_name_index and name of system.data. */
const DATA_INDEX = 7;
const DATA_NAME = "data";
const DOT = recordSize(1);
const dots = new Uint8Array([0x2e, 0x2e]);
const DIRECTORY = 2; // EXT4_FT_DIR

/** Makes a new directory an inline one; false when its inode has no room for that. */
export function initInlineDirectory(handle: Handle, dir: Inode, parentIno: number): boolean {
  const { volume } = handle;
  if (!volume.features.inlineData || inlineCapacity(volume, dir) < I_BLOCK_SIZE) return false;
  initInlineData(handle, dir);
  handle.modifyInode(dir);
  dir.size = I_BLOCK_SIZE;
  const { block } = dir;
  writeInode(block, 0, parentIno);
  writeUnused(block, INLINE_DOTDOT_SIZE, I_BLOCK_SIZE - INLINE_DOTDOT_SIZE, volume.geometry.blockSize);
  return true;
}

/** The bytes that the entry at `offset` of an inline directory's contents lies in, in place, and where these start. */
class Region {
  data: Uint8Array = new Uint8Array(0);
  /** Offset in the contents that `data[0]` has. */
  base = 0;
  /** Where the records of `data` start. */
  start = 0;

  /** Moves to the first region, in i_block, or to the second one. */
  enter(volume: Volume, dir: Inode, second: boolean): void {
    if (!second) {
      this.data = dir.block;
      this.base = 0;
      this.start = INLINE_DOTDOT_SIZE;
      return;
    }
    const value = findInInode(volume, dir, DATA_INDEX, DATA_NAME);
    const length = dir.size - I_BLOCK_SIZE;
    if (value === undefined || value.length < length) {
      throw new CorruptionError("inline-data", { inode: dir.ino }, "an inline directory without its second part");
    }
    this.data = value.subarray(0, length);
    this.base = I_BLOCK_SIZE;
    this.start = 0;
  }
}

const region = new Region();

/** Adds an entry where there is room in the inode, or can be made. The result is findOrRoom's: the name's offset, NO_ROOM, or other when it is added. */
export function addInline(handle: Handle, dir: Inode, query: NameQuery, entry: NewEntry): number {
  const { volume } = handle;
  const { blockSize } = volume.geometry;
  const need = recordSize(entry.name.length);
  const data = inlineBytes(volume, dir);
  let room = query.findOrRoom(data, INLINE_DOTDOT_SIZE, I_BLOCK_SIZE, blockSize, need);
  if (room >= 0) return room;
  if (data.length > I_BLOCK_SIZE) {
    const second = query.findOrRoom(data, I_BLOCK_SIZE, data.length, blockSize, need);
    if (second >= 0) return second;
    if (room === NO_ROOM) room = second;
  } else if (room === NO_ROOM && growInline(handle, dir)) {
    if (dir.size - I_BLOCK_SIZE >= need) room = -2 - I_BLOCK_SIZE;
  }
  if (room === NO_ROOM) return NO_ROOM;
  const at = roomAt(room);
  handle.modifyInode(dir);
  region.enter(volume, dir, at >= I_BLOCK_SIZE);
  insertEntry(volume, dir, region.data, at - region.base, region.data.length, entry);
  return room;
}

/** Gives the directory all the room that the inode has left, as one unused record. */
function growInline(handle: Handle, dir: Inode): boolean {
  const { volume } = handle;
  const more = (inlineCapacity(volume, dir) - dir.size) & ~3;
  if (more <= recordSize(1)) return false;
  const record = new Uint8Array(more);
  writeUnused(record, 0, more, volume.geometry.blockSize);
  return writeInlineData(handle, dir, dir.size, record);
}

/** Removes the entry at `offset` of the contents. */
export function removeInline(handle: Handle, dir: Inode, offset: number): void {
  const { volume } = handle;
  handle.modifyInode(dir);
  region.enter(volume, dir, offset >= I_BLOCK_SIZE);
  const at = offset - region.base;
  const before = recordBefore(region.data, region.start, at, volume.geometry.blockSize);
  removeRecord(volume, dir, region.data, before, region.data.length, at);
}

/** Where in `region.data` bytes at `offset` of the contents are; they may be changed there. */
export function inlineRegionAt(handle: Handle, dir: Inode, offset: number): { data: Uint8Array; at: number } {
  handle.modifyInode(dir);
  region.enter(handle.volume, dir, offset >= I_BLOCK_SIZE);
  return { data: region.data, at: offset - region.base };
}

/** Moves an inline directory out to a block of its own (ext4_finish_convert_inline_dir). Its entries keep their order, and so their cookies. */
export function spillInline(handle: Handle, dir: Inode): CachedBlock {
  const { volume } = handle;
  const { blockSize } = volume.geometry;
  const contents = inlineBytes(volume, dir).slice();
  const end = leafEnd(volume);
  const length = contents.length - INLINE_DOTDOT_SIZE;
  if (2 * DOT + length > end) {
    throw new CorruptionError("inline-data", { inode: dir.ino }, `an inline directory of ${contents.length} bytes`);
  }
  handle.modifyInode(dir);
  clearInlineData(handle, dir);
  dir.size = 0;
  const block = appendDirectoryBlock(handle, dir, Verified.directoryLeaf, sealLeaf);
  writeDots(volume, block, dir.ino, inodeOf(contents, 0), DOT);
  block.data.set(contents.subarray(INLINE_DOTDOT_SIZE), 2 * DOT);
  let last = 2 * DOT;
  for (;;) {
    const next = last + recordLength(block.data, last, blockSize);
    if (next >= 2 * DOT + length) break;
    last = next;
  }
  writeRecordLength(block.data, last, end - last, blockSize);
  writeLeafTail(volume, block);
  return block;
}

/** Writes `.` and `..` at the start of a directory's first block, the second with a record of `length` bytes. */
export function writeDots(volume: Volume, block: CachedBlock, ino: number, parentIno: number, length: number): void {
  const { data } = block;
  const { blockSize } = volume.geometry;
  for (let count = 1; count <= 2; count++) {
    const at = (count - 1) * DOT;
    writeInode(data, at, count === 1 ? ino : parentIno);
    writeRecordLength(data, at, count === 1 ? DOT : length, blockSize);
    data[at + 6] = count;
    data[at + 7] = volume.features.filetype ? DIRECTORY : 0;
    data.set(dots.subarray(0, count), at + 8);
  }
}
