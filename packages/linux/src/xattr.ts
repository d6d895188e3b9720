import { Errno } from "./errno.js";
import { LinuxError, orThrow } from "./error.js";
import { cString, native, type Path, showPath } from "./libc.js";

/** Flags of lsetxattr. */
export const XattrFlag = { CREATE: 1, REPLACE: 2 } as const;

/** No attribute's value, and no list of names, is longer (XATTR_SIZE_MAX, XATTR_LIST_MAX). */
const MAX = 65536;

type Bytes = Uint8Array;
const cGetThrough = native<[Bytes, Bytes, Bytes, number]>("getxattr", "int64_t", [
  "void *",
  "void *",
  "void *",
  "size_t",
]);
const cListThrough = native<[Bytes, Bytes, number]>("listxattr", "int64_t", ["void *", "void *", "size_t"]);
const cSetThrough = native<[Bytes, Bytes, Bytes, number, number]>("setxattr", "int", [
  "void *",
  "void *",
  "void *",
  "size_t",
  "int",
]);
const cRemoveThrough = native<[Bytes, Bytes]>("removexattr", "int", ["void *", "void *"]);
const cGet = native<[Bytes, Bytes, Bytes, number]>("lgetxattr", "int64_t", ["void *", "void *", "void *", "size_t"]);
const cList = native<[Bytes, Bytes, number]>("llistxattr", "int64_t", ["void *", "void *", "size_t"]);
const cSet = native<[Bytes, Bytes, Bytes, number, number]>("lsetxattr", "int", [
  "void *",
  "void *",
  "void *",
  "size_t",
  "int",
]);
const cRemove = native<[Bytes, Bytes]>("lremovexattr", "int", ["void *", "void *"]);

const scratch = new Uint8Array(MAX);

/** The value of attribute `name` of `path` itself (a symbolic link is not followed), or undefined if there is none. */
export function lgetxattr(path: Path, name: Path): Uint8Array | undefined {
  const n = cGet(cString(path, "lgetxattr"), cString(name, "lgetxattr"), scratch, MAX);
  if (n === -Errno.ENODATA) return undefined;
  return scratch.slice(0, orThrow(n, "lgetxattr", showPath(path)));
}

/** The names of all attributes of `path` itself, as bytes, in the file system's order. */
export function llistxattr(path: Path): Uint8Array[] {
  const n = orThrow(cList(cString(path, "llistxattr"), scratch, MAX), "llistxattr", showPath(path));
  const names: Uint8Array[] = [];
  for (let at = 0; at < n; ) {
    const end = scratch.indexOf(0, at);
    if (end < 0 || end >= n) throw new LinuxError("llistxattr", Errno.EIO, showPath(path));
    names.push(scratch.slice(at, end));
    at = end + 1;
  }
  return names;
}

/** Sets attribute `name` of `path` itself, with `XattrFlag` bits. */
export function lsetxattr(path: Path, name: Path, value: Uint8Array, flags = 0): void {
  const call = "lsetxattr";
  // An empty view has no address to give; the kernel ignores the pointer of an empty value.
  const bytes = value.length === 0 ? scratch : value;
  orThrow(cSet(cString(path, call), cString(name, call), bytes, value.length, flags), call, showPath(path));
}

/** Removes attribute `name` of `path` itself. ENODATA if there is none. */
export function lremovexattr(path: Path, name: Path): void {
  const call = "lremovexattr";
  orThrow(cRemove(cString(path, call), cString(name, call)), call, showPath(path));
}

/*
 * The same of what `path` leads to, such as `descriptorPath` of an O_PATH descriptor. The names come in one buffer, each with
 * its NUL, as the kernel gives them.
 */

export function getxattr(path: Path, name: Path): Uint8Array | undefined {
  const n = cGetThrough(cString(path, "getxattr"), cString(name, "getxattr"), scratch, MAX);
  if (n === -Errno.ENODATA) return undefined;
  return scratch.slice(0, orThrow(n, "getxattr", showPath(path)));
}

export function listxattr(path: Path): Uint8Array {
  return scratch.slice(0, orThrow(cListThrough(cString(path, "listxattr"), scratch, MAX), "listxattr", showPath(path)));
}

export function setxattr(path: Path, name: Path, value: Uint8Array, flags = 0): void {
  const call = "setxattr";
  const bytes = value.length === 0 ? scratch : value;
  orThrow(cSetThrough(cString(path, call), cString(name, call), bytes, value.length, flags), call, showPath(path));
}

export function removexattr(path: Path, name: Path): void {
  const call = "removexattr";
  orThrow(cRemoveThrough(cString(path, call), cString(name, call)), call, showPath(path));
}
