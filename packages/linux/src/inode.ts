import { arch } from "node:process";
import { Errno } from "./errno.js";
import { LinuxError, orThrow } from "./error.js";
import { cString, native, type Path, showPath } from "./libc.js";

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;

type Bytes = Uint8Array;
const cUtimensat = native<[number, Bytes, Bytes, number]>("utimensat", "int", ["int", "void *", "void *", "int"]);
const cMknod = native<[Bytes, number, number]>("mknod", "int", ["void *", "uint", "uint64_t"]);
const cLchown = native<[Bytes, number, number]>("lchown", "int", ["void *", "uint", "uint"]);
const cStatx = native<[number, Bytes, number, number, Bytes]>("statx", "int", [
  "int",
  "void *",
  "int",
  "uint",
  "void *",
]);

/** A moment: seconds since 1970 (may be negative) and nanoseconds (0 … 999,999,999). */
export interface Timespec {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** Special values of `Timespec.nanoseconds` for `lutimens`: the current time, or leave as it is. */
export const UTIME_NOW = 0x3fffffff;
export const UTIME_OMIT = 0x3ffffffe;

/** Sets access and modification time of `path` itself (a symbolic link is not followed), to the nanosecond. */
export function lutimens(path: Path, atime: Timespec, mtime: Timespec): void {
  const times = new Uint8Array(32);
  const view = new DataView(times.buffer);
  for (const [i, time] of [atime, mtime].entries()) {
    if (!Number.isSafeInteger(time.seconds)) throw new LinuxError("utimensat", Errno.EINVAL, showPath(path));
    view.setBigInt64(i * 16, BigInt(time.seconds), true);
    view.setUint32(i * 16 + 8, time.nanoseconds, true);
  }
  const name = cString(path, "utimensat");
  orThrow(cUtimensat(AT_FDCWD, name, times, AT_SYMLINK_NOFOLLOW), "utimensat", showPath(path));
}

/** Makes a device, fifo, socket or regular file; `mode` includes the type; `rdev` as `makedev` gives it. */
export function mknod(path: Path, mode: number, rdev = 0): void {
  orThrow(cMknod(cString(path, "mknod"), mode, rdev), "mknod", showPath(path));
}

/** Changes owner and group of `path` itself; −1 leaves one as it is. */
export function lchown(path: Path, uid: number, gid: number): void {
  orThrow(cLchown(cString(path, "lchown"), uid >>> 0, gid >>> 0), "lchown", showPath(path));
}

/** The device number as C libraries have it (dev_t of `major`, `minor`); a safe integer for majors below 2^20. */
export function makedev(major: number, minor: number): number {
  const high = Math.floor(major / 0x1000) * 2 ** 44 + Math.floor(minor / 0x100) * 2 ** 20;
  return high + (major & 0xfff) * 0x100 + (minor & 0xff);
}

/** What statx(2) says of one inode. */
export interface Statx {
  /** `STATX_*` bits of the fields that are valid. */
  readonly mask: number;
  readonly blksize: number;
  /** `STATX_ATTR_*` bits: 4 compressed, 0x10 immutable, 0x20 append, 0x40 nodump, 0x800 encrypted, 0x100000 verity. */
  readonly attributes: number;
  readonly attributesMask: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  readonly ino: number;
  readonly size: number;
  /** In units of 512 bytes. */
  readonly blocks: number;
  readonly atime: Timespec;
  readonly btime: Timespec;
  readonly ctime: Timespec;
  readonly mtime: Timespec;
  readonly rdevMajor: number;
  readonly rdevMinor: number;
  readonly devMajor: number;
  readonly devMinor: number;
}

/** STATX_BTIME: the creation time is valid. */
export const STATX_BTIME = 0x800;
const STATX_ALL = 0xfff;

/** statx(2) of `path` itself, with all basic fields and the creation time where the file system has one. */
export function lstatx(path: Path): Statx {
  const bytes = new Uint8Array(256);
  const name = cString(path, "statx");
  orThrow(cStatx(AT_FDCWD, name, AT_SYMLINK_NOFOLLOW, STATX_ALL, bytes), "statx", showPath(path));
  const view = new DataView(bytes.buffer);
  const u32 = (offset: number) => view.getUint32(offset, true);
  const u64 = (offset: number) => Number(view.getBigUint64(offset, true));
  const time = (offset: number) => ({ seconds: Number(view.getBigInt64(offset, true)), nanoseconds: u32(offset + 8) });
  return {
    mask: u32(0),
    blksize: u32(4),
    attributes: u64(8),
    attributesMask: u64(56),
    nlink: u32(16),
    uid: u32(20),
    gid: u32(24),
    mode: view.getUint16(28, true),
    ino: u64(32),
    size: u64(40),
    blocks: u64(48),
    atime: time(64),
    btime: time(80),
    ctime: time(96),
    mtime: time(112),
    rdevMajor: u32(128),
    rdevMinor: u32(132),
    devMajor: u32(136),
    devMinor: u32(140),
  };
}

/** What fstat(2) says of an open file. */
export interface FileStat {
  readonly dev: number;
  readonly ino: number;
  readonly mode: number;
  /** Of a device: its number. */
  readonly rdev: number;
  /** Bytes; 0 for a block device. */
  readonly size: number;
  isFile(): boolean;
  isBlockDevice(): boolean;
  isCharacterDevice(): boolean;
}

const SYS_FSTAT = arch === "arm64" ? 80 : 5;
/** Where `struct stat` has the mode and the device's number. */
const [MODE, RDEV] = arch === "arm64" ? [16, 32] : [24, 40];
const sysFstat = native<[number, number, Bytes]>("syscall", "int64_t", ["long", "int", "void *"]);

const ON_FUSE =
  "which lies on a FUSE mount that is there only for the user who made it, and not for who has given up being root: have it " +
  "mounted with allow_other";

/**
 * fstat(2) itself. The C library's, and Node's, is a call that can also ask for names, which a process that was locked down has
 * to do without.
 */
export function fstat(fd: number): FileStat {
  const bytes = new Uint8Array(144);
  const result = sysFstat(SYS_FSTAT, fd, bytes);
  // Nobody but FUSE keeps from an open file what it is.
  if (result === -Errno.EACCES) throw new LinuxError("fstat", Errno.EACCES, `${fd}, ${ON_FUSE}`);
  orThrow(result, "fstat", fd);
  const view = new DataView(bytes.buffer);
  const u64 = (offset: number) => Number(view.getBigUint64(offset, true));
  const mode = view.getUint32(MODE, true);
  const is = (type: number) => () => (mode & 0o170000) === type;
  return {
    dev: u64(0),
    ino: u64(8),
    mode,
    rdev: u64(RDEV),
    size: u64(48),
    isFile: is(0o100000),
    isBlockDevice: is(0o060000),
    isCharacterDevice: is(0o020000),
  };
}
