import { crc32c } from "../checksum/crc32c.js";
import { DirectoryEntryHashLayout, DirectoryEntryLayout, HashVersion, recordSize } from "../format/directory.js";
import { casefoldRange, FOLDED_MAX } from "./casefold.js";
import { type DirectoryHash, usableMajor } from "./hash.js";
import { inodeOf, isDot, recordLength } from "./leaf.js";

const NAME = DirectoryEntryLayout.size;
const NAME_LENGTH = DirectoryEntryLayout.offset.nameLength;

const folded = new Uint8Array(FOLDED_MAX);

/**
 * Entries of one leaf of an index (or of several leaves that continue each other), to be sorted by hash, minor hash and name:
 * arrays of numbers that point into the blocks, kept from one leaf to the next.
 */
export class SortedEntries {
  length = 0;
  major = new Uint32Array(512);
  minor = new Uint32Array(512);
  /** Region and offset of the entry: region << 16 | offset. */
  place = new Uint32Array(512);
  /** Positions in the arrays above, in order once `sort` has been called. */
  order = new Uint32Array(512);
  readonly regions: Uint8Array[] = [];

  /** Entries that there is room for. */
  get capacity(): number {
    return this.major.length;
  }

  clear(): void {
    this.length = 0;
    this.regions.length = 0;
  }

  /** The bytes that the i-th entry in order lies in. */
  regionOf(i: number): Uint8Array {
    return this.regions[this.place[this.order[i]!]! >>> 16]!;
  }

  /** Where in its region the i-th entry in order starts. */
  offsetOf(i: number): number {
    return this.place[this.order[i]!]! & 0xffff;
  }

  /**
   * Adds the entries of verified `data[start, end)` except `.` and `..`.
   *
   * @param version hash version; siphash means that the hashes are stored in the entries
   * @param fold whether the hash is that of the case-folded name
   */
  add(
    data: Uint8Array,
    start: number,
    end: number,
    blockSize: number,
    hash: DirectoryHash,
    version: number,
    fold: boolean,
  ): void {
    const region = this.regions.push(data) - 1;
    for (let at = start; at < end; at += recordLength(data, at, blockSize)) {
      const nameLength = data[at + NAME_LENGTH]!;
      if (inodeOf(data, at) === 0 || isDot(data, at, nameLength)) continue;
      const minor = entryHash(data, at, nameLength, hash, version, fold);
      if (this.length === this.major.length) this.#grow();
      const i = this.length++;
      this.major[i] = hash.major;
      this.minor[i] = minor;
      this.place[i] = ((region << 16) | at) >>> 0;
    }
  }

  /** Drops all entries but those of one major hash, all of which lie in the region that was added last. */
  keepOnly(major: number): void {
    let kept = 0;
    for (let i = 0; i < this.length; i++) {
      if (this.major[i] !== major) continue;
      this.major[kept] = major;
      this.minor[kept] = this.minor[i]!;
      this.place[kept++] = this.place[i]! & 0xffff;
    }
    this.length = kept;
    this.regions.splice(0, this.regions.length - 1);
  }

  /** Puts `order` in order: a heap sort, which needs no memory and no more time on hostile input than on any other. */
  sort(): void {
    const { length, order } = this;
    for (let i = 0; i < length; i++) order[i] = i;
    for (let root = (length >> 1) - 1; root >= 0; root--) this.#sift(root, length);
    for (let last = length - 1; last > 0; last--) {
      const largest = order[0]!;
      order[0] = order[last]!;
      order[last] = largest;
      this.#sift(0, last);
    }
  }

  #sift(root: number, length: number): void {
    const { order } = this;
    const moved = order[root]!;
    let at = root;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      if (child + 1 < length && this.#isBefore(order[child]!, order[child + 1]!)) child++;
      if (!this.#isBefore(moved, order[child]!)) break;
      order[at] = order[child]!;
      at = child;
    }
    order[at] = moved;
  }

  #isBefore(a: number, b: number): boolean {
    const major = this.major[a]! - this.major[b]!;
    if (major !== 0) return major < 0;
    const minor = this.minor[a]! - this.minor[b]!;
    if (minor !== 0) return minor < 0;
    return compareNames(
      this.regions[this.place[a]! >>> 16]!,
      this.place[a]! & 0xffff,
      this.regions[this.place[b]! >>> 16]!,
      this.place[b]! & 0xffff,
    );
  }

  #grow(): void {
    const grown = (old: Uint32Array<ArrayBuffer>) => {
      const array = new Uint32Array(old.length * 2);
      array.set(old);
      return array;
    };
    this.major = grown(this.major);
    this.minor = grown(this.minor);
    this.place = grown(this.place);
    this.order = new Uint32Array(this.major.length);
  }
}

/** Whether the name of the entry at `aAt` sorts before that at `bAt`, as bytes. */
function compareNames(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number): boolean {
  const aLength = a[aAt + NAME_LENGTH]!;
  const bLength = b[bAt + NAME_LENGTH]!;
  const length = Math.min(aLength, bLength);
  for (let i = NAME; i < NAME + length; i++) {
    const difference = a[aAt + i]! - b[bAt + i]!;
    if (difference !== 0) return difference < 0;
  }
  return aLength < bLength;
}

/**
 * Leaves the major hash of an entry in `hash` and returns the number that orders entries of equal major hash: the minor hash,
 * or a checksum of the name where the hash function has none.
 */
export function entryHash(
  data: Uint8Array,
  at: number,
  nameLength: number,
  hash: DirectoryHash,
  version: number,
  fold: boolean,
): number {
  const start = at + NAME;
  const end = start + nameLength;
  if (version === HashVersion.siphash) {
    readStoredHash(data, at, nameLength, hash);
    return hash.minor;
  }
  const length = fold ? casefoldRange(data, start, end, folded) : -1;
  const known = length >= 0 ? hash.compute(version, folded, 0, length) : hash.compute(version, data, start, end);
  const hasMinor = known && version !== HashVersion.legacy && version !== HashVersion.legacyUnsigned;
  return hasMinor ? hash.minor : crc32c(0, data, start, end);
}

/** Takes the hash that is stored behind the name of the entry at `at`; whatever it is, cookies stay in their range. */
function readStoredHash(data: Uint8Array, at: number, nameLength: number, hash: DirectoryHash): void {
  const stored = at + recordSize(nameLength);
  hash.major = usableMajor(inodeOf(data, stored));
  hash.minor = inodeOf(data, stored + DirectoryEntryHashLayout.offset.minorHash);
}
