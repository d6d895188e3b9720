import { type CachedBlock, Verified } from "../cache/block-cache.js";
import { FileSystemError } from "../errors.js";
import {
  HashVersion,
  INDEX_NODE_ENTRIES,
  INDEX_ROOT_ENTRIES,
  INDEX_ROOT_INFO_SIZE,
  IndexCountLimitLayout,
  IndexEntryLayout,
  IndexRootLayout,
  IndexTailLayout,
  recordSize,
} from "../format/directory.js";
import { InodeFlag } from "../format/inode.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import type { Volume } from "../volume.js";
import { appendDirectoryBlock, lastBlockOf } from "./append.js";
import { type IndexPath, mostLevels } from "./htree.js";
import { isDot, recordLength } from "./leaf.js";
import { writeRecordLength } from "./records.js";
import { leafEnd, sealIndexNode, sealIndexRoot, sealLeaf, writeLeafTail } from "./seal.js";

const ENTRY = IndexEntryLayout.size;
/** Bytes of the records of `.` and `..`. */
const DOT = recordSize(1);

/** Whether the index block that names the path's leaf takes another entry. */
export function indexHasRoom(path: IndexPath): boolean {
  return !isFull(path, path.levels - 1);
}

function isFull(path: IndexPath, level: number): boolean {
  const entries = path.entries[level]!;
  return path.count[level]! >= path.node[level]!.view.getUint16(entries + IndexCountLimitLayout.offset.limit, true);
}

/**
 * Makes room in an index whose lowest block on the path is full: splits the highest full block that is below one with room, or
 * puts a level below a full root. The path is of no use afterwards; where there is still no room, the caller comes again.
 *
 * @throws FileSystemError ENOSPC when the index has as many levels as it may have
 */
export function growIndex(handle: Handle, dir: Inode, path: IndexPath): void {
  let level = path.levels - 1;
  while (level > 0 && isFull(path, level - 1)) level--;
  if (level > 0) splitNode(handle, dir, path, level);
  else addLevel(handle, dir, path);
}

/** Moves the upper half of an index block's entries to a new one. */
function splitNode(handle: Handle, dir: Inode, path: IndexPath, level: number): void {
  const node = path.node[level]!;
  const count = path.count[level]!;
  const kept = count >> 1;
  const from = INDEX_NODE_ENTRIES + kept * ENTRY;
  const hash = node.view.getUint32(from, true);
  const added = newNode(handle, dir, path);
  modifyNode(handle, dir, path, level);
  added.data.set(node.data.subarray(from, INDEX_NODE_ENTRIES + count * ENTRY), INDEX_NODE_ENTRIES);
  writeCountLimit(handle.volume, added, count - kept);
  node.data.fill(0, from, INDEX_NODE_ENTRIES + count * ENTRY);
  setCount(node, INDEX_NODE_ENTRIES, kept);
  insertIndexEntry(handle, dir, path, level - 1, hash, lastBlockOf(handle, dir));
}

/** Moves all entries of the root to a new index block below it. */
function addLevel(handle: Handle, dir: Inode, path: IndexPath): void {
  const { volume } = handle;
  if (path.levels >= mostLevels(volume)) {
    throw new FileSystemError(
      "ENOSPC",
      `the index of directory ${dir.ino} is full${volume.features.largeDir ? "" : "; large_dir would let it grow"}`,
    );
  }
  const root = path.node[0]!;
  const count = path.count[0]!;
  const end = INDEX_ROOT_ENTRIES + count * ENTRY;
  const added = newNode(handle, dir, path);
  modifyNode(handle, dir, path, 0);
  added.data.set(root.data.subarray(INDEX_ROOT_ENTRIES, end), INDEX_NODE_ENTRIES);
  writeCountLimit(volume, added, count);
  root.data.fill(0, INDEX_ROOT_ENTRIES + ENTRY, end);
  setCount(root, INDEX_ROOT_ENTRIES, 1);
  setBlock(root, INDEX_ROOT_ENTRIES, lastBlockOf(handle, dir));
  root.data[IndexRootLayout.offset.indirectLevels]!++;
}

function newNode(handle: Handle, dir: Inode, path: IndexPath): CachedBlock {
  const { blockSize } = handle.volume.geometry;
  const added = appendDirectoryBlock(handle, dir, Verified.directoryIndex, sealIndexNode, ...path.node);
  // An unused record over the whole block, to whoever knows no indexes.
  writeRecordLength(added.data, 0, blockSize, blockSize);
  return added;
}

function modifyNode(handle: Handle, dir: Inode, path: IndexPath, level: number): void {
  handle.modify(path.node[level]!, level === 0 ? sealIndexRoot : sealIndexNode, dir.checksumSeed);
}

/** Puts an entry behind the path's current one of a level, which has room. */
export function insertIndexEntry(
  handle: Handle,
  dir: Inode,
  path: IndexPath,
  level: number,
  hash: number,
  fileBlock: number,
): void {
  modifyNode(handle, dir, path, level);
  const { data, view } = path.node[level]!;
  const entries = path.entries[level]!;
  const count = path.count[level]!;
  const at = path.offset(level) + ENTRY;
  data.copyWithin(at + ENTRY, at, entries + count * ENTRY);
  view.setUint32(at + IndexEntryLayout.offset.hash, hash, true);
  view.setUint32(at + IndexEntryLayout.offset.block, fileBlock, true);
  path.count[level] = count + 1;
  setCount(path.node[level]!, entries, count + 1);
}

function setCount(node: CachedBlock, entries: number, count: number): void {
  node.view.setUint16(entries + IndexCountLimitLayout.offset.count, count, true);
}

function setBlock(node: CachedBlock, entry: number, fileBlock: number): void {
  node.view.setUint32(entry + IndexEntryLayout.offset.block, fileBlock, true);
}

function writeCountLimit(volume: Volume, node: CachedBlock, count: number, entries = INDEX_NODE_ENTRIES): void {
  const tail = volume.features.metadataCsum ? IndexTailLayout.size : 0;
  const limit = Math.floor((volume.geometry.blockSize - entries - tail) / ENTRY);
  node.view.setUint16(entries + IndexCountLimitLayout.offset.limit, limit, true);
  setCount(node, entries, count);
}

/** Whether a directory of one block can get an index: its hash function is known, `.` and `..` are where an index has them. */
export function canBeIndexed(volume: Volume, first: CachedBlock): boolean {
  const { blockSize } = volume.geometry;
  const { data } = first;
  const { offset } = IndexRootLayout;
  return (
    volume.superblock.defaultHashVersion <= HashVersion.tea &&
    data[offset.dotNameLength] === 1 &&
    isDot(data, 0, 1) &&
    recordLength(data, 0, blockSize) === DOT &&
    data[offset.dotdotNameLength] === 2 &&
    isDot(data, DOT, 2) &&
    DOT + recordLength(data, DOT, blockSize) < leafEnd(volume)
  );
}

/** Makes a directory of one block an indexed one (make_indexed_dir): the block becomes the root, its entries go to a second block. */
export function makeIndexed(handle: Handle, dir: Inode, root: CachedBlock): void {
  const { volume } = handle;
  const { blockSize } = volume.geometry;
  const end = leafEnd(volume);
  const { data, view } = root;
  const first = DOT + recordLength(data, DOT, blockSize);
  const leaf = appendDirectoryBlock(handle, dir, Verified.directoryLeaf, sealLeaf, root);
  handle.modify(root, sealIndexRoot, dir.checksumSeed);
  handle.modifyInode(dir);
  dir.flags |= InodeFlag.index;

  leaf.data.set(data.subarray(first, end));
  let last = 0;
  for (;;) {
    const next = last + recordLength(leaf.data, last, blockSize);
    if (next >= end - first) break;
    last = next;
  }
  writeRecordLength(leaf.data, last, end - last, blockSize);
  writeLeafTail(volume, leaf);

  data.fill(0, 2 * DOT);
  writeRecordLength(data, DOT, blockSize - DOT, blockSize);
  const info = IndexRootLayout.at(view, 0);
  info.hashVersion = volume.superblock.defaultHashVersion;
  info.infoLength = INDEX_ROOT_INFO_SIZE;
  setBlock(root, INDEX_ROOT_ENTRIES, lastBlockOf(handle, dir));
  writeCountLimit(volume, root, 1, INDEX_ROOT_ENTRIES);
  root.verifiedAs = Verified.directoryIndex;
  root.verifiedFor = dir.ino;
}
