import { type CachedBlock, Verified } from "../cache/block-cache.js";
import { crc32c } from "../checksum/crc32c.js";
import { CorruptionError, type CorruptionLocation } from "../errors.js";
import {
  EXTENT_ENTRY_SIZE,
  EXTENT_MAGIC,
  EXTENT_ROOT_CAPACITY,
  ExtentHeaderLayout,
  ExtentIndexLayout,
  ExtentLayout,
  MAX_EXTENT_DEPTH,
  MAX_WRITTEN_EXTENT,
} from "../format/extent.js";
import { I_BLOCK_OFFSET } from "../format/inode.js";
import { checkOutsideMetadata } from "../groups/system-zone.js";
import type { Inode } from "../inode/inode.js";
import { checkBlockRange, type Volume } from "../volume.js";
import { MAX_FILE_BLOCKS } from "./mapping.js";

const { magic: MAGIC, entries: ENTRIES, max: MAX, depth: DEPTH } = ExtentHeaderLayout.offset;
const { length: LENGTH, startHi: START_HI, startLo: START_LO } = ExtentLayout.offset;
const { leafLo: LEAF_LO, leafHi: LEAF_HI } = ExtentIndexLayout.offset;

/** Byte offset of the first entry after the header's. */
const FIRST = EXTENT_ENTRY_SIZE;

/**
 * Blocks on the way down the tree that is being read, by their depth. Only one tree is read at a time: descents are
 * synchronous and end before the next begins.
 */
const path = new Float64Array(MAX_EXTENT_DEPTH + 1);

/** Number of entries of the node whose header is at `base`. */
export function entryCount(view: DataView, base: number): number {
  return view.getUint16(base + ENTRIES, true);
}

/** Levels below the node whose header is at `base`; 0 in a leaf. */
export function nodeDepth(view: DataView, base: number): number {
  return view.getUint16(base + DEPTH, true);
}

/** First file block of the entry, of either kind, at `at`. */
export function entryFileBlock(view: DataView, at: number): number {
  return view.getUint32(at, true); // the same field in both layouts
}

/** Block number of the child that the index entry at `at` points to. */
export function indexChild(view: DataView, at: number): number {
  return view.getUint16(at + LEAF_HI, true) * 0x1_0000_0000 + view.getUint32(at + LEAF_LO, true);
}

/** First block on the device of the extent at `at`. */
export function extentStart(view: DataView, at: number): number {
  return view.getUint16(at + START_HI, true) * 0x1_0000_0000 + view.getUint32(at + START_LO, true);
}

/** ee_len of the extent at `at`: blocks, with the unwritten state folded in. */
export function rawLength(view: DataView, at: number): number {
  return view.getUint16(at + LENGTH, true);
}

/** Blocks of an extent, 1 to 32,768 in a verified node. */
export function lengthOf(raw: number): number {
  return raw <= MAX_WRITTEN_EXTENT ? raw : raw - MAX_WRITTEN_EXTENT;
}

/** Offset of the node's last entry; that of its header if it has none. */
export function lastEntry(view: DataView, base: number): number {
  return base + entryCount(view, base) * EXTENT_ENTRY_SIZE;
}

/** Offset of the last entry that starts at or before `fileBlock`; that of the header, `base`, if none does. */
export function lastEntryUpTo(view: DataView, base: number, fileBlock: number): number {
  let low = 0;
  let high = entryCount(view, base);
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (entryFileBlock(view, base + middle * EXTENT_ENTRY_SIZE) <= fileBlock) low = middle;
    else high = middle - 1;
  }
  return base + low * EXTENT_ENTRY_SIZE;
}

/**
 * Checks the extent root in the inode, the first time an Inode object is asked for it.
 *
 * @throws CorruptionError
 */
export function verifyExtentRoot(volume: Volume, inode: Inode): void {
  if (inode.extentRootVerified) return;
  const { view, ino } = inode;
  const location = { inode: ino };
  checkHeader(view, I_BLOCK_OFFSET, EXTENT_ROOT_CAPACITY, location);
  const depth = nodeDepth(view, I_BLOCK_OFFSET);
  if (depth > MAX_EXTENT_DEPTH) {
    throw new CorruptionError("extent-header", location, `depth ${depth} of at most ${MAX_EXTENT_DEPTH}`);
  }
  checkEntries(volume, inode, view, I_BLOCK_OFFSET, location);
  inode.extentRootVerified = true;
}

/**
 * The node in `block`, which an index entry at `depth + 1` points to. What the block's own bytes say is checked once while it
 * is cached; how it fits into the tree is checked every time, because a hostile tree may use one block in two places.
 *
 * @param block checked to lie in the file system
 * @param depth levels below the node, as its parent has it
 * @param first file block that the parent's entry names; the node starts with it, as the kernel demands
 * @param end file block that the next entry of the parent starts with, or its parent's; nothing in the node reaches past it
 * @throws CorruptionError, DeviceError
 */
export function readExtentNode(
  volume: Volume,
  inode: Inode,
  block: number,
  depth: number,
  first: number,
  end: number,
): CachedBlock {
  const node = volume.cache.read(block);
  if (node.verifiedAs !== Verified.extents || node.verifiedFor !== inode.ino) {
    verifyNode(volume, inode, node, depth);
    node.verifiedAs = Verified.extents;
    node.verifiedFor = inode.ino;
  }
  const { view } = node;
  if (nodeDepth(view, 0) !== depth) throw wrongDepth(inode, block, nodeDepth(view, 0), depth);
  path[depth] = block;
  const last = entryCount(view, 0) * EXTENT_ENTRY_SIZE;
  const lastEnd = entryFileBlock(view, last) + (depth > 0 ? 1 : lengthOf(rawLength(view, last)));
  if (entryFileBlock(view, FIRST) !== first || lastEnd > end) {
    throw new CorruptionError(
      "extent-order",
      { inode: inode.ino, block },
      `the node covers file blocks ${entryFileBlock(view, FIRST)} to ${lastEnd - 1}; its parent has it cover ${first} to ${end - 1}`,
    );
  }
  return node;
}

function verifyNode(volume: Volume, inode: Inode, node: CachedBlock, depth: number): void {
  const { view, block, data } = node;
  const location = { inode: inode.ino, block };
  checkHeader(view, 0, Math.floor(data.length / EXTENT_ENTRY_SIZE) - 1, location);
  if (entryCount(view, 0) === 0) throw new CorruptionError("extent-header", location, "no entries below the root");
  if (volume.features.metadataCsum) {
    // Every power of two leaves room for the tail behind the last entry that fits.
    const tail = EXTENT_ENTRY_SIZE * (view.getUint16(MAX, true) + 1);
    const stored = view.getUint32(tail, true);
    const computed = crc32c(inode.checksumSeed, data, 0, tail);
    if (stored !== computed) {
      throw new CorruptionError("extent-checksum", location, `checksum ${hex(stored)}, computed ${hex(computed)}`);
    }
  }
  // Before the entries are read as extents or as index entries, their kind must be the one that the parent expects.
  if (nodeDepth(view, 0) !== depth) throw wrongDepth(inode, block, nodeDepth(view, 0), depth);
  checkEntries(volume, inode, view, 0, location);
}

/** The magic number and the counts of the header at `base` of a node that has room for `capacity` entries. */
function checkHeader(view: DataView, base: number, capacity: number, location: CorruptionLocation): void {
  const magic = view.getUint16(base + MAGIC, true);
  if (magic !== EXTENT_MAGIC) throw new CorruptionError("extent-header", location, `magic number ${hex(magic)}`);
  const max = view.getUint16(base + MAX, true);
  if (max === 0 || max > capacity) {
    throw new CorruptionError("extent-header", location, `room for ${max} entries where ${capacity} fit`);
  }
  const entries = entryCount(view, base);
  if (entries > max) throw new CorruptionError("extent-header", location, `${entries} entries of at most ${max}`);
  if (entries === 0 && nodeDepth(view, base) > 0) {
    throw new CorruptionError("extent-header", location, "no entries in an interior node");
  }
}

/** Order, lengths and block ranges, which keep clear of metadata, of all entries of the node at `base`. */
function checkEntries(volume: Volume, inode: Inode, view: DataView, base: number, location: CorruptionLocation): void {
  const leaf = nodeDepth(view, base) === 0;
  const stop = base + EXTENT_ENTRY_SIZE * (entryCount(view, base) + 1);
  let free = 0;
  for (let at = base + FIRST; at < stop; at += EXTENT_ENTRY_SIZE) {
    const fileBlock = entryFileBlock(view, at);
    const length = leaf ? lengthOf(rawLength(view, at)) : 1;
    const start = leaf ? extentStart(view, at) : indexChild(view, at);
    if (length === 0) {
      throw new CorruptionError("extent-range", { ...location, offset: at, fileBlock }, "an extent of no blocks");
    }
    if (fileBlock < free || fileBlock + length > MAX_FILE_BLOCKS) {
      throw new CorruptionError(
        "extent-order",
        { ...location, offset: at, fileBlock },
        `file blocks ${fileBlock} to ${fileBlock + length - 1} after an entry that ends before ${free}`,
      );
    }
    if (!inside(volume, start, length)) {
      checkBlockRange(volume, start, length, "extent-range", { ...location, offset: at, fileBlock });
    }
    checkOutsideMetadata(volume, start, length, inode.ino, location);
    free = fileBlock + length;
  }
}

/** The question of checkBlockRange without a location to build. */
function inside(volume: Volume, start: number, length: number): boolean {
  return start > volume.geometry.firstDataBlock && start + length <= volume.geometry.blockCount;
}

function wrongDepth(inode: Inode, block: number, found: number, expected: number): CorruptionError {
  const location = { inode: inode.ino, block };
  const rootDepth = nodeDepth(inode.view, I_BLOCK_OFFSET);
  for (let depth = expected + 1; depth < rootDepth; depth++) {
    if (path[depth] === block) return new CorruptionError("extent-cycle", location, "the block is its own ancestor");
  }
  return new CorruptionError("extent-header", location, `depth ${found} where its parent expects ${expected}`);
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
