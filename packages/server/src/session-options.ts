import type { FileSystem } from "@bulkhead/ext4";
import type { SessionOptions } from "@bulkhead/fuse";
import { isExpected } from "./expected-error.js";
import type { ServerOptions } from "./server-options.js";

/** Requests that nobody waits for one by one, which the kernel may have under way. */
const MOST_BACKGROUND = 64;

/**
 * What to ask of the kernel at INIT.
 *
 * @param posixAcl whether the kernel shall evaluate ACLs, and with them all permissions
 */
export function sessionOptions(
  fs: FileSystem,
  options: ServerOptions,
  posixAcl: boolean,
  toErrno: (error: unknown) => number,
  log: (message: string, error?: unknown) => void,
): SessionOptions {
  const writable = fs.volume.transactions !== undefined;
  const { writebackCache = true, sync = false } = options;
  return {
    want: [
      "EXPORT_SUPPORT",
      "DO_READDIRPLUS",
      "READDIRPLUS_AUTO",
      "CACHE_SYMLINKS",
      "NO_OPEN_SUPPORT",
      "NO_OPENDIR_SUPPORT",
      "ABORT_ERROR",
      // Default ACLs take the umask's place, and only we know them.
      "DONT_MASK",
      // Without it, the kernel asks for security.capability before every write.
      "HANDLE_KILLPRIV_V2",
      ...(posixAcl ? (["POSIX_ACL"] as const) : []),
      ...(options.iomap === undefined ? [] : (["IOMAP"] as const)),
      ...(writable && writebackCache && !sync ? (["WRITEBACK_CACHE"] as const) : []),
    ],
    // The kernel caches pages for as long as the inode: nobody changes files behind its back. O_TRUNC has to come as
    // SETATTR, because files are opened without asking.
    without: ["AUTO_INVAL_DATA", "ATOMIC_O_TRUNC"],
    // Inodes of 128 bytes hold whole seconds.
    timeGran: fs.geometry.inodeSize > 128 ? 1 : 1_000_000_000,
    // Direct reads and writes of a program that has many under way are among them: the kernel's default holds back all but 12.
    maxBackground: MOST_BACKGROUND,
    congestionThreshold: MOST_BACKGROUND,
    toErrno,
    log(message, error) {
      if (!isExpected(error)) log(message, error);
    },
  };
}
