import type { OpenModes } from "@bulkhead/fuse";
import type { FuseEntryOut } from "@bulkhead/fuse/protocol";
import { Errno, LinuxError } from "@bulkhead/linux";
import { describe, type Inode, type Inodes } from "./inodes.js";
import type { Pruning } from "./room.js";

/** The view of an entry in a reply. */
export type EntryReply = ReturnType<typeof FuseEntryOut.view>;

/** What handlers of all families share. */
export interface MirrorState {
  readonly inodes: Inodes;
  readonly files: Handles<OpenFile>;
  readonly directories: Handles<OpenDirectory>;
  readonly modes: OpenModes;
  readonly pruning: Pruning;
  /** Seconds for which the kernel may believe what it was told of names and attributes. */
  readonly valid: number;
}

export interface OpenFile {
  readonly inode: Inode;
  /** For what does not pass through: fsync, fallocate, lseek, and data where there is no passthrough. */
  readonly fd: number;
  /** The reply's `open_flags`. */
  readonly flags: number;
}

export interface OpenDirectory {
  readonly fd: number;
  /** Records of getdents(2) that were read but not yet listed: `bytes[at, end)`. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  at: number;
  end: number;
  /** The cookie that continues at `at`. */
  nextLow: number;
  nextHigh: number;
}

/** Numbers for open things, reused after {@link remove}. */
export class Handles<T> {
  readonly #open: (T | undefined)[] = [];
  readonly #free: number[] = [];

  add(thing: T): number {
    const fh = this.#free.pop() ?? this.#open.length;
    this.#open[fh] = thing;
    return fh;
  }

  /** @throws {LinuxError} EBADF */
  get(fh: number): T {
    const thing = this.#open[fh];
    if (thing === undefined) throw new LinuxError("fh", Errno.EBADF, String(fh));
    return thing;
  }

  remove(fh: number): T {
    const thing = this.get(fh);
    this.#open[fh] = undefined;
    this.#free.push(fh);
    return thing;
  }
}

/**
 * For how long the attributes of `inode` hold, in seconds. Writes through the mount expire them, but a shared mapping changes
 * times without the kernel's FUSE noticing: what was open for writing is asked about each time.
 */
export function attributesValid(state: MirrorState, inode: Inode): number {
  return inode.written ? 0 : state.valid;
}

/** Tells the kernel of `inode`, whose attributes `inodes.statx` has. */
export function enter(state: MirrorState, inode: Inode, entry: EntryReply): void {
  entry.nodeid = inode.nodeid;
  entry.entry_valid = state.valid;
  entry.attr_valid = attributesValid(state, inode);
  describe(state.inodes.statx, entry.attr);
}
