import { type CachedBlock, Verified } from "../cache/block-cache.js";
import { crc32c, crc32cLe32, crc32cZeros } from "../checksum/crc32c.js";
import { CorruptionError, type CorruptionKind } from "../errors.js";
import {
  HashVersion,
  INDEX_BLOCK_MASK,
  INDEX_NODE_ENTRIES,
  INDEX_ROOT_ENTRIES,
  INDEX_ROOT_INFO_SIZE,
  IndexCountLimitLayout,
  IndexEntryLayout,
  IndexRootLayout,
  IndexTailLayout,
  recordSize,
} from "../format/directory.js";
import type { Inode } from "../inode/inode.js";
import type { Volume } from "../volume.js";
import { boundedBlocksOf, readDirectoryBlock } from "./blocks.js";
import { hashesInEntries, resolveHashVersion } from "./kind.js";
import { inodeOf, isDot, recordLength } from "./leaf.js";

const ENTRY = IndexEntryLayout.size;
/** Index blocks between the directory and its leaves: two, or three with large_dir (ext4_dir_htree_level). */
const LEVELS = 2;
const LEVELS_LARGE = 3;

/** Hash past the last leaf's range. */
export const HASH_END = 0xffff_ffff;

/**
 * A way from the root of a directory's index to one of its leaves. Reused: descending and stepping allocate nothing.
 */
export class IndexPath {
  /** Hash function of this index, signedness resolved. */
  hashVersion = 0;
  /** Index blocks on the way, root included. */
  levels = 0;
  /** Leaf's block in the directory. */
  leaf = 0;
  /** Lowest hash of the leaf's range; even. */
  leafHash = 0;
  /** Leaves that were visited since the last descent; more than the directory has blocks is a cycle. */
  visited = 0;
  /** Blocks of the directory. */
  blocks = 0;
  readonly node: (CachedBlock | undefined)[] = [undefined, undefined, undefined];
  readonly entries = new Int32Array(LEVELS_LARGE);
  readonly count = new Int32Array(LEVELS_LARGE);
  readonly at = new Int32Array(LEVELS_LARGE);

  /** Byte offset of the current entry of a level in its block. */
  offset(level: number): number {
    return this.entries[level]! + this.at[level]! * ENTRY;
  }
}

/**
 * Reads the root of a directory's index.
 *
 * @throws CorruptionError: kinds htree-* and directory-hole
 */
export function openIndex(volume: Volume, dir: Inode, path: IndexPath): void {
  path.blocks = boundedBlocksOf(volume, dir);
  path.visited = 0;
  const block = readDirectoryBlock(volume, dir, 0);
  if (block.verifiedAs !== Verified.directoryIndex || block.verifiedFor !== dir.ino) {
    verifyRoot(volume, dir, block);
    block.verifiedAs = Verified.directoryIndex;
    block.verifiedFor = dir.ino;
  }
  const { offset } = IndexRootLayout;
  path.hashVersion = resolveHashVersion(volume, block.data[offset.hashVersion]!);
  path.levels = block.data[offset.indirectLevels]! + 1;
  path.node.fill(undefined); // what an earlier descent went through
  path.node[0] = block;
  path.entries[0] = INDEX_ROOT_ENTRIES;
  path.count[0] = countOf(block, INDEX_ROOT_ENTRIES);
  path.at[0] = 0;
}

/**
 * Goes from the root to the leaf whose range holds `hash`; where the names of one hash fill several leaves, to the first.
 * The path has been opened.
 */
export function descend(volume: Volume, dir: Inode, path: IndexPath, hash: number): void {
  for (let level = 0; ; level++) {
    const node = path.node[level]!;
    const entries = path.entries[level]!;
    let low = 1;
    let high = path.count[level]! - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      if (hashAt(node, entries + middle * ENTRY) > hash) high = middle - 1;
      else low = middle + 1;
    }
    path.at[level] = low - 1;
    if (level + 1 === path.levels) break;
    enter(volume, dir, path, level);
  }
  arrive(dir, path);
}

/**
 * The hash at which the range of the leaf after this one starts; odd when that leaf continues this one (names of the hash
 * below it are in both). HASH_END when this is the last leaf.
 */
export function nextHash(path: IndexPath): number {
  for (let level = path.levels - 1; level >= 0; level--) {
    if (path.at[level]! + 1 < path.count[level]!) {
      return hashAt(path.node[level]!, path.offset(level) + ENTRY);
    }
  }
  return HASH_END;
}

/** Goes to the next leaf; false when this is the last one. */
export function advance(volume: Volume, dir: Inode, path: IndexPath): boolean {
  let level = path.levels - 1;
  while (path.at[level]! + 1 >= path.count[level]!) {
    if (level-- === 0) return false;
  }
  path.at[level]!++;
  for (; level + 1 < path.levels; level++) {
    enter(volume, dir, path, level);
    path.at[level + 1] = 0;
  }
  arrive(dir, path);
  return true;
}

/** Reads the index block that the current entry of `level` names as the next level's. */
function enter(volume: Volume, dir: Inode, path: IndexPath, level: number): void {
  const offset = path.offset(level);
  const fileBlock = blockAt(path.node[level]!, offset);
  checkFileBlock(dir, path, path.node[level]!, offset, fileBlock);
  const block = readDirectoryBlock(volume, dir, fileBlock);
  for (let above = 0; above <= level; above++) {
    if (path.node[above] === block) {
      throw indexError("htree-cycle", dir, block, offset, `index block ${fileBlock} is below itself`);
    }
  }
  if (block.verifiedAs !== Verified.directoryIndex || block.verifiedFor !== dir.ino) {
    verifyNode(volume, dir, block, fileBlock);
    block.verifiedAs = Verified.directoryIndex;
    block.verifiedFor = dir.ino;
  }
  path.node[level + 1] = block;
  path.entries[level + 1] = INDEX_NODE_ENTRIES;
  path.count[level + 1] = countOf(block, INDEX_NODE_ENTRIES);
}

/** Takes over the leaf that the last level's entry names. */
function arrive(dir: Inode, path: IndexPath): void {
  const last = path.levels - 1;
  const node = path.node[last]!;
  const offset = path.offset(last);
  path.leaf = blockAt(node, offset);
  checkFileBlock(dir, path, node, offset, path.leaf);
  let hash = 0;
  for (let level = last; level >= 0; level--) {
    if (path.at[level]! > 0) {
      hash = hashAt(path.node[level]!, path.offset(level));
      break;
    }
  }
  path.leafHash = (hash & ~1) >>> 0;
  if (++path.visited > path.blocks) {
    throw indexError("htree-cycle", dir, node, offset, `more leaves than the directory's ${path.blocks} blocks`);
  }
}

function checkFileBlock(dir: Inode, path: IndexPath, node: CachedBlock, offset: number, fileBlock: number): void {
  if (fileBlock > 0 && fileBlock < path.blocks) return;
  throw indexError("htree-order", dir, node, offset, `block ${fileBlock} of ${path.blocks} in the directory`);
}

function hashAt(node: CachedBlock, offset: number): number {
  return node.view.getUint32(offset, true);
}

function blockAt(node: CachedBlock, offset: number): number {
  return node.view.getUint32(offset + IndexEntryLayout.offset.block, true) & INDEX_BLOCK_MASK;
}

function limitOf(node: CachedBlock, entries: number): number {
  return node.view.getUint16(entries + IndexCountLimitLayout.offset.limit, true);
}

function countOf(node: CachedBlock, entries: number): number {
  return node.view.getUint16(entries + IndexCountLimitLayout.offset.count, true);
}

/** Most index blocks between a directory and its leaves, the root included. */
export function mostLevels(volume: Volume): number {
  return volume.features.largeDir ? LEVELS_LARGE : LEVELS;
}

/** The rules of dx_probe for the root. */
function verifyRoot(volume: Volume, dir: Inode, block: CachedBlock): void {
  const { data, view } = block;
  const { blockSize } = volume.geometry;
  const root = IndexRootLayout.at(view, 0);
  const bad = (offset: number, evidence: string) => indexError("htree-header", dir, block, offset, evidence);
  const first = recordLength(data, 0, blockSize);
  if (first !== recordSize(1) || !isDot(data, 0, root.dotNameLength) || root.dotNameLength !== 1) {
    throw bad(0, "the index root does not start with an entry for .");
  }
  const second = recordLength(data, first, blockSize);
  if (second !== blockSize - first || root.dotdotNameLength !== 2 || !isDot(data, first, 2)) {
    throw bad(first, "the index root's second entry is not .. over the rest of the block");
  }
  for (const at of [0, first]) {
    const ino = inodeOf(data, at);
    if (ino === 0 || ino > volume.geometry.inodeCount) {
      throw bad(at, `inode ${ino} of ${volume.geometry.inodeCount}`);
    }
  }
  const { offset } = IndexRootLayout;
  const { hashVersion, indirectLevels, infoLength, unusedFlags } = root;
  const known = hashVersion <= HashVersion.tea || hashVersion === HashVersion.siphash;
  if (!known || (hashVersion === HashVersion.siphash) !== hashesInEntries(dir)) {
    throw bad(offset.hashVersion, `hash version ${hashVersion}`);
  }
  if ((unusedFlags & 1) !== 0) throw bad(offset.unusedFlags, `unknown flags 0x${unusedFlags.toString(16)}`);
  if (indirectLevels >= mostLevels(volume)) throw bad(offset.indirectLevels, `${indirectLevels} levels below the root`);
  if (infoLength !== INDEX_ROOT_INFO_SIZE) throw bad(offset.infoLength, `root information of ${infoLength} bytes`);
  const space = blockSize - INDEX_ROOT_ENTRIES;
  verifyIndexEntries(volume, dir, block, INDEX_ROOT_ENTRIES, space, space);
}

/** The rules of dx_probe for an index block below the root. */
function verifyNode(volume: Volume, dir: Inode, block: CachedBlock, fileBlock: number): void {
  const { blockSize } = volume.geometry;
  if (recordLength(block.data, 0, blockSize) !== blockSize || inodeOf(block.data, 0) !== 0) {
    throw indexError("htree-header", dir, block, 0, `block ${fileBlock} of the directory is no index block`);
  }
  const space = blockSize - INDEX_NODE_ENTRIES;
  // The kernel leaves room for a stored hash in the fake entry; e2fsprogs does not.
  verifyIndexEntries(volume, dir, block, INDEX_NODE_ENTRIES, space, hashesInEntries(dir) ? space - 8 : space);
}

/** Limit, count, checksum and order of an index block's entries, which may take `space` bytes (or `otherSpace`). */
function verifyIndexEntries(
  volume: Volume,
  dir: Inode,
  block: CachedBlock,
  entries: number,
  space: number,
  otherSpace: number,
): void {
  const limit = limitOf(block, entries);
  const count = countOf(block, entries);
  const tail = volume.features.metadataCsum ? IndexTailLayout.size : 0;
  const expected = Math.floor((space - tail) / ENTRY);
  const other = Math.floor((otherSpace - tail) / ENTRY);
  if (limit !== expected && limit !== other) {
    throw indexError("htree-header", dir, block, entries, `room for ${limit} entries instead of ${expected}`);
  }
  if (count === 0 || count > limit) {
    throw indexError("htree-header", dir, block, entries, `${count} entries of ${limit}`);
  }
  if (volume.features.metadataCsum) verifyIndexChecksum(dir, block, entries, limit, count);
  let previous = 0;
  for (let i = 1; i < count; i++) {
    const hash = hashAt(block, entries + i * ENTRY);
    // Equal hashes are leaves that continue each other.
    if ((hash & ~1) >>> 0 < previous) {
      throw indexError("htree-order", dir, block, entries + i * ENTRY, `hash ${hash} after ${previous}`);
    }
    previous = (hash & ~1) >>> 0;
  }
}

function verifyIndexChecksum(dir: Inode, block: CachedBlock, entries: number, limit: number, count: number): void {
  const base = entries + limit * ENTRY;
  const tail = IndexTailLayout.at(block.view, base);
  let computed = crc32c(dir.checksumSeed, block.data, 0, entries + count * ENTRY);
  computed = crc32cZeros(crc32cLe32(computed, tail.reserved), 4);
  if (computed !== tail.checksum) {
    throw indexError(
      "htree-checksum",
      dir,
      block,
      base,
      `checksum 0x${tail.checksum.toString(16)}, computed 0x${computed.toString(16)}`,
    );
  }
}

function indexError(
  kind: CorruptionKind,
  dir: Inode,
  block: CachedBlock,
  offset: number,
  evidence: string,
): CorruptionError {
  return new CorruptionError(kind, { inode: dir.ino, block: block.block, offset }, evidence);
}
