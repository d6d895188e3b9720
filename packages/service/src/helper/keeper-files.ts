import { duplicate, Errno, LinuxError } from "@bulkhead/linux";
import { KeeperFile, keeperFileName } from "../protocol/index.js";

/** What a helper that stays, as the mount's keeper, has for each of the mount's servers in its turn. The caller's to close. */
export interface KeeperFiles {
  /** The server's end of a stream socket to the keeper. */
  readonly line: number;
  /** Memory that outlives the server; without, no other can go on with its mount. */
  readonly memory?: number | undefined;
}

/** A copy of one of them, a `KeeperFile`. @throws {LinuxError} ENOENT: there is no such */
export function handOver(files: KeeperFiles | undefined, what: number): number {
  const fd = what === KeeperFile.LINE ? files?.line : what === KeeperFile.MEMORY ? files?.memory : undefined;
  if (fd === undefined) throw new LinuxError("keep", Errno.ENOENT, keeperFileName(what));
  return duplicate(fd);
}
