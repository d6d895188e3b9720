import { DirectoryEntryLayout } from "../format/directory.js";
import { InodeFlag } from "../format/inode.js";
import type { Inode } from "../inode/inode.js";
import type { Volume } from "../volume.js";
import { casefold, casefoldRange, FOLDED_MAX } from "./casefold.js";
import { DirectoryHash } from "./hash.js";
import { hashesInEntries, isCaseInsensitive } from "./kind.js";
import { findBytes, inodeOf, recordLength } from "./leaf.js";
import { NokeyName } from "./nokey-name.js";
import { findBytesOrRoom, findRoom } from "./room.js";

const hashes = new WeakMap<Volume, DirectoryHash>();

/** The volume's hash calculator, which has its seed. */
export function directoryHash(volume: Volume): DirectoryHash {
  let hash = hashes.get(volume);
  if (hash === undefined) {
    hash = new DirectoryHash(volume.superblock.hashSeed);
    hashes.set(volume, hash);
  }
  return hash;
}

const How = { bytes: 0, folded: 1, digest: 2 } as const;

/** A name that is looked for: what entries are compared with, and what its hash is. Reused. */
export class NameQuery {
  #how: number = How.bytes;
  #name: Uint8Array = new Uint8Array(0);
  #foldedLength = 0;
  #hashIsKnown = false;
  readonly #folded = new Uint8Array(FOLDED_MAX);
  readonly #candidate = new Uint8Array(FOLDED_MAX);
  readonly #nokey = new NokeyName();

  /** Takes a name of 1 to 255 bytes; false when no entry of the directory can have it. */
  prepare(volume: Volume, dir: Inode, name: Uint8Array): boolean {
    this.#how = How.bytes;
    this.#name = name;
    this.#hashIsKnown = false;
    if (dir.has(InodeFlag.encrypt)) {
      if (!this.#nokey.decode(name)) return false;
      this.#name = this.#nokey.bytes;
      this.#hashIsKnown = hashesInEntries(dir) || this.#nokey.isShortened;
      if (this.#nokey.isShortened) this.#how = How.digest;
    } else if (isCaseInsensitive(volume, dir)) {
      const length = casefold(name, this.#folded);
      if (length >= 0) {
        this.#how = How.folded;
        this.#foldedLength = length;
      }
    }
    return true;
  }

  /** Leaves the name's major hash in `hash.major`; false when the hash version is unknown. */
  hash(hash: DirectoryHash, version: number): boolean {
    if (this.#hashIsKnown) {
      hash.major = this.#nokey.hash;
      hash.minor = this.#nokey.minorHash;
      return true;
    }
    if (this.#how === How.folded) return hash.compute(version, this.#folded, 0, this.#foldedLength);
    return hash.compute(version, this.#name, 0, this.#name.length);
  }

  /** Looks for the name in verified entries; the offset of its entry, or -1. */
  find(data: Uint8Array, start: number, end: number, blockSize: number): number {
    if (this.#how === How.bytes) return findBytes(data, start, end, blockSize, this.#name);
    for (let at = start; at < end; at += recordLength(data, at, blockSize)) {
      if (inodeOf(data, at) !== 0 && this.#matches(data, at)) return at;
    }
    return -1;
  }

  /**
   * Looks in verified entries for the name and, on the way, for the first record that has `need` bytes to spare.
   *
   * @returns the offset of the name's entry; else NO_ROOM, or `roomAt` of the result is the record's offset
   */
  findOrRoom(data: Uint8Array, start: number, end: number, blockSize: number, need: number): number {
    if (this.#how === How.bytes) return findBytesOrRoom(data, start, end, blockSize, need, this.#name);
    const at = this.find(data, start, end, blockSize);
    return at >= 0 ? at : findRoom(data, start, end, blockSize, need);
  }

  #matches(data: Uint8Array, at: number): boolean {
    const start = at + DirectoryEntryLayout.size;
    const end = start + data[at + DirectoryEntryLayout.offset.nameLength]!;
    if (this.#how === How.digest) return this.#nokey.matches(data, start, end);
    const length = casefoldRange(data, start, end, this.#candidate);
    // A name that is no UTF-8 is itself alone; the name that is looked for is UTF-8, so it is another one.
    if (length !== this.#foldedLength) return false;
    for (let i = 0; i < length; i++) if (this.#candidate[i] !== this.#folded[i]) return false;
    return true;
  }
}
