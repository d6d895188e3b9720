import { orThrow } from "./error.js";
import { native } from "./libc.js";

const cSyncfs = native<[number]>("syncfs", "int", ["int"]);

/** Writes everything of the file system that holds the open file `fd` to its device, and waits. */
export function syncfs(fd: number): void {
  orThrow(cSyncfs(fd), "syncfs", fd);
}
