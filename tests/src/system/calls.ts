/**
 * The system calls that filling and walking an image needs and Node lacks, straight from the C library, so that what
 * we hold to be the kernel's word does not pass through code that is under test. Paths are bytes.
 */
import koffi from "koffi";

const libc = koffi.load("libc.so.6");
const lseek64 = libc.func("int64_t lseek(int fd, int64_t offset, int whence)");
const llistxattr = libc.func("int64_t llistxattr(const uint8_t *path, _Out_ uint8_t *list, size_t size)");
const lgetxattr = libc.func(
  "int64_t lgetxattr(const uint8_t *path, const uint8_t *name, _Out_ uint8_t *value, size_t size)",
);
const lsetxattr = libc.func(
  "int lsetxattr(const uint8_t *path, const uint8_t *name, const uint8_t *value, size_t size, int flags)",
);
const lremovexattr = libc.func("int lremovexattr(const uint8_t *path, const uint8_t *name)");
const mknod64 = libc.func("int mknod(const uint8_t *path, uint32_t mode, uint64_t dev)");
const utimensat64 = libc.func("int utimensat(int dirfd, const uint8_t *path, const uint8_t *times, int flags)");
const fallocate64 = libc.func("int fallocate(int fd, int mode, int64_t offset, int64_t length)");
const ioctlPointer = libc.func("int ioctl(int fd, uint64_t request, _Inout_ uint8_t *argument)");
const unshareCall = libc.func("int unshare(int flags)");
const mountCall = libc.func(
  "int mount(const char *source, const char *target, const char *type, uint64_t flags, void *data)",
);
const statfs64 = libc.func("int statfs(const uint8_t *path, _Out_ uint8_t *buffer)");

const errnoNames = new Map<number, string>(
  Object.entries(koffi.os.errno).map(([name, value]) => [value as number, name]),
);

/** A system call that failed, with the errno's name in `code`, like Node's own. */
export class SystemCallError extends Error {
  readonly code: string;
  constructor(call: string, errno: number, path?: Buffer) {
    const code = errnoNames.get(errno) ?? `errno ${errno}`;
    super(`${call}${path === undefined ? "" : ` ${path.toString("latin1")}`}: ${code}`);
    this.name = "SystemCallError";
    this.code = code;
  }
}

/** errno values that libuv has no name for and a filesystem gives. */
const MORE_NAMES: Readonly<Record<string, string>> = {
  "Unknown system error -61": "ENODATA",
  "Unknown system error -117": "EUCLEAN",
  "Unknown system error -126": "ENOKEY",
};

/** The errno's name of an error of Node or of this file; undefined for anything else. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return undefined;
  return MORE_NAMES[error.code] ?? error.code;
}

const NUL = Buffer.alloc(1);

function terminated(bytes: Buffer | string): Buffer {
  return Buffer.concat([typeof bytes === "string" ? Buffer.from(bytes) : bytes, NUL]);
}

function check(result: number, call: string, path?: Buffer): number {
  if (result < 0) throw new SystemCallError(call, koffi.errno(), path);
  return result;
}

const ENXIO = 6;
const EOPNOTSUPP = 95;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/** Start of the first data at or after `offset`, or undefined when only a hole is left. */
export function seekData(fd: number, offset: number): number | undefined {
  const found = Number(lseek64(fd, offset, SEEK_DATA));
  if (found >= 0) return found;
  if (koffi.errno() === ENXIO) return undefined;
  throw new SystemCallError("lseek(SEEK_DATA)", koffi.errno());
}

/** Start of the first hole at or after `offset` (the end of the file counts as one). */
export function seekHole(fd: number, offset: number): number {
  const found = Number(lseek64(fd, offset, SEEK_HOLE));
  if (found < 0) throw new SystemCallError("lseek(SEEK_HOLE)", koffi.errno());
  return found;
}

const XATTR_LIMIT = 1 << 16;
const xattrBuffer = Buffer.alloc(XATTR_LIMIT);

/** Every xattr of `path`, the link itself when it is one: name (bytes as Latin-1) to value. */
export function readXattrs(path: Buffer): Map<string, Buffer> {
  const cPath = terminated(path);
  const size = Number(llistxattr(cPath, xattrBuffer, XATTR_LIMIT));
  const xattrs = new Map<string, Buffer>();
  if (size < 0 && koffi.errno() === EOPNOTSUPP) return xattrs;
  check(size, "llistxattr", path);
  if (size === 0) return xattrs;
  const names = xattrBuffer.toString("latin1", 0, size - 1).split("\0");
  for (const name of names) {
    const cName = terminated(Buffer.from(name, "latin1"));
    const length = check(Number(lgetxattr(cPath, cName, xattrBuffer, XATTR_LIMIT)), `lgetxattr ${name}`, path);
    xattrs.set(name, Buffer.from(xattrBuffer.subarray(0, length)));
  }
  return xattrs;
}

export function setXattr(path: Buffer, name: Buffer | string, value: Buffer): void {
  check(lsetxattr(terminated(path), terminated(name), value, value.length, 0), "lsetxattr", path);
}

export function removeXattr(path: Buffer, name: Buffer | string): void {
  check(lremovexattr(terminated(path), terminated(name)), "lremovexattr", path);
}

/** Linux's dev_t of a device number, 12 bits of major and 20 of minor in the layout of glibc's makedev. */
export function makeDevice(major: number, minor: number): number {
  return (major & 0xfff) * 0x100 + (minor & 0xff) + Math.floor(minor / 0x100) * 0x100000;
}

/** Makes a file of any type; `mode` includes the type bits. */
export function makeNode(path: Buffer, mode: number, device: number): void {
  check(mknod64(terminated(path), mode, device), "mknod", path);
}

export interface Timestamp {
  readonly seconds: number;
  readonly nanoseconds: number;
}

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;

/** Sets atime and mtime to the nanosecond; a symlink's own when it is one. */
export function setTimes(path: Buffer, atime: Timestamp, mtime: Timestamp): void {
  const times = Buffer.alloc(32);
  times.writeBigInt64LE(BigInt(atime.seconds), 0);
  times.writeBigInt64LE(BigInt(atime.nanoseconds), 8);
  times.writeBigInt64LE(BigInt(mtime.seconds), 16);
  times.writeBigInt64LE(BigInt(mtime.nanoseconds), 24);
  check(utimensat64(AT_FDCWD, terminated(path), times, AT_SYMLINK_NOFOLLOW), "utimensat", path);
}

/** Modes of fallocate(2). */
export const FallocateMode = { allocate: 0, keepSize: 1, punchHole: 3, zeroRange: 0x10, zeroKeepSize: 0x11 } as const;

export function fallocate(fd: number, mode: number, offset: number, length: number): void {
  check(fallocate64(fd, mode, offset, length), "fallocate");
}

/** ioctl(2) with a pointer to `argument`, which the kernel may change. */
export function ioctl(fd: number, request: number, argument: Buffer): number {
  return check(ioctlPointer(fd, request, argument), `ioctl 0x${request.toString(16)}`);
}

/** What statfs(2) says, in its own units (blocks of `frsize` bytes). */
export interface MountStatistics {
  readonly bsize: number;
  readonly frsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
  readonly namelen: number;
}

/** struct statfs of x86-64 and arm64: eleven 64-bit words, f_type first. */
export function mountStatistics(path: Buffer): MountStatistics {
  const buffer = Buffer.alloc(256);
  check(statfs64(terminated(path), buffer), "statfs", path);
  const word = (index: number): number => Number(buffer.readBigInt64LE(index * 8));
  return {
    bsize: word(1),
    blocks: word(2),
    bfree: word(3),
    bavail: word(4),
    files: word(5),
    ffree: word(6),
    namelen: word(8),
    frsize: word(9),
  };
}

const CLONE_NEWNS = 0x20000;
const MS_REC_PRIVATE = 0x44000;

/**
 * Gives this process (its main thread, and what it starts) mounts of its own. Whoever else makes itself such a namespace has copies of
 * all mounts that there are, and a copy keeps a device busy after umount(8) has returned.
 */
export function leaveMountNamespace(): void {
  check(unshareCall(CLONE_NEWNS), "unshare");
  check(mountCall("none", "/", null, MS_REC_PRIVATE, null), "mount");
}
