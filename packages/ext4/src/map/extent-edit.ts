import { type CachedBlock, Verified } from "../cache/block-cache.js";
import { crc32c } from "../checksum/crc32c.js";
import { CorruptionError, FileSystemError } from "../errors.js";
import {
  EXTENT_ENTRY_SIZE,
  EXTENT_MAGIC,
  EXTENT_ROOT_CAPACITY,
  ExtentHeaderLayout,
  ExtentIndexLayout,
  ExtentLayout,
  MAX_EXTENT_DEPTH,
} from "../format/extent.js";
import { I_BLOCK_OFFSET, InodeFlag } from "../format/inode.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import type { Volume } from "../volume.js";
import type { ExtentList } from "./extent-list.js";
import { entryCount, entryFileBlock, indexChild, nodeDepth, readExtentNode } from "./extent-node.js";
import type { ExtentPath } from "./extent-path.js";
import { allocateForMap, freeFromMap } from "./map-allocation.js";
import { MAX_FILE_BLOCKS } from "./mapping.js";

const { magic: MAGIC, entries: ENTRIES, max: MAX, depth: DEPTH, generation: GENERATION } = ExtentHeaderLayout.offset;
const { length: LENGTH, startHi: START_HI, startLo: START_LO } = ExtentLayout.offset;
const { leafLo: LEAF_LO, leafHi: LEAF_HI, unused: UNUSED } = ExtentIndexLayout.offset;

/** Makes i_block of an inode, announced to the handle, an extent tree without extents, and sets the inode's flag. */
export function initExtentRoot(inode: Inode): void {
  inode.block.fill(0);
  writeHeader(inode.view, I_BLOCK_OFFSET, 0, EXTENT_ROOT_CAPACITY, 0);
  inode.flags = (inode.flags | InodeFlag.extents) >>> 0;
  inode.extentRootVerified = true;
}

/** The checksum in the tail of a node, behind the last entry that it has room for. */
export function sealExtentNode(volume: Volume, node: CachedBlock): void {
  if (!volume.features.metadataCsum) return;
  const tail = EXTENT_ENTRY_SIZE * (node.view.getUint16(MAX, true) + 1);
  node.view.setUint32(tail, crc32c(node.sealSeed, node.data, 0, tail), true);
}

/** Announces a change of the node at `level`; the inode, and with it the root, was announced when the operation began. */
export function modifyNode(handle: Handle, path: ExtentPath, level: number): void {
  const node = path.node(level);
  if (node !== undefined) handle.modify(node, sealExtentNode, path.inode.checksumSeed);
}

/**
 * Puts the extents of `list` in the place of `oldCount` extents of the leaf from entry `from` on. They lie in the same range of
 * the file, or in the hole around it. Makes `path` stale.
 *
 * @param goal near which nodes are allocated
 * @throws FileSystemError ENOSPC, EDQUOT, EFBIG when the tree would have to grow and cannot
 */
export function replaceExtents(
  handle: Handle,
  path: ExtentPath,
  from: number,
  oldCount: number,
  list: ExtentList,
  goal: number,
): void {
  const leaf = path.depth;
  const view = path.view(leaf);
  modifyNode(handle, path, leaf);
  const common = Math.min(oldCount, list.count);
  for (let n = 0; n < common; n++) {
    writeExtent(view, path.at(leaf, from + n), list.fileBlock[n]!, list.rawLength(n), list.block[n]!);
  }
  if (from === 1 && common > 0) updateKeys(handle, path, leaf);
  if (list.count < oldCount) removeEntries(handle, path, leaf, from + common, oldCount - common);
  for (let n = common; n < list.count; n++) {
    insertExtent(handle, path, list.fileBlock[n]!, list.rawLength(n), list.block[n]!, goal);
  }
}

/**
 * As replaceExtents, for file blocks that were mapped before: less of them, or in another way. Nodes that this takes are refused to nobody.
 *
 * @throws FileSystemError ENOSPC when nothing at all is free
 */
export const rewriteExtents: typeof replaceExtents = (handle, path, from, oldCount, list, goal) =>
  handle.asNeeded(() => replaceExtents(handle, path, from, oldCount, list, goal));

/** Adds an extent in a hole. */
function insertExtent(
  handle: Handle,
  path: ExtentPath,
  fileBlock: number,
  raw: number,
  block: number,
  goal: number,
): void {
  path.find(fileBlock);
  // Each step splits a node or adds a level, so there are no more of them than nodes on the way.
  while (path.isFull(path.depth)) {
    makeRoom(handle, path, goal);
    path.find(fileBlock);
  }
  const leaf = path.depth;
  const index = path.index[leaf]! + 1;
  openGap(handle, path, leaf, index);
  writeExtent(path.view(leaf), path.at(leaf, index), fileBlock, raw, block);
  if (index === 1) updateKeys(handle, path, leaf);
}

/** Makes room for one more entry before entry `index` of the node at `level`, which is not full. */
function openGap(handle: Handle, path: ExtentPath, level: number, index: number): void {
  modifyNode(handle, path, level);
  const count = path.count(level);
  const start = path.at(level, index);
  path.bytes(level).copyWithin(start + EXTENT_ENTRY_SIZE, start, path.at(level, count + 1));
  path.view(level).setUint16(path.base(level) + ENTRIES, count + 1, true);
}

/**
 * Takes entries out of the node at `level`. A node that is empty then is freed, and its entry taken out of its parent; a tree
 * without extents is a root that is a leaf. Makes `path` stale.
 */
function removeEntries(handle: Handle, path: ExtentPath, level: number, from: number, count: number): void {
  const left = path.count(level) - count;
  if (left === 0 && level > 0) {
    const { block } = path.node(level)!;
    removeEntries(handle, path, level - 1, path.index[level - 1]!, 1);
    freeFromMap(handle, path.inode, block, 1, true);
    return;
  }
  modifyNode(handle, path, level);
  const bytes = path.bytes(level);
  const view = path.view(level);
  const base = path.base(level);
  bytes.copyWithin(path.at(level, from), path.at(level, from + count), path.at(level, left + count + 1));
  bytes.fill(0, path.at(level, left + 1), path.at(level, left + count + 1));
  view.setUint16(base + ENTRIES, left, true);
  if (left === 0) view.setUint16(base + DEPTH, 0, true);
  else if (from === 1) updateKeys(handle, path, level);
}

/** Brings the parents' keys up to date after the first entry of the node at `level` has changed. */
export function updateKeys(handle: Handle, path: ExtentPath, level: number): void {
  const key = entryFileBlock(path.view(level), path.at(level, 1));
  for (let above = level - 1; above >= 0; above--) {
    const view = path.view(above);
    const at = path.at(above, path.index[above]!);
    if (entryFileBlock(view, at) === key) return;
    modifyNode(handle, path, above);
    view.setUint32(at, key, true);
    if (path.index[above] !== 1) return;
  }
}

/** One step on the way to a leaf with room: splits the highest full node whose parent has room, or adds a level. */
function makeRoom(handle: Handle, path: ExtentPath, goal: number): void {
  let level = path.depth;
  while (level > 0 && path.isFull(level - 1)) level--;
  if (level === 0) addLevel(handle, path, goal);
  else splitNode(handle, path, level, goal);
}

/** Moves the root's entries into a node of their own, the only one below the root then. */
function addLevel(handle: Handle, path: ExtentPath, goal: number): void {
  const { inode, depth } = path;
  if (depth >= MAX_EXTENT_DEPTH) {
    throw new FileSystemError("EFBIG", `the extent tree of inode ${inode.ino} has ${depth} levels already`);
  }
  const node = createNode(handle, path, goal);
  const { view } = inode;
  const count = entryCount(view, I_BLOCK_OFFSET);
  writeHeader(node.view, 0, count, nodeCapacity(handle.volume), depth);
  const entries = inode.block.subarray(EXTENT_ENTRY_SIZE, EXTENT_ENTRY_SIZE * (count + 1));
  node.data.set(entries, EXTENT_ENTRY_SIZE);
  const key = entryFileBlock(view, I_BLOCK_OFFSET + EXTENT_ENTRY_SIZE);
  entries.fill(0);
  view.setUint16(I_BLOCK_OFFSET + ENTRIES, 1, true);
  view.setUint16(I_BLOCK_OFFSET + DEPTH, depth + 1, true);
  writeIndex(view, I_BLOCK_OFFSET + EXTENT_ENTRY_SIZE, key, node.block);
}

/**
 * Moves a part of the node at `level` to a new one behind it: half of its entries, but only the last where the path ends behind
 * that one, so that files that grow have full leaves.
 */
function splitNode(handle: Handle, path: ExtentPath, level: number, goal: number): void {
  const count = path.count(level);
  const keep = path.index[level] === count ? count - 1 : count >> 1;
  const { block } = path.node(level)!;
  if (keep < 1) throw new CorruptionError("extent-header", { inode: path.inode.ino, block }, "room for a single entry");
  const node = createNode(handle, path, goal);
  writeHeader(node.view, 0, count - keep, nodeCapacity(handle.volume), path.depth - level);

  modifyNode(handle, path, level);
  const moved = path.bytes(level).subarray(path.at(level, keep + 1), path.at(level, count + 1));
  node.data.set(moved, EXTENT_ENTRY_SIZE);
  moved.fill(0);
  path.view(level).setUint16(path.base(level) + ENTRIES, keep, true);

  const above = level - 1;
  const index = path.index[above]! + 1;
  openGap(handle, path, above, index);
  writeIndex(path.view(above), path.at(above, index), entryFileBlock(node.view, EXTENT_ENTRY_SIZE), node.block);
}

/** Lets the root take the place of the only node below it, as long as that one's entries fit. */
export function pullUp(handle: Handle, inode: Inode): void {
  const { view } = inode;
  for (let depth = nodeDepth(view, I_BLOCK_OFFSET); depth > 0; depth--) {
    if (entryCount(view, I_BLOCK_OFFSET) !== 1) return;
    const at = I_BLOCK_OFFSET + EXTENT_ENTRY_SIZE;
    const child = indexChild(view, at);
    const node = readExtentNode(handle.volume, inode, child, depth - 1, entryFileBlock(view, at), MAX_FILE_BLOCKS);
    const count = entryCount(node.view, 0);
    if (count > view.getUint16(I_BLOCK_OFFSET + MAX, true)) return;
    inode.block.set(node.data.subarray(EXTENT_ENTRY_SIZE, EXTENT_ENTRY_SIZE * (count + 1)), EXTENT_ENTRY_SIZE);
    view.setUint16(I_BLOCK_OFFSET + ENTRIES, count, true);
    view.setUint16(I_BLOCK_OFFSET + DEPTH, depth - 1, true);
    freeFromMap(handle, inode, child, 1, true);
  }
}

function createNode(handle: Handle, path: ExtentPath, goal: number): CachedBlock {
  const { inode } = path;
  const { block } = allocateForMap(handle, inode, goal, 1, true);
  for (let level = 1; level <= path.depth; level++) {
    const { block: taken, verifiedAs, verifiedFor } = path.node(level)!;
    // It may be this one, or have been given to a quota file when that was charged, or be a node of the quota file's as well.
    if (taken !== block && verifiedAs === Verified.extents && verifiedFor === inode.ino) continue;
    throw new CorruptionError(
      "block-range",
      { inode: inode.ino, block: taken },
      "the bitmap calls a node of the tree free",
    );
  }
  const node = handle.create(block, sealExtentNode, inode.checksumSeed);
  node.verifiedAs = Verified.extents;
  node.verifiedFor = inode.ino;
  return node;
}

/** Entries that fit a node that is a block of its own. */
function nodeCapacity(volume: Volume): number {
  return Math.floor(volume.geometry.blockSize / EXTENT_ENTRY_SIZE) - 1;
}

function writeHeader(view: DataView, base: number, entries: number, max: number, depth: number): void {
  view.setUint16(base + MAGIC, EXTENT_MAGIC, true);
  view.setUint16(base + ENTRIES, entries, true);
  view.setUint16(base + MAX, max, true);
  view.setUint16(base + DEPTH, depth, true);
  view.setUint32(base + GENERATION, 0, true);
}

function writeExtent(view: DataView, at: number, fileBlock: number, raw: number, block: number): void {
  view.setUint32(at, fileBlock, true);
  view.setUint16(at + LENGTH, raw, true);
  view.setUint16(at + START_HI, Math.floor(block / 0x1_0000_0000), true);
  view.setUint32(at + START_LO, block % 0x1_0000_0000, true);
}

function writeIndex(view: DataView, at: number, fileBlock: number, child: number): void {
  view.setUint32(at, fileBlock, true);
  view.setUint32(at + LEAF_LO, child % 0x1_0000_0000, true);
  view.setUint16(at + LEAF_HI, Math.floor(child / 0x1_0000_0000), true);
  view.setUint16(at + UNUSED, 0, true);
}
