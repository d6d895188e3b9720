import { addSeals, close, ftruncate, LinuxError, memfdCreate, Seal } from "@bulkhead/linux";
import { countTableBytes } from "./shared-counts.js";

/** Bytes of what requests need. */
export const REQUESTS = 128 * 1024;
/** Bytes of each of two tables of look-ups: of 6 million inodes that the kernel knows, which take several GiB there. */
export const LOOKUPS = Math.ceil(countTableBytes(2 ** 23) / 4096) * 4096;
export const CHANGES = REQUESTS + 2 * LOOKUPS;
export const LENGTH = 384 * 1024 * 1024;

/**
 * A file in memory for what has to outlive a server: only what is used of it takes room. Whoever supervises servers makes it and gives it
 * to each of them in turn; it never looks inside.
 *
 * @returns its descriptor
 */
export function createSurvivalMemory(): number {
  const fd = memfdCreate("bulkhead-survival", true);
  try {
    ftruncate(fd, LENGTH);
  } catch (error) {
    close(fd);
    if (!(error instanceof LinuxError && error.code === "EFBIG")) throw error;
    throw new Error(
      `what outlives its server needs a file in memory of ${LENGTH} bytes, and files may not be as large here (ulimit -f): raise that, or ` +
        "mount with norestart",
    );
  }
  // Whoever has it mapped would die if it became shorter.
  addSeals(fd, Seal.SHRINK | Seal.GROW | Seal.SEAL);
  return fd;
}
