import { CorruptionError } from "../errors.js";
import type { FileSystem } from "../filesystem.js";
import type { Inode } from "../inode/inode.js";
import { nameToString } from "./names.js";
import { type FileKind, kindOfEntryType, kindOfMode } from "./stats.js";

export interface DirectoryEntry {
  /** The name as a string; see library/names.ts for bytes that are no UTF-8. */
  readonly name: string;
  readonly nameBytes: Uint8Array;
  readonly ino: number;
  /** From the entry, or where entries have no types, from the inode. */
  readonly kind: FileKind;
}

/** Entries that are read at a time: bounds the memory of a listing. */
const BATCH = 512;

/**
 * A directory's entries but `.` and `..`, in the order of the directory: to be gone through with `for … of` or
 * `for await … of`, any number of times. Entries are read while the loop runs.
 */
export class DirectoryListing implements Iterable<DirectoryEntry>, AsyncIterable<DirectoryEntry> {
  readonly #fs: FileSystem;
  readonly #directory: Inode;

  constructor(fs: FileSystem, directory: Inode) {
    this.#fs = fs;
    this.#directory = directory;
  }

  *[Symbol.iterator](): Generator<DirectoryEntry, void, undefined> {
    let high = 0;
    let low = 0;
    let seen = BATCH;
    while (seen === BATCH) {
      const batch: DirectoryEntry[] = [];
      let failure: unknown;
      seen = 0;
      try {
        this.#fs.readDirectory(this.#directory, high, low, (ino, type, bytes, start, length, nextHigh, nextLow) => {
          if (seen === BATCH) return false;
          seen++;
          high = nextHigh;
          low = nextLow;
          if (!isDotOrDotDot(bytes, start, length)) {
            batch.push(this.#entry(ino, type, bytes.slice(start, start + length)));
          }
          return true;
        });
      } catch (error) {
        failure = error;
      }
      // What was read before the damage is good.
      yield* batch;
      if (failure !== undefined) throw this.#recorded(failure);
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<DirectoryEntry, void, undefined> {
    yield* this[Symbol.iterator]();
  }

  #entry(ino: number, type: number, nameBytes: Uint8Array): DirectoryEntry {
    const kind = type === 0 ? this.#kindOfInode(ino) : kindOfEntryType(type);
    return { name: nameToString(nameBytes), nameBytes, ino, kind };
  }

  /** A damaged inode does not take its name out of the listing. */
  #kindOfInode(ino: number): FileKind {
    try {
      return kindOfMode(this.#fs.entryInode(this.#directory, ino).mode);
    } catch {
      return "unknown";
    }
  }

  #recorded(error: unknown): unknown {
    if (error instanceof CorruptionError) this.#fs.recordError(error);
    return error;
  }
}

function isDotOrDotDot(bytes: Uint8Array, start: number, length: number): boolean {
  return bytes[start] === 0x2e && (length === 1 || (length === 2 && bytes[start + 1] === 0x2e));
}
