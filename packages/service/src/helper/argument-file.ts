import { addSeals, close, Errno, LinuxError, memfdCreate, pwrite, Seal } from "@bulkhead/linux";
import { ARGUMENTS_FILE, encodeArguments, LARGEST_ARGUMENTS } from "../protocol/index.js";

/** The file in memory that a server reads its arguments from; nobody can change it any more. The caller closes it. */
export function argumentFile(list: readonly Uint8Array[], given: number): number {
  const bytes = encodeArguments(list, given);
  if (bytes.length > LARGEST_ARGUMENTS) throw new LinuxError("memfd_create", Errno.E2BIG, "the arguments");
  const fd = memfdCreate(ARGUMENTS_FILE, true);
  try {
    for (let at = 0; at < bytes.length; ) {
      const n = pwrite(fd, bytes, at, bytes.length - at, at);
      if (n < 0 && n !== -Errno.EINTR) throw new LinuxError("pwrite", n, ARGUMENTS_FILE);
      at += Math.max(n, 0);
    }
    addSeals(fd, Seal.WRITE | Seal.SHRINK | Seal.GROW | Seal.SEAL);
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}
