/** Directory records, packed straight into the reply. Reference: FUSE ABI, "Directory records". */
import type { View } from "@bulkhead/linux/struct";
import { FuseDirent, FuseEntryOut } from "./structs.js";

const EMPTY = new Uint8Array(0);
const EMPTY_VIEW = new DataView(EMPTY.buffer);

/** Records are padded with zeros to a multiple of this. */
const ALIGNMENT = 8;
const padded = (length: number) => (length + ALIGNMENT - 1) & -ALIGNMENT;

abstract class RecordWriter {
  /** Bytes written. */
  length = 0;
  #bytes: Uint8Array = EMPTY;
  #view: DataView = EMPTY_VIEW;
  #start = 0;
  #capacity = 0;
  readonly #prefix: number;
  readonly #dirent = FuseDirent.view();

  constructor(prefix: number) {
    this.#prefix = prefix;
  }

  /** Starts over at `start` of `bytes` (which `view` covers), with room for `capacity` bytes. */
  position(bytes: Uint8Array, view: DataView, start: number, capacity: number): void {
    this.#bytes = bytes;
    this.#view = view;
    this.#start = start;
    this.#capacity = capacity;
    this.length = 0;
  }

  /** Appends a record whose prefix is zeroed; returns where it begins, or −1 if it does not fit. */
  protected append(name: Uint8Array, ino: number, type: number, off: number, offHigh: number, inoHigh: number): number {
    const end = this.length + padded(this.#prefix + FuseDirent.size + name.length);
    if (end > this.#capacity) return -1;
    const at = this.#start + this.length;
    const dirent = at + this.#prefix;
    const text = dirent + FuseDirent.size;
    this.#bytes.fill(0, at, dirent);
    this.#dirent.at(this.#view, dirent);
    if (inoHigh === 0) {
      this.#dirent.ino = ino;
    } else {
      this.#dirent.inoLo = ino;
      this.#dirent.inoHi = inoHigh;
    }
    if (offHigh === 0) {
      this.#dirent.off = off;
    } else {
      this.#dirent.offLo = off;
      this.#dirent.offHi = offHigh;
    }
    this.#dirent.namelen = name.length;
    this.#dirent.type = type;
    this.#bytes.set(name, text);
    this.#bytes.fill(0, text + name.length, this.#start + end);
    this.length = end;
    return at;
  }

  protected get view(): DataView {
    return this.#view;
  }
}

/** READDIR's reply. */
export class DirentWriter extends RecordWriter {
  constructor() {
    super(0);
  }

  /**
   * Appends an entry. `off` is the cookie of the *next* entry (never 0, at most 2^53 − 1; or, when `offHigh` is not 0,
   * the low half of a cookie of 63 bits whose high half that is; so is `ino` with `inoHigh`), `type` a `DirentType`. The
   * kernel fails the whole directory with EIO on a name that is empty, longer than 4095 bytes or contains a slash.
   * Returns false, and writes nothing, when the entry does not fit: stop there.
   */
  add(name: Uint8Array, ino: number, type: number, off: number, offHigh = 0, inoHigh = 0): boolean {
    return this.append(name, ino, type, off, offHigh, inoHigh) >= 0;
  }
}

/** READDIRPLUS's reply. */
export class DirentPlusWriter extends RecordWriter {
  /**
   * The entry of the record last added, zeroed, to be filled in. Left with nodeid 0 it means "no attributes" and is not
   * counted; otherwise the kernel holds one look-up more on the nodeid (never for `.` and `..`).
   */
  readonly entry: View<typeof FuseEntryOut> = FuseEntryOut.view();

  constructor() {
    super(FuseEntryOut.size);
  }

  /** As {@link DirentWriter.add}; afterwards {@link entry} stands on the new record. */
  add(name: Uint8Array, ino: number, type: number, off: number, offHigh = 0, inoHigh = 0): boolean {
    const at = this.append(name, ino, type, off, offHigh, inoHigh);
    if (at < 0) return false;
    this.entry.at(this.view, at);
    return true;
  }
}

/** A record of READDIR's or READDIRPLUS's reply. */
export interface DirectoryRecord {
  /** Stands on the reply's bytes. */
  readonly name: Uint8Array;
  readonly ino: number;
  /** A `DirentType`. */
  readonly type: number;
  /** The cookie of the entry after this one, in two halves. */
  readonly nextLo: number;
  readonly nextHi: number;
  /** With READDIRPLUS; moved on to the next record. Its nodeid is 0 where there are no attributes. */
  readonly entry: View<typeof FuseEntryOut> | undefined;
}

/** Bytes of the longest name that the kernel takes from a server. */
const LONGEST_NAME = 4095;

/**
 * Takes records apart, as the kernel does: a record cut off at the end is the end. Names are what a disk holds, and may have
 * slashes and NULs in them: the kernel refuses the whole directory then, a client may be milder.
 *
 * @param plus whether they are READDIRPLUS's
 * @throws RangeError for a name that is empty or longer than any
 */
export function* readRecords(bytes: Uint8Array, plus: boolean): Generator<DirectoryRecord, void, undefined> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const prefix = plus ? FuseEntryOut.size : 0;
  const entry = plus ? FuseEntryOut.view() : undefined;
  const dirent = FuseDirent.view();
  for (let at = 0; at + prefix + FuseDirent.size <= bytes.length; ) {
    const { namelen, ino, type, offLo, offHi } = dirent.at(view, at + prefix);
    const text = at + prefix + FuseDirent.size;
    if (namelen === 0 || namelen > LONGEST_NAME) throw new RangeError(`a name of ${namelen} bytes`);
    if (text + namelen > bytes.length) return;
    const name = bytes.subarray(text, text + namelen);
    entry?.at(view, at);
    yield { name, ino, type, nextLo: offLo, nextHi: offHi, entry };
    at += padded(prefix + FuseDirent.size + namelen);
  }
}
