import { close, connect, LinuxError, localSocket, SocketType } from "@bulkhead/linux";
import { asCaller, type Caller, realCaller } from "./caller.js";
import { socketPath } from "./command.js";

/** Nobody listens for a type, and nothing has happened. */
export class NoServiceError extends Error {}

/**
 * Connects to the service of a type of file system, which then starts a server: one that waits for its helper.
 *
 * @param directory where services listen; default `/run/filesystems`
 * @param caller whose rights count; default this process's real user
 * @returns the socket, for `HelperOptions.server`; the caller's
 * @throws NoServiceError; {LinuxError} EACCES
 */
export function connectToService(subtype: string, directory?: string, caller: Caller = realCaller()): number {
  const path = socketPath(subtype, directory);
  const fd = localSocket(SocketType.SEQPACKET);
  try {
    asCaller(caller, () => connect(fd, path));
    return fd;
  } catch (error) {
    close(fd);
    if (!(error instanceof LinuxError)) throw error;
    if (error.code !== "ENOENT" && error.code !== "ECONNREFUSED") throw error;
    throw new NoServiceError(`there is no service for ${subtype}: ${error.message}`);
  }
}
