import { Errno } from "./errno.js";
import { orThrow } from "./error.js";
import { cString, native, type Path } from "./libc.js";

const MAX = 65536;
type Bytes = Uint8Array;
const cGet = native<[number, Bytes, Bytes, number]>("fgetxattr", "int64_t", ["int", "void *", "void *", "size_t"]);
const cSet = native<[number, Bytes, Bytes, number, number]>("fsetxattr", "int", [
  "int",
  "void *",
  "void *",
  "size_t",
  "int",
]);
const cRemove = native<[number, Bytes]>("fremovexattr", "int", ["int", "void *"]);
const scratch = new Uint8Array(MAX);

/** The value of attribute `name` of an open file, or undefined if there is none. ERANGE: longer than `limit` bytes. */
export function fgetxattr(fd: number, name: Path, limit = MAX): Uint8Array | undefined {
  const n = cGet(fd, cString(name, "fgetxattr"), scratch, Math.min(limit, MAX));
  if (n === -Errno.ENODATA) return undefined;
  return scratch.slice(0, orThrow(n, "fgetxattr", fd));
}

/** Sets attribute `name` of an open file, with `XattrFlag` bits. */
export function fsetxattr(fd: number, name: Path, value: Uint8Array, flags = 0): void {
  const bytes = value.length === 0 ? scratch : value;
  orThrow(cSet(fd, cString(name, "fsetxattr"), bytes, value.length, flags), "fsetxattr", fd);
}

/** Removes attribute `name` of an open file. ENODATA if there is none. */
export function fremovexattr(fd: number, name: Path): void {
  orThrow(cRemove(fd, cString(name, "fremovexattr")), "fremovexattr", fd);
}
