import type { CachedBlock } from "../cache/block-cache.js";
import { CorruptionError, FileSystemError } from "../errors.js";
import { INLINE_DOTDOT_SIZE, NAME_MAX } from "../format/directory.js";
import { I_BLOCK_SIZE, ReservedInode } from "../format/inode.js";
import type { Inode } from "../inode/inode.js";
import { inlineData } from "../map/inline-data.js";
import { readFileBlock } from "../map/read-data.js";
import type { Volume } from "../volume.js";
import { boundedBlocksOf, nextMappedBlock, prefetchAround, readDirectoryBlock } from "./blocks.js";
import { advance, descend, IndexPath, nextHash, openIndex } from "./htree.js";
import { isIndexed } from "./kind.js";
import { findBytes, inodeOf, verifyEntries, verifyLeaf } from "./leaf.js";
import { directoryHash, NameQuery } from "./name-query.js";

const query = new NameQuery();
const path = new IndexPath();

const dot = new Uint8Array([0x2e]);
const dotdot = new Uint8Array([0x2e, 0x2e]);

/**
 * The inode number that `name` has in a directory, or 0 when there is no such name. `.` and `..` are answered as well.
 * In case-insensitive directories the name is compared as the directory's flag asks; in encrypted ones it is the name that
 * readDirectory shows.
 *
 * @param name 1 to 255 bytes
 * @throws FileSystemError ENOTDIR, ENAMETOOLONG; CorruptionError kinds directory-*, htree-*; DeviceError
 */
export function lookup(volume: Volume, dir: Inode, name: Uint8Array): number {
  if (!dir.isDirectory) throw new FileSystemError("ENOTDIR", `inode ${dir.ino} is no directory`);
  if (name.length > NAME_MAX) throw new FileSystemError("ENAMETOOLONG", `a name of ${name.length} bytes`);
  if (name.length === 0) return 0;
  const ino = isDotName(name) ? lookupDot(volume, dir, name.length) : lookupName(volume, dir, name);
  if (ino !== 0 && ino !== ReservedInode.root && ino < volume.geometry.firstInode) {
    throw new CorruptionError("directory-entry", { inode: dir.ino }, `an entry names the reserved inode ${ino}`);
  }
  // A way back into the directory under another name would make walks endless.
  if (ino === dir.ino && !isDotName(name)) {
    throw new CorruptionError("directory-entry", { inode: dir.ino }, "a name in the directory leads to the directory");
  }
  return ino;
}

export function isDotName(name: Uint8Array): boolean {
  return name[0] === 0x2e && (name.length === 1 || (name.length === 2 && name[1] === 0x2e));
}

/** `.` and `..` are in the first block, or implied in an inline directory. */
export function lookupDot(volume: Volume, dir: Inode, dots: number): number {
  if (dir.hasInlineData) {
    if (dots === 1) return dir.ino;
    const ino = inodeOf(inlineBytes(volume, dir), 0);
    if (ino > 0 && ino <= volume.geometry.inodeCount) return ino;
    throw new CorruptionError("inline-data", { inode: dir.ino }, `the parent is inode ${ino}`);
  }
  if (boundedBlocksOf(volume, dir) === 0) return 0;
  const { blockSize } = volume.geometry;
  const root = isIndexed(volume, dir) ? indexRootOf(volume, dir) : undefined;
  // An index root holds these two at fixed places, which its verification has checked.
  if (root !== undefined) return inodeOf(root.data, dots === 1 ? 0 : 12);
  const block = readDirectoryBlock(volume, dir, 0);
  verifyLeaf(volume, dir, block, 0);
  const at = findBytes(block.data, 0, blockSize, blockSize, dots === 1 ? dot : dotdot);
  return at < 0 ? 0 : inodeOf(block.data, at);
}

/** Where an entry lies. Reused. */
export class EntryPlace {
  /** The block, verified; undefined in an inline directory. */
  block: CachedBlock | undefined = undefined;
  /** The block's number in the directory. */
  fileBlock = 0;
  /** What the entry lies in: the block's bytes, or the contents of an inline directory (maybe a copy of them). */
  data: Uint8Array = new Uint8Array(0);
  /** Where in `data` the entry starts. */
  offset = 0;

  set(block: CachedBlock | undefined, fileBlock: number, data: Uint8Array, offset: number): void {
    this.block = block;
    this.fileBlock = fileBlock;
    this.data = data;
    this.offset = offset;
  }
}

const place = new EntryPlace();

function lookupName(volume: Volume, dir: Inode, name: Uint8Array): number {
  return findEntry(volume, dir, name, place) ? inodeOf(place.data, place.offset) : 0;
}

/** Finds the entry of a name other than `.` and `..`; false when there is none. */
export function findEntry(volume: Volume, dir: Inode, name: Uint8Array, out: EntryPlace): boolean {
  if (!query.prepare(volume, dir, name)) return false;
  if (dir.hasInlineData) return findInline(volume, dir, out);
  if (isIndexed(volume, dir)) {
    const found = findIndexed(volume, dir, out);
    if (found >= 0) return found === 1;
  }
  return findLinear(volume, dir, out);
}

/** The two regions of an inline directory; each is filled with records as a block is. */
function findInline(volume: Volume, dir: Inode, out: EntryPlace): boolean {
  const data = inlineBytes(volume, dir);
  const { blockSize } = volume.geometry;
  for (let start = INLINE_DOTDOT_SIZE, end = I_BLOCK_SIZE; start < data.length; start = end, end = data.length) {
    const at = query.find(data, start, end, blockSize);
    if (at >= 0) {
      out.set(undefined, 0, data, at);
      return true;
    }
  }
  return false;
}

/** The verified bytes of an inline directory. */
export function inlineBytes(volume: Volume, dir: Inode): Uint8Array {
  const data = inlineData(volume, dir);
  if (data.length < I_BLOCK_SIZE) {
    throw new CorruptionError("inline-data", { inode: dir.ino }, `an inline directory of ${data.length} bytes`);
  }
  const location = { inode: dir.ino };
  verifyEntries(volume, dir, data, INLINE_DOTDOT_SIZE, I_BLOCK_SIZE, location);
  verifyEntries(volume, dir, data, I_BLOCK_SIZE, data.length, location);
  return data;
}

/** 1 when the name is found, 0 when it is not there, -1 when the index is of no use and the blocks have to be searched. */
function findIndexed(volume: Volume, dir: Inode, out: EntryPlace): number {
  try {
    openIndex(volume, dir, path);
    const hash = directoryHash(volume);
    if (!query.hash(hash, path.hashVersion)) return -1;
    const major = hash.major;
    descend(volume, dir, path, major);
    const { blockSize } = volume.geometry;
    for (;;) {
      const block = readDirectoryBlock(volume, dir, path.leaf);
      verifyLeaf(volume, dir, block, path.leaf);
      const at = query.find(block.data, 0, blockSize, blockSize);
      if (at >= 0) {
        out.set(block, path.leaf, block.data, at);
        return 1;
      }
      if ((nextHash(path) & ~1) >>> 0 !== major || !advance(volume, dir, path)) return 0;
    }
  } catch (error) {
    forgive(volume, dir, error);
    return -1;
  }
}

/** The verified root of an indexed directory, undefined when its index may be ignored. */
export function indexRootOf(volume: Volume, dir: Inode): CachedBlock | undefined {
  try {
    openIndex(volume, dir, path);
    return path.node[0];
  } catch (error) {
    forgive(volume, dir, error);
    return undefined;
  }
}

/** Directories whose index was complained of already, a bounded number of them. */
const complained = new WeakMap<Volume, Set<number>>();
const MOST_COMPLAINTS = 1024;

/**
 * Lets the caller go on without the index, as the kernel does when dx_probe finds it bad: an unindexed walk over the blocks
 * finds every entry, index blocks looking like unused space. Not with checksums, which make the index trustworthy or corrupt.
 * Logged once for a directory.
 */
export function forgive(volume: Volume, dir: Inode, error: unknown): void {
  const usable =
    error instanceof CorruptionError &&
    !volume.features.metadataCsum &&
    (error.kind === "htree-header" || error.kind === "htree-order" || error.kind === "htree-cycle");
  if (!usable) throw error;
  let known = complained.get(volume);
  if (known === undefined) {
    known = new Set();
    complained.set(volume, known);
  }
  if (known.has(dir.ino)) return;
  if (known.size >= MOST_COMPLAINTS) known.clear();
  known.add(dir.ino);
  volume.environment.log("warning", `directory index ignored, run e2fsck -D: ${error.message}`);
}

function findLinear(volume: Volume, dir: Inode, out: EntryPlace): boolean {
  const { blockSize } = volume.geometry;
  const end = boundedBlocksOf(volume, dir);
  let fileBlock = nextMappedBlock(volume, dir, 0, end);
  while (fileBlock < end) {
    prefetchAround(volume, dir, fileBlock);
    const block = readFileBlock(volume, dir, fileBlock);
    if (block !== undefined) {
      verifyLeaf(volume, dir, block, fileBlock);
      const at = query.find(block.data, 0, blockSize, blockSize);
      if (at >= 0) {
        out.set(block, fileBlock, block.data, at);
        return true;
      }
    }
    fileBlock = nextMappedBlock(volume, dir, fileBlock + 1, end);
  }
  return false;
}
