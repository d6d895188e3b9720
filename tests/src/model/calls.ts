/** The system calls of the test beside those of system/calls.ts. */
import koffi from "koffi";
import { SystemCallError } from "../system/calls.js";

const libc = koffi.load("libc.so.6");
const renameat2 = libc.func(
  "int renameat2(int from, const uint8_t *old, int to, const uint8_t *renamed, unsigned int flags)",
);
const linkat = libc.func("int linkat(int from, const uint8_t *old, int to, const uint8_t *path, int flags)");
const lsetxattr = libc.func(
  "int lsetxattr(const uint8_t *path, const uint8_t *name, const uint8_t *value, size_t size, int flags)",
);
const lremovexattr = libc.func("int lremovexattr(const uint8_t *path, const uint8_t *name)");
const copyFileRange = libc.func(
  "int64_t copy_file_range(int from, _Inout_ int64_t *in, int to, _Inout_ int64_t *out, size_t length, unsigned int flags)",
);
const syncfs = libc.func("int syncfs(int fd)");
const umount2 = libc.func("int umount2(const uint8_t *path, int flags)");

const AT_FDCWD = -100;
const AT_SYMLINK_FOLLOW = 0x400;
const MNT_DETACH = 2;

function text(path: Buffer | string): Buffer {
  return Buffer.concat([typeof path === "string" ? Buffer.from(path, "latin1") : path, Buffer.alloc(1)]);
}

function check(result: number, call: string): number {
  if (result < 0) throw new SystemCallError(call, koffi.errno());
  return result;
}

/** Flags of renameat2(2). */
export const RenameFlag = { noReplace: 1, exchange: 2, whiteout: 4 } as const;

export function rename(from: Buffer, to: Buffer, flags: number): void {
  check(renameat2(AT_FDCWD, text(from), AT_FDCWD, text(to), flags), "renameat2");
}

/** Gives an open file a name, one that has none as well. */
export function linkDescriptor(fd: number, path: Buffer): void {
  check(linkat(AT_FDCWD, text(`/proc/self/fd/${fd}`), AT_FDCWD, text(path), AT_SYMLINK_FOLLOW), "linkat");
}

/** @param flags XATTR_CREATE (1), XATTR_REPLACE (2) or 0 */
export function setXattr(path: Buffer, name: string, value: Buffer, flags: number): void {
  check(lsetxattr(text(path), text(name), value, value.length, flags), "lsetxattr");
}

export function removeXattr(path: Buffer, name: string): void {
  check(lremovexattr(text(path), text(name)), "lremovexattr");
}

export function copyRange(from: number, fromOffset: number, to: number, toOffset: number, length: number): number {
  const result = copyFileRange(from, [fromOffset], to, [toOffset], length, 0);
  return check(Number(result), "copy_file_range");
}

export function syncFileSystem(fd: number): void {
  check(syncfs(fd), "syncfs");
}

/** umount2(2) in this very process, lazily: what goes away with a test that failed. */
export function detachMount(path: string): void {
  umount2(text(path), MNT_DETACH);
}

/** The directories that a path leads through, from the root on, which is not among them. */
export function directoriesOf(path: string): string[] {
  const names = path.split("/");
  return names.slice(1).map((_, index) => names.slice(0, index + 1).join("/"));
}
