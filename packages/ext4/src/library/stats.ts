import type { Timestamp } from "../environment.js";
import { FileType } from "../format/inode.js";
import type { Inode } from "../inode/inode.js";

export type FileKind =
  | "file"
  | "directory"
  | "symlink"
  | "character-device"
  | "block-device"
  | "fifo"
  | "socket"
  | "unknown";

/** What statx(2) tells of a file, and what ext4 knows beyond. */
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
  /** Bytes of a block of the file system. */
  readonly blockSize: number;
  /** Of a device file; both 0 for others. */
  readonly device: { readonly major: number; readonly minor: number };
  readonly atime: Timestamp;
  readonly mtime: Timestamp;
  readonly ctime: Timestamp;
  /** Creation time; undefined when inodes are too small to hold it. */
  readonly crtime: Timestamp | undefined;
  /** i_flags; see InodeFlag. */
  readonly flags: number;
  readonly generation: number;
  readonly projectId: number;
}

const kinds = new Map<number, FileKind>([
  [FileType.regular, "file"],
  [FileType.directory, "directory"],
  [FileType.symlink, "symlink"],
  [FileType.characterDevice, "character-device"],
  [FileType.blockDevice, "block-device"],
  [FileType.fifo, "fifo"],
  [FileType.socket, "socket"],
]);

/** The kind that the type bits of a mode stand for. */
export function kindOfMode(mode: number): FileKind {
  return kinds.get(mode & FileType.mask) ?? "unknown";
}

/** The kind that a directory entry's type (DT_*) stands for: the type bits of a mode, shifted. */
export function kindOfEntryType(type: number): FileKind {
  return kinds.get(type << 12) ?? "unknown";
}

export function statsOf(inode: Inode, blockSize: number): Stats {
  const { rdev } = inode;
  return {
    ino: inode.ino,
    kind: kindOfMode(inode.mode),
    mode: inode.mode,
    links: inode.linksCount,
    uid: inode.uid,
    gid: inode.gid,
    size: inode.size,
    blocks: inode.statBlocks,
    blockSize,
    device: { major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) },
    atime: { seconds: inode.atime, nanoseconds: inode.atimeNanoseconds },
    mtime: { seconds: inode.mtime, nanoseconds: inode.mtimeNanoseconds },
    ctime: { seconds: inode.ctime, nanoseconds: inode.ctimeNanoseconds },
    crtime: inode.hasCrtime ? { seconds: inode.crtime, nanoseconds: inode.crtimeNanoseconds } : undefined,
    flags: inode.flags,
    generation: inode.generation,
    projectId: inode.projectId,
  };
}
