import { CorruptionError, FileSystemError } from "../errors.js";
import { DirectoryEntryLayout, HashVersion, INLINE_DOTDOT_SIZE, recordSize } from "../format/directory.js";
import { I_BLOCK_SIZE, InodeFlag } from "../format/inode.js";
import type { Inode } from "../inode/inode.js";
import { readFileBlock } from "../map/read-data.js";
import type { Volume } from "../volume.js";
import { boundedBlocksOf, nextMappedBlock, prefetchAround, readDirectoryBlock } from "./blocks.js";
import { advance, descend, HASH_END, type IndexPath, nextHash, openIndex } from "./htree.js";
import { defaultHashVersion, hashesInEntries, isCaseInsensitive, isIndexed, isListedByHash } from "./kind.js";
import { inodeOf, recordLength, verifyLeaf } from "./leaf.js";
import { Listing, mostLeavesOfHash } from "./listing.js";
import { forgive, inlineBytes, lookupDot } from "./lookup.js";
import { directoryHash } from "./name-query.js";
import { entryHash } from "./sorted-entries.js";

/**
 * Takes one entry of a listing.
 *
 * @param ino inode number
 * @param type a DT_* value, 0 when the file system does not say
 * @param bytes holds the name at `[nameStart, nameStart + nameLength)`, until the visitor returns
 * @param nextHigh upper 32 bits of the cookie at which the listing goes on after this entry, `nextLow` the lower
 * @returns false to stop: the entry counts as not listed
 */
export type DirectoryVisitor = (
  ino: number,
  type: number,
  bytes: Uint8Array,
  nameStart: number,
  nameLength: number,
  nextHigh: number,
  nextLow: number,
) => boolean;

const { offset: FIELD, size: NAME } = DirectoryEntryLayout;
const TWO_32 = 0x1_0000_0000;
const DT_DIRECTORY = 4;
/** DT_* by file type of the entry. */
const directoryTypes = new Uint8Array([0, 8, 4, 2, 6, 1, 12, 10]);
/** Bytes of the records of `.` and `..` at the start of a directory's first block. */
const DOT_RECORD = recordSize(1);
const dots = new Uint8Array([0x2e, 0x2e]);
/** Entries of a listing that is kept for the next call: those of any one leaf. */
const MOST_KEPT_ENTRIES = 8192;
/** Cookies of an ordinary entry: above those of `.` and `..`. */
const FIRST_LOW = 2;

/** The listing that was last at work on a volume: the next call goes on with the same leaf as a rule, and finds it sorted. */
const idle = new WeakMap<Volume, Listing>();

/**
 * Lists a directory from a cookie on. (0, 0) is the start; any other cookie is one that the visitor was given. Cookies hold no
 * state: they stay good while entries come and go, and after a restart. `.` and `..` come first.
 *
 * Directories with an index, and those that fit in one block when the file system has dir_index, are listed in the order of
 * hashes as the kernel does; a cookie is then the hash of the name: its 31 bits, and below them the 32 of the minor hash (of
 * names whose hashes are equal in all 63 bits, the later ones take the numbers that follow). Others are listed as they lie, and
 * a cookie is a byte offset.
 *
 * @throws FileSystemError ENOTDIR; CorruptionError kinds directory-*, htree-*, inline-data; DeviceError
 */
export function readDirectory(
  volume: Volume,
  dir: Inode,
  cookieHigh: number,
  cookieLow: number,
  visit: DirectoryVisitor,
): void {
  if (!dir.isDirectory) throw new FileSystemError("ENOTDIR", `inode ${dir.ino} is no directory`);
  const listing = idle.get(volume) ?? new Listing();
  idle.delete(volume);
  try {
    if (!isListedByHash(volume, dir)) listByOffset(volume, dir, cookieHigh, cookieLow, visit, listing);
    else if (isIndexed(volume, dir) && !dir.hasInlineData && !hasUsableIndex(volume, dir, listing.path)) {
      listByOffset(volume, dir, cookieHigh, cookieLow, visit, listing);
    } else listByHash(volume, dir, cookieHigh, cookieLow, visit, listing);
  } finally {
    if (listing.sortedFor === undefined) listing.entries.clear();
    if (listing.entries.capacity <= MOST_KEPT_ENTRIES) idle.set(volume, listing);
  }
}

/**
 * Whether the index leads to its first leaf. Asked at the start of every call, not at the first one alone: a listing by offset
 * has to go on as one.
 */
function hasUsableIndex(volume: Volume, dir: Inode, path: IndexPath): boolean {
  try {
    openIndex(volume, dir, path);
    descend(volume, dir, path, 0);
    path.visited = 0;
    return true;
  } catch (error) {
    forgive(volume, dir, error);
    return false;
  }
}

/** `.` and `..`, whose cookies are 0 and 1 in the order of hashes; false when the visitor stopped. */
function listDots(volume: Volume, dir: Inode, high: number, low: number, visit: DirectoryVisitor): boolean {
  for (let count = 1; count <= 2; count++) {
    if (high > 0 || low >= count) continue;
    const ino = lookupDot(volume, dir, count);
    if (ino !== 0 && !visit(ino, DT_DIRECTORY, dots, 0, count, 0, count)) return false;
  }
  return true;
}

function listByHash(
  volume: Volume,
  dir: Inode,
  high: number,
  low: number,
  visit: DirectoryVisitor,
  listing: Listing,
): void {
  if (high > 0x7fff_ffff || !listDots(volume, dir, high, low, visit)) return;
  const { entries } = listing;
  const { blockSize } = volume.geometry;
  const hash = directoryHash(volume);
  listing.high = 0;
  listing.low = FIRST_LOW - 1;
  if (isIndexed(volume, dir) && !dir.hasInlineData) {
    listIndexed(volume, dir, high, low, visit, listing);
    return;
  }
  const fold = isCaseInsensitive(volume, dir);
  const version = defaultHashVersion(volume, dir);
  if (dir.hasInlineData) {
    listing.startBatch();
    const data = inlineBytes(volume, dir);
    entries.add(data, INLINE_DOTDOT_SIZE, I_BLOCK_SIZE, blockSize, hash, version, fold);
    entries.add(data, I_BLOCK_SIZE, data.length, blockSize, hash, version, fold);
    entries.sort();
  } else {
    const block = readDirectoryBlock(volume, dir, 0);
    verifyLeaf(volume, dir, block, 0);
    if (!listing.holds(dir, block, 0, HASH_END, version)) {
      listing.startBatch();
      entries.add(block.data, 0, blockSize, blockSize, hash, version, fold);
      listing.sortLeaf(dir, block, 0, HASH_END, version);
    }
  }
  visitSorted(volume, dir, high, low, visit, listing, version);
}

/** Leaf by leaf from the one that holds the cookie's hash on. The path is at the root. */
function listIndexed(
  volume: Volume,
  dir: Inode,
  high: number,
  low: number,
  visit: DirectoryVisitor,
  listing: Listing,
): void {
  const { path, entries } = listing;
  const { blockSize } = volume.geometry;
  const hash = directoryHash(volume);
  const fold = isCaseInsensitive(volume, dir);
  const most = mostLeavesOfHash(volume);
  descend(volume, dir, path, high * 2);
  do {
    let shared = -1;
    for (let count = 1; ; count++) {
      prefetchAround(volume, dir, path.leaf);
      const block = readDirectoryBlock(volume, dir, path.leaf);
      verifyLeaf(volume, dir, block, path.leaf);
      const next = nextHash(path);
      if (shared === -1) {
        if (listing.holds(dir, block, path.leafHash, next, path.hashVersion)) break;
        listing.startBatch();
      }
      const first = entries.length;
      entries.add(block.data, 0, blockSize, blockSize, hash, path.hashVersion, fold);
      checkRange(dir, listing, first);
      if ((next & 1) === 0 || next === HASH_END) {
        if (shared === -1) listing.sortLeaf(dir, block, path.leafHash, next, path.hashVersion);
        else entries.sort();
        break;
      }
      if (next - 1 !== shared) {
        // The next leaf goes on with this hash; what sorts before it is complete.
        shared = next - 1;
        count = 1;
        entries.sort();
        if (!visitSorted(volume, dir, high, low, visit, listing, path.hashVersion, shared)) return;
        entries.keepOnly(shared);
      }
      if (count >= most || !advance(volume, dir, path)) {
        throw new CorruptionError(
          "htree-order",
          { inode: dir.ino, fileBlock: path.leaf },
          `more than ${count} blocks of names with equal hashes`,
        );
      }
    }
    if (!visitSorted(volume, dir, high, low, visit, listing, path.hashVersion)) return;
  } while (advance(volume, dir, path));
}

/**
 * Checks that the entries from number `first` on, those of one leaf, belong there: a listing that goes from leaf to leaf would
 * otherwise go back, and never end.
 */
function checkRange(dir: Inode, { path, entries }: Listing, first: number): void {
  const next = nextHash(path);
  const end = (next & ~1) >>> 0;
  const continued = (next & 1) === 1;
  const location = { inode: dir.ino, fileBlock: path.leaf };
  if (end < path.leafHash) {
    throw new CorruptionError("htree-order", location, `a range of hashes from ${path.leafHash} to ${end}`);
  }
  for (let i = first; i < entries.length; i++) {
    const major = entries.major[i]!;
    if (major < path.leafHash || major > end || (major === end && !continued)) {
      throw new CorruptionError(
        "htree-order",
        { ...location, offset: entries.place[i]! & 0xffff },
        `a name of hash ${major} in a block for hashes from ${path.leafHash} to ${end}`,
      );
    }
  }
}

/** Shows the sorted entries below the hash `end` whose cookies are the given one and above; false when the visitor stopped. */
function visitSorted(
  volume: Volume,
  dir: Inode,
  high: number,
  low: number,
  visit: DirectoryVisitor,
  listing: Listing,
  version: number,
  end = HASH_END,
): boolean {
  const { entries } = listing;
  for (let i = 0; i < entries.length; i++) {
    const entry = entries.order[i]!;
    if (entries.major[entry]! >= end) break;
    const entryHigh = entries.major[entry]! >>> 1;
    let entryLow = entries.minor[entry]!;
    // Equal hashes: each name gets a number of its own, in an order that does not depend on where it lies.
    if (entryHigh === listing.high && entryLow <= listing.low) entryLow = Math.min(listing.low + 1, 0xffff_ffff);
    listing.high = entryHigh;
    listing.low = entryLow;
    if (entryHigh < high || (entryHigh === high && entryLow < low)) continue;
    const carry = entryLow === 0xffff_ffff;
    const nextHigh = carry ? entryHigh + 1 : entryHigh;
    const nextLow = carry ? 0 : entryLow + 1;
    const data = entries.regionOf(i);
    const at = entries.offsetOf(i);
    if (!visitEntry(volume, dir, data, at, nextHigh, nextLow, visit, listing, version)) return false;
  }
  return true;
}

/** The blocks as they lie; holes are passed over, as the kernel does. */
function listByOffset(
  volume: Volume,
  dir: Inode,
  high: number,
  low: number,
  visit: DirectoryVisitor,
  listing: Listing,
): void {
  const from = high * TWO_32 + low;
  if (dir.hasInlineData) {
    listInlineByOffset(volume, dir, from, visit, listing);
    return;
  }
  const { blockSize } = volume.geometry;
  const end = boundedBlocksOf(volume, dir);
  let fileBlock = nextMappedBlock(volume, dir, Math.min(Math.floor(from / blockSize), end), end);
  while (fileBlock < end) {
    prefetchAround(volume, dir, fileBlock);
    const block = readFileBlock(volume, dir, fileBlock);
    if (block !== undefined) {
      verifyLeaf(volume, dir, block, fileBlock);
      const base = fileBlock * blockSize;
      if (!visitRegion(volume, dir, block.data, 0, blockSize, base, from, visit, listing)) return;
    }
    fileBlock = nextMappedBlock(volume, dir, fileBlock + 1, end);
  }
}

/** Cookies are the offsets that the entries have once the directory has grown out to a block: a listing may go on there. */
function listInlineByOffset(volume: Volume, dir: Inode, from: number, visit: DirectoryVisitor, listing: Listing): void {
  for (let count = 1; count <= 2; count++) {
    const next = count * DOT_RECORD;
    if (from < next && !visit(lookupDot(volume, dir, count), DT_DIRECTORY, dots, 0, count, 0, next)) return;
  }
  const data = inlineBytes(volume, dir);
  const base = 2 * DOT_RECORD - INLINE_DOTDOT_SIZE;
  if (!visitRegion(volume, dir, data, INLINE_DOTDOT_SIZE, I_BLOCK_SIZE, base, from, visit, listing)) return;
  visitRegion(volume, dir, data, I_BLOCK_SIZE, data.length, base, from, visit, listing);
}

/** Shows the entries of verified `data[start, end)`, which lies at byte `base` of the directory, from byte `from` on. */
function visitRegion(
  volume: Volume,
  dir: Inode,
  data: Uint8Array,
  start: number,
  end: number,
  base: number,
  from: number,
  visit: DirectoryVisitor,
  listing: Listing,
): boolean {
  const { blockSize } = volume.geometry;
  const version = hashesInEntries(dir) ? HashVersion.siphash : -1;
  for (let at = start; at < end; ) {
    const next = at + recordLength(data, at, blockSize);
    if (base + at >= from && inodeOf(data, at) !== 0) {
      const cookie = base + next;
      const nextHigh = Math.floor(cookie / TWO_32);
      if (!visitEntry(volume, dir, data, at, nextHigh, cookie >>> 0, visit, listing, version)) return false;
    }
    at = next;
  }
  return true;
}

function visitEntry(
  volume: Volume,
  dir: Inode,
  data: Uint8Array,
  at: number,
  nextHigh: number,
  nextLow: number,
  visit: DirectoryVisitor,
  { nokey }: Listing,
  version: number,
): boolean {
  const ino = inodeOf(data, at);
  const type = volume.features.filetype ? (directoryTypes[data[at + FIELD.fileType]!] ?? 0) : 0;
  const start = at + NAME;
  const length = data[at + FIELD.nameLength]!;
  if (dir.has(InodeFlag.encrypt) && !isDotEntry(data, start, length)) {
    const hash = directoryHash(volume);
    if (version >= 0) {
      const minor = entryHash(data, at, length, hash, version, false);
      nokey.encode(
        hash.major,
        version === HashVersion.legacy || version === HashVersion.legacyUnsigned ? 0 : minor,
        data,
        start,
        length,
        dir.ino,
      );
    } else nokey.encode(0, 0, data, start, length, dir.ino);
    return visit(ino, type, nokey.text, 0, nokey.textLength, nextHigh, nextLow);
  }
  for (let i = start; i < start + length; i++) {
    if (data[i] === 0x2f || data[i] === 0) {
      throw new CorruptionError("directory-entry", { inode: dir.ino, offset: at }, "a name contains / or a zero byte");
    }
  }
  return visit(ino, type, data, start, length, nextHigh, nextLow);
}

function isDotEntry(data: Uint8Array, start: number, length: number): boolean {
  return length <= 2 && data[start] === 0x2e && (length === 1 || data[start + 1] === 0x2e);
}
