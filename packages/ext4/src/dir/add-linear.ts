import { type CachedBlock, Verified } from "../cache/block-cache.js";
import { CorruptionError } from "../errors.js";
import { recordSize } from "../format/directory.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import { readFileBlock } from "../map/read-data.js";
import { addIndexed } from "./add-indexed.js";
import { appendDirectoryBlock } from "./append.js";
import { boundedBlocksOf, nextMappedBlock, prefetchAround } from "./blocks.js";
import { alreadyThere } from "./entry-errors.js";
import { canBeIndexed, makeIndexed } from "./index-change.js";
import { verifyLeaf } from "./leaf.js";
import type { NameQuery } from "./name-query.js";
import { insertEntry, insertionEnd, type NewEntry, writeUnused } from "./records.js";
import { NO_ROOM, roomAt } from "./room.js";
import { leafEnd, sealLeaf, writeLeafTail } from "./seal.js";

/** What is known of the room in a directory without an index: its blocks before `from` have none for `need` bytes or more. */
interface KnownRoom {
  from: number;
  need: number;
}

/** A hint: a name that goes to a later block than it could wastes no more than room. */
const knownRoom = new WeakMap<Inode, KnownRoom>();

/** Remembers that a block has room again. */
export function noteRoom(dir: Inode, fileBlock: number): void {
  const known = knownRoom.get(dir);
  if (known !== undefined && fileBlock < known.from) known.from = fileBlock;
}

/**
 * Adds an entry to a directory without an index. All blocks are searched for the name, and those that may have room for that.
 *
 * @param mayIndex whether a directory whose one block is full becomes an indexed one
 */
export function addLinear(handle: Handle, dir: Inode, query: NameQuery, entry: NewEntry, mayIndex: boolean): void {
  const { volume } = handle;
  const { blockSize } = volume.geometry;
  const recordsEnd = leafEnd(volume);
  const need = recordSize(entry.name.length);
  const end = boundedBlocksOf(volume, dir);
  const known = knownRoom.get(dir);
  const from = known !== undefined && need >= known.need ? known.from : 0;
  let room = NO_ROOM;
  let roomIn = end;
  let block: CachedBlock | undefined;
  for (let at = nextMappedBlock(volume, dir, 0, end); at < end; at = nextMappedBlock(volume, dir, at + 1, end)) {
    prefetchAround(volume, dir, at);
    const candidate = readFileBlock(volume, dir, at);
    if (candidate === undefined) continue;
    verifyLeaf(volume, dir, candidate, at);
    if (at < from || room !== NO_ROOM) {
      if (query.find(candidate.data, 0, recordsEnd, blockSize) >= 0) throw alreadyThere(dir);
      continue;
    }
    room = query.findOrRoom(candidate.data, 0, recordsEnd, blockSize, need);
    if (room >= 0) throw alreadyThere(dir);
    if (room !== NO_ROOM) roomIn = at;
    if (room !== NO_ROOM || end === 1) block = candidate;
  }
  if (room === NO_ROOM && block !== undefined && mayIndex && canBeIndexed(volume, block)) {
    makeIndexed(handle, dir, block);
    if (addIndexed(handle, dir, query, entry)) return;
    throw new CorruptionError("htree-header", { inode: dir.ino }, "a new index of no use");
  }
  if (room === NO_ROOM || block === undefined) {
    block = appendDirectoryBlock(handle, dir, Verified.directoryLeaf, sealLeaf);
    writeUnused(block.data, 0, recordsEnd, blockSize);
    writeLeafTail(volume, block);
    room = -2;
  }
  const at = roomAt(room);
  handle.modifyPart(block, at, insertionEnd(block.data, at, entry), sealLeaf, dir.checksumSeed);
  insertEntry(volume, dir, block.data, at, recordsEnd, entry);
  if (known === undefined) knownRoom.set(dir, { from: roomIn, need });
  else {
    known.from = roomIn;
    known.need = need;
  }
}
