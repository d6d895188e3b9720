import { type CachedBlock, Verified } from "../cache/block-cache.js";
import { CorruptionError } from "../errors.js";
import { DirectoryEntryLayout, recordSize } from "../format/directory.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import type { Volume } from "../volume.js";
import { appendDirectoryBlock, lastBlockOf } from "./append.js";
import { type IndexPath, nextHash } from "./htree.js";
import { insertIndexEntry } from "./index-change.js";
import { isCaseInsensitive } from "./kind.js";
import { inodeOf, recordLength } from "./leaf.js";
import { directoryHash } from "./name-query.js";
import { writeRecordLength } from "./records.js";
import { leafEnd, sealLeaf, writeLeafTail } from "./seal.js";
import { entryHash } from "./sorted-entries.js";

const { offset: FIELD, size: NAME } = DirectoryEntryLayout;
const OFFSETS = 0x1_0000;

/** The entries of a leaf: major hash * 2^16 + offset in the block, so that sorting numbers sorts by hash. */
let keys = new Float64Array(512);
/** The leaf's bytes as they were. */
let copy = new Uint8Array(0);

/**
 * Makes room for a record of `need` bytes and this hash in a leaf that has none: by moving its entries together when that is
 * enough, else by moving the upper half of its hashes to a new leaf (do_split). The index block that names the leaf has room.
 *
 * @returns the block where the new record belongs
 */
export function splitLeaf(
  handle: Handle,
  dir: Inode,
  path: IndexPath,
  leaf: CachedBlock,
  major: number,
  need: number,
): CachedBlock {
  const { volume } = handle;
  const end = leafEnd(volume);
  const count = collect(volume, dir, path, leaf);
  if (copy.length !== leaf.data.length) copy = new Uint8Array(leaf.data.length);
  copy.set(leaf.data);
  let total = 0;
  for (let i = 0; i < count; i++) total += sizeOf(i);
  if (total + need <= end) {
    // The kernel's replay of the name splits it all the same.
    handle.changes?.refuse();
    handle.modify(leaf, sealLeaf, dir.checksumSeed);
    fill(volume, leaf, 0, count);
    return leaf;
  }
  const half = splitPoint(count, volume.geometry.blockSize);
  const hash = hashOf(half);
  const added = appendDirectoryBlock(handle, dir, Verified.directoryLeaf, sealLeaf, leaf, ...path.node);
  handle.modify(leaf, sealLeaf, dir.checksumSeed);
  fill(volume, added, half, count);
  fill(volume, leaf, 0, half);
  // Odd: names of this hash are in both.
  const continued = hashOf(half - 1) === hash ? 1 : 0;
  insertIndexEntry(handle, dir, path, path.levels - 1, hash + continued, lastBlockOf(handle, dir));
  return major >= hash ? added : leaf;
}

/** Leaves the leaf's entries in `keys`, sorted; returns their number. */
function collect(volume: Volume, dir: Inode, path: IndexPath, leaf: CachedBlock): number {
  const { data } = leaf;
  const { blockSize } = volume.geometry;
  const hash = directoryHash(volume);
  const fold = isCaseInsensitive(volume, dir);
  const next = nextHash(path);
  const last = (next & 1) === 1 ? next - 1 : next - 2;
  let count = 0;
  for (let at = 0; at < blockSize; at += recordLength(data, at, blockSize)) {
    if (inodeOf(data, at) === 0) continue;
    entryHash(data, at, data[at + FIELD.nameLength]!, hash, path.hashVersion, fold);
    if (hash.major < path.leafHash || hash.major > last) {
      throw new CorruptionError(
        "htree-order",
        { inode: dir.ino, fileBlock: path.leaf, offset: at },
        `a name of hash ${hash.major} in a block for hashes from ${path.leafHash} to ${last}`,
      );
    }
    if (count === keys.length) {
      const grown = new Float64Array(count * 2);
      grown.set(keys);
      keys = grown;
    }
    keys[count++] = hash.major * OFFSETS + at;
  }
  keys.subarray(0, count).sort();
  return count;
}

function hashOf(i: number): number {
  return Math.floor(keys[i]! / OFFSETS);
}

function offsetOf(i: number): number {
  return keys[i]! % OFFSETS;
}

/** Bytes that the i-th entry needs. */
function sizeOf(i: number): number {
  return recordSize(copy[offsetOf(i) + FIELD.nameLength]!);
}

/** The first entry that moves: the upper ones move while they take no more than half a block; at least one stays. */
function splitPoint(count: number, blockSize: number): number {
  let moved = 0;
  let first = count;
  while (first > 1) {
    const size = sizeOf(first - 1);
    if (moved + size / 2 > blockSize / 2) break;
    moved += size;
    first--;
  }
  return first;
}

/** Fills a leaf with the entries `[from, to)` of `keys`, whose bytes are in `copy`. */
function fill(volume: Volume, leaf: CachedBlock, from: number, to: number): void {
  const { data } = leaf;
  const { blockSize } = volume.geometry;
  const end = leafEnd(volume);
  data.fill(0);
  let at = 0;
  let before = 0;
  for (let i = from; i < to; i++) {
    const source = offsetOf(i);
    const length = NAME + copy[source + FIELD.nameLength]!;
    for (let n = 0; n < length; n++) data[at + n] = copy[source + n]!;
    before = at;
    at += recordSize(length - NAME);
    writeRecordLength(data, before, at - before, blockSize);
  }
  writeRecordLength(data, before, end - before, blockSize);
  writeLeafTail(volume, leaf);
}
