import { Errno } from "./errno.js";
import { LinuxError, orThrow } from "./error.js";
import { O_CLOEXEC } from "./file.js";
import { addressOf, bare, cString, lastErrno, native, type Path, showPath } from "./libc.js";
import { AT_FDCWD, AT_SYMLINK_FOLLOW, cLink, cRename } from "./links.js";

/*
 * Names relative to an open directory, and inodes known by an O_PATH descriptor alone: for servers that hold a tree by its
 * inodes and must not be led elsewhere by a path that changed meanwhile.
 */

const AT_REMOVEDIR = 0x200;
const AT_EMPTY_PATH = 0x1000;
const STATX_BASIC_AND_BTIME = 0xfff;
const PATH_MAX = 4096;

type Bytes = Uint8Array;
const cOpenat = bare<[number, number, number, number]>("openat64", "int", ["int", "uintptr_t", "int", "uint"]);
const cStatx = bare<[number, number, number, number, number]>("statx", "int", [
  "int",
  "uintptr_t",
  "int",
  "uint",
  "uintptr_t",
]);
const cGetdents = bare<[number, number, number]>("getdents64", "int64_t", ["int", "uintptr_t", "size_t"]);
const cLseek = native<[number, bigint, number]>("lseek64", "int64_t", ["int", "int64_t", "int"]);
const cMkdirat = native<[number, Bytes, number]>("mkdirat", "int", ["int", "void *", "uint"]);
const cMknodat = native<[number, Bytes, number, number]>("mknodat", "int", ["int", "void *", "uint", "uint64_t"]);
const cSymlinkat = native<[Bytes, number, Bytes]>("symlinkat", "int", ["void *", "int", "void *"]);
const cUnlinkat = native<[number, Bytes, number]>("unlinkat", "int", ["int", "void *", "int"]);
const cFchownat = native<[number, Bytes, number, number, number]>("fchownat", "int", [
  "int",
  "void *",
  "uint",
  "uint",
  "int",
]);
const cReadlinkat = native<[number, Bytes, Bytes, number]>("readlinkat", "int64_t", [
  "int",
  "void *",
  "void *",
  "size_t",
]);

/** Where hot calls put a name and its NUL. */
const nameBuffer = new Uint8Array(PATH_MAX);
/** The empty path: a single NUL. */
const EMPTY = new Uint8Array(1);
const encoder = new TextEncoder();

/*
 * Hot calls: −errno instead of an exception.
 */

/** openat(2), always with O_CLOEXEC: the descriptor. ENAMETOOLONG, EINVAL (a NUL inside) as the kernel says them. */
export function openAt(directory: number, name: Path, flags: number, mode = 0): number {
  const bytes = typeof name === "string" ? encoder.encode(name) : name;
  const length = bytes.length;
  if (length >= PATH_MAX) return -Errno.ENAMETOOLONG;
  if (bytes.includes(0)) return -Errno.EINVAL;
  nameBuffer.set(bytes);
  nameBuffer[length] = 0;
  const fd = cOpenat(directory, addressOf(nameBuffer, 0, length + 1), flags | O_CLOEXEC, mode);
  return fd < 0 ? -lastErrno() : fd;
}

/** statx(2) of an open file, O_PATH ones included, into `bytes`: 256 bytes of `struct statx`, basic fields and birth time. */
export function statxDescriptor(fd: number, bytes: Uint8Array): number {
  const path = addressOf(EMPTY, 0, 1);
  const result = cStatx(fd, path, AT_EMPTY_PATH, STATX_BASIC_AND_BTIME, addressOf(bytes, 0, 256));
  return result < 0 ? -lastErrno() : result;
}

/** getdents64(2): how many bytes of records (`struct linux_dirent64`) were put into `bytes`, 0 at the end. */
export function getdents(directory: number, bytes: Uint8Array): number {
  const n = cGetdents(directory, addressOf(bytes, 0, bytes.length), bytes.length);
  return n < 0 ? -lastErrno() : n;
}

/*
 * Cold calls: a LinuxError.
 */

/** Continues `getdents` where a record's cookie says: 64 opaque bits, in halves. */
export function seekDirectory(directory: number, low: number, high: number): void {
  orThrow(cLseek(directory, (BigInt(high) << 32n) | BigInt(low), 0 /* SEEK_SET */), "lseek", directory);
}

export function mkdirAt(directory: number, name: Path, mode: number): void {
  orThrow(cMkdirat(directory, cString(name, "mkdirat"), mode), "mkdirat", showPath(name));
}

/** As `mknod`; `rdev` as `makedev` gives it. */
export function mknodAt(directory: number, name: Path, mode: number, rdev = 0): void {
  orThrow(cMknodat(directory, cString(name, "mknodat"), mode, rdev), "mknodat", showPath(name));
}

export function symlinkAt(target: Path, directory: number, name: Path): void {
  const call = "symlinkat";
  orThrow(cSymlinkat(cString(target, call), directory, cString(name, call)), call, showPath(name));
}

/** Removes a name; `isDirectory` says which kind is meant, as unlink(2) and rmdir(2). */
export function unlinkAt(directory: number, name: Path, isDirectory = false): void {
  const flags = isDirectory ? AT_REMOVEDIR : 0;
  orThrow(cUnlinkat(directory, cString(name, "unlinkat"), flags), "unlinkat", showPath(name));
}

/** renameat2(2) with `Rename` bits. */
export function renameAt(from: number, name: Path, to: number, newName: Path, flags = 0): void {
  const call = "renameat2";
  const result = cRename(from, cString(name, call), to, cString(newName, call), flags);
  orThrow(result, call, `${showPath(name)} to ${showPath(newName)}`);
}

/** Gives the inode of `fd`, which may be an O_PATH descriptor, one more name. */
export function linkAt(fd: number, directory: number, name: Path): void {
  const call = "linkat";
  // Not AT_EMPTY_PATH, which takes CAP_DAC_READ_SEARCH.
  const from = cString(`/proc/self/fd/${fd}`, call);
  const result = cLink(AT_FDCWD, from, directory, cString(name, call), AT_SYMLINK_FOLLOW);
  orThrow(result, call, `${fd} to ${showPath(name)}`);
}

/** The target of the symbolic link that `fd` (O_PATH, O_NOFOLLOW) is. */
export function readlinkDescriptor(fd: number): Uint8Array {
  const target = new Uint8Array(PATH_MAX);
  return target.subarray(0, orThrow(cReadlinkat(fd, EMPTY, target, target.length), "readlinkat", fd));
}

/** Changes owner and group of what `fd` is, O_PATH descriptors and symbolic links included; −1 leaves one as it is. */
export function chownDescriptor(fd: number, uid: number, gid: number): void {
  orThrow(cFchownat(fd, EMPTY, uid >>> 0, gid >>> 0, AT_EMPTY_PATH), "fchownat", fd);
}

/** The path through which calls without an `at` form reach what `fd` is, O_PATH descriptors and symbolic links included. */
export function descriptorPath(fd: number): string {
  if (!Number.isInteger(fd) || fd < 0) throw new LinuxError("open", Errno.EBADF, String(fd));
  return `/proc/self/fd/${fd}`;
}
