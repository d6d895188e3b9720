import { ArrayRegion, type SurvivalRegion } from "@bulkhead/ext4";
import { sharedBytes } from "@bulkhead/linux";
import { CHANGES, LENGTH, LOOKUPS, REQUESTS } from "./memory-file.js";

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
