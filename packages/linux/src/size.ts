import { orThrow } from "./error.js";
import { cString, native, type Path, showPath } from "./libc.js";

const cTruncate = native<[Uint8Array, number]>("truncate64", "int", ["void *", "int64_t"]);
const cFtruncate = native<[number, number]>("ftruncate64", "int", ["int", "int64_t"]);

/** truncate(2), by path and as it is: Node's opens the file first, and its ftruncate takes a negative length for 0. */
export function truncate(path: Path, length: number): void {
  orThrow(cTruncate(cString(path, "truncate"), length), "truncate", showPath(path));
}

/** ftruncate(2). EINVAL: negative, or `fd` is not open for writing. */
export function ftruncate(fd: number, length: number): void {
  orThrow(cFtruncate(fd, length), "ftruncate", fd);
}
