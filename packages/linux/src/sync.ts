import { orThrow } from "./error.js";
import { bare, native } from "./libc.js";

const cSyncfs = native<[number]>("syncfs", "int", ["int"]);

/** Writes everything of the file system that holds the open file `fd` to its device, and waits. */
export function syncfs(fd: number): void {
  orThrow(cSyncfs(fd), "syncfs", fd);
}

const SYNC_FILE_RANGE_WRITE = 2;
const cSyncFileRange = bare<[number, number, number, number]>("sync_file_range", "int", [
  "int",
  "int64_t",
  "int64_t",
  "uint",
]);

/** Starts writing what is cached of a range of the file, and promises nothing. A hint: what fails, fails silently. */
export function writeBehind(fd: number, position: number, length: number): void {
  cSyncFileRange(fd, position, length, SYNC_FILE_RANGE_WRITE);
}
