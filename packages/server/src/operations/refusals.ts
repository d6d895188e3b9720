import { errno } from "@bulkhead/ext4";
import type { Handlers, OperationName } from "@bulkhead/fuse";

/**
 * What would change the file system. The kernel stops these at a read-only mount; a host without a kernel, or a mount that
 * somebody makes writable, gets the errno that ext4 would give. (FLUSH and FSYNC are left out: with nothing to write they
 * succeed, and ENOSYS lets the kernel say so itself.)
 */
const writing = [
  "SETATTR",
  "SYMLINK",
  "MKNOD",
  "MKDIR",
  "UNLINK",
  "RMDIR",
  "RENAME",
  "RENAME2",
  "LINK",
  "WRITE",
  "CREATE",
  "TMPFILE",
  "SETXATTR",
  "REMOVEXATTR",
  "FALLOCATE",
  "COPY_FILE_RANGE",
  "COPY_FILE_RANGE_64",
] as const satisfies readonly OperationName[];

/** EROFS for every operation that writes. */
export function refusals(): Handlers {
  const refuse = () => -errno.EROFS;
  const handlers: { [K in (typeof writing)[number]]?: () => number } = {};
  for (const name of writing) handlers[name] = refuse;
  return handlers;
}
