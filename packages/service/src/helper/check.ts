import { lstatSync } from "node:fs";
import { Access, accessible, close, LinuxError, O_PATH, open } from "@bulkhead/linux";
import { asCaller, type Caller, realCaller } from "./caller.js";
import { SOCKET_DIRECTORY, socketPath, subtypeOf } from "./command.js";

/**
 * Whether there is a service for a type that the caller may ask (`--check`). Does not connect: nobody may be listening any more.
 *
 * @param type with or without `fuse.`
 */
export function hasService(type: string, directory: string = SOCKET_DIRECTORY, caller: Caller = realCaller()): boolean {
  try {
    const path = socketPath(subtypeOf(type), directory);
    if (!lstatSync(path).isSocket()) return false;
    const fd = asCaller(caller, () => open(path, O_PATH));
    try {
      return asCaller(caller, () => accessible(fd, Access.WRITE));
    } finally {
      close(fd);
    }
  } catch (error) {
    if (error instanceof LinuxError || (error instanceof Error && "errno" in error)) return false;
    throw error;
  }
}
