import { ArrayRegion, type SurvivalRegion } from "@bulkhead/ext4";
import { addSeals, ftruncate, memfdCreate, Seal, sharedBytes } from "@bulkhead/linux";
import { countTableBytes } from "./shared-counts.js";

/** Bytes of what requests need. */
const REQUESTS = 128 * 1024;
/** Bytes of each of two tables of look-ups: of 6 million inodes that the kernel knows, which take several GiB there. */
const LOOKUPS = Math.ceil(countTableBytes(2 ** 23) / 4096) * 4096;
const CHANGES = REQUESTS + 2 * LOOKUPS;
const LENGTH = 384 * 1024 * 1024;

/**
 * A file in memory for what has to outlive a server: only what is used of it takes room. Whoever supervises servers makes it and gives it
 * to each of them in turn; it never looks inside.
 *
 * @returns its descriptor
 */
export function createSurvivalMemory(): number {
  const fd = memfdCreate("bulkhead-survival", true);
  ftruncate(fd, LENGTH);
  // Whoever has it mapped would die if it became shorter.
  addSeals(fd, Seal.SHRINK | Seal.GROW | Seal.SEAL);
  return fd;
}

/** The parts of a survival memory, mapped into this process for good. */
export class SurvivalMemory {
  readonly requests: Uint8Array<ArrayBuffer>;
  readonly lookups: readonly [Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>];
  /** The engine's. */
  readonly changes: SurvivalRegion;

  /** @throws LinuxError when it cannot be mapped */
  constructor(fd: number) {
    const bytes = sharedBytes(fd, LENGTH);
    this.requests = bytes.subarray(0, REQUESTS);
    this.lookups = [bytes.subarray(REQUESTS, REQUESTS + LOOKUPS), bytes.subarray(REQUESTS + LOOKUPS, CHANGES)];
    this.changes = new ArrayRegion(bytes.subarray(CHANGES));
  }
}
