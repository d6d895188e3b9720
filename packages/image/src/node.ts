import type { FileKind, Timestamp } from "@bulkhead/ext4";
import { AttrFlag, type FuseAttr } from "@bulkhead/fuse/protocol";
import type { View } from "@bulkhead/linux/struct";

export type { FileKind, Timestamp } from "@bulkhead/ext4";

/** What stat(2) tells of a file. */
export interface Stats {
  readonly ino: number;
  readonly kind: FileKind;
  /** Type and permission bits, as in st_mode. */
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes. */
  readonly size: number;
  /** Units of 512 bytes. */
  readonly blocks: number;
  /** Bytes, as st_blksize. */
  readonly blockSize: number;
  /** Of a device file; both 0 for others. */
  readonly device: { readonly major: number; readonly minor: number };
  readonly atime: Timestamp;
  readonly mtime: Timestamp;
  readonly ctime: Timestamp;
}

const S_IFMT = 0o170000;
const kinds = new Map<number, FileKind>([
  [0o100000, "file"],
  [0o040000, "directory"],
  [0o120000, "symlink"],
  [0o020000, "character-device"],
  [0o060000, "block-device"],
  [0o010000, "fifo"],
  [0o140000, "socket"],
]);

/** The kind that the type bits of a mode stand for. */
export function kindOfMode(mode: number): FileKind {
  return kinds.get(mode & S_IFMT) ?? "unknown";
}

/** The kind that a `DirentType` stands for. */
export function kindOfEntryType(type: number): FileKind {
  return kinds.get(type << 12) ?? "unknown";
}

export function statsOf(attr: View<typeof FuseAttr>): Stats {
  const { mode, rdev } = attr;
  return {
    ino: attr.ino,
    kind: kindOfMode(mode),
    mode,
    links: attr.nlink,
    uid: attr.uid,
    gid: attr.gid,
    size: attr.size,
    blocks: attr.blocks,
    blockSize: attr.blksize,
    device: { major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) },
    atime: { seconds: attr.atime, nanoseconds: attr.atimensec },
    mtime: { seconds: attr.mtime, nanoseconds: attr.mtimensec },
    ctime: { seconds: attr.ctime, nanoseconds: attr.ctimensec },
  };
}

/** A device number as FUSE has it: the kernel's "new" encoding in 32 bits. */
export function rdevOf({ major, minor }: Stats["device"]): number {
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

/** Both, as the kernel has it: nobody else changes the file, and its data goes by mappings. */
const OUTSIDE = AttrFlag.EXCLUSIVE | AttrFlag.IOMAP;

/** An inode that the server has told of. */
export class ImageNode {
  /** What requests name it by. */
  readonly id: number;
  /** Distinguishes inodes that have the number one after the other; undefined where the server was not asked. */
  readonly generation: number | undefined;
  /** As of the last answer about it. */
  stats: Stats;
  /** Number of the request that had that answer. */
  asOf: number;
  /** Bytes; grows while it is written. */
  size: number;
  /** Whether the server has let it be opened. */
  isOpen = false;
  /** Whether its data is for this end to read and write. */
  readonly isOutside: boolean;
  /** `AttrFlag` bits: what may be done with it, and whose its data is. */
  readonly flags: number;

  constructor(id: number, stats: Stats, flags: number, asOf: number, generation?: number) {
    this.id = id;
    this.generation = generation;
    this.asOf = asOf;
    this.isOutside = (flags & OUTSIDE) === OUTSIDE && stats.kind === "file";
    this.flags = flags;
    this.stats = stats;
    this.size = stats.size;
  }

  get isDirectory(): boolean {
    return this.stats.kind === "directory";
  }

  /** The server has told of it anew. */
  update(stats: Stats, asOf: number): void {
    this.stats = stats;
    this.asOf = asOf;
    this.size = stats.size;
  }

  /** Data reaches up to `end`. */
  grown(end: number): void {
    if (end > this.size) this.size = end;
  }
}
