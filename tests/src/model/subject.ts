/** Whoever is held to the model: the system calls of a mount, or the engine without one. */
import type { Range } from "./contents.js";
import type { Kind } from "./model.js";

/** A path below the root (a byte a character), or the number of an open handle. */
export type Target = string | number;

export interface Status {
  readonly ino: number;
  readonly kind: Kind;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
  readonly size: number;
  readonly rdev: number;
  /** Nanoseconds since 1970. */
  readonly atime: bigint;
  readonly mtime: bigint;
}

/** Every call either does what its name says or throws an error whose `code` is an errno's name. */
export interface Subject {
  /** Whether ranges can be cut out of files and put in: Linux asks no file system in user space for that. */
  readonly shiftsRanges: boolean;
  /**
   * Whether a range that is refused to be zeroed holds afterwards what can be read of it. Linux 6.18's ext4 shows zeros where
   * there was no room for a larger map, and the old bytes when it is mounted the next time.
   */
  readonly refusesForGood: boolean;
  create(path: string, mode: number): void;
  mkdir(path: string, mode: number): void;
  /** @param mode with the type's bits */
  mknod(path: string, mode: number, rdev: number): void;
  symlink(target: string, path: string): void;
  link(from: string, to: string): void;
  unlink(path: string): void;
  rmdir(path: string): void;
  /** @param flags of renameat2(2) */
  rename(from: string, to: string, flags: number): void;

  open(slot: number, path: string, append: boolean): void;
  /** O_TMPFILE in a directory. */
  temporary(slot: number, directory: string, mode: number): void;
  /** Gives the file of a handle a name: linkat(2) with AT_EMPTY_PATH. */
  linkHandle(slot: number, path: string): void;
  close(slot: number): void;

  /** Returns how many bytes were written; fewer only where room ends. */
  write(target: Target, offset: number, bytes: Buffer): number;
  /** Writes with O_APPEND. */
  append(target: Target, bytes: Buffer): number;
  read(target: Target, offset: number, length: number): Buffer;
  truncate(target: Target, size: number): void;
  /** @param mode of fallocate(2) */
  fallocate(target: Target, mode: number, offset: number, length: number): void;
  copyRange(from: Target, fromOffset: number, to: Target, toOffset: number, length: number): number;
  sync(target: Target, dataOnly: boolean): void;
  syncAll(): void;

  chmod(path: string, mode: number): void;
  chown(path: string, uid: number, gid: number): void;
  /** Nanoseconds since 1970. */
  setTimes(path: string, atime: bigint, mtime: bigint): void;
  /** @param flags 0, 1 to create, 2 to replace */
  setXattr(path: string, name: string, value: Buffer, flags: number): void;
  removeXattr(path: string, name: string): void;
  setFlags(path: string, flags: number): void;
  getFlags(path: string): number;

  stat(target: Target): Status;
  /** Without `.` and `..`. */
  list(path: string): string[];
  readLink(path: string): string;
  xattrs(path: string): Map<string, Buffer>;
  dataRanges(target: Target, size: number): Range[];

  /** Unmounts and mounts again; handles are closed by it. */
  remount(): Promise<void>;
  /** Unmounts: the image can be looked at afterwards. */
  end(): Promise<void>;
}
