import type { Volume } from "../volume.js";
import type { TransactionLog } from "./transactions.js";

/**
 * What file systems without a journal have in its place: blocks go home at each commit, after the file data that was written
 * before. A crash in between leaves what e2fsck repairs, and what was synced is there.
 */
export class NoJournal implements TransactionLog {
  readonly journalled = false;
  readonly mostBlocks: number;
  readonly #volume: Volume;
  readonly #barrier: boolean;

  /** @param barrier whether data is flushed before metadata (mount's `barrier`) */
  constructor(volume: Volume, barrier = true) {
    this.#volume = volume;
    this.#barrier = barrier;
    this.mostBlocks = volume.cache.capacity >> 2;
  }

  /** Never: a checkpoint follows each commit. */
  hasRoom(): boolean {
    return false;
  }

  /** The checkpoint that follows each commit writes the blocks; data comes first. */
  write(): void {
    this.flush();
  }

  flush(): void {
    if (this.#barrier) this.#volume.device.flush();
  }

  empty(): void {}

  noteError(): void {}
}
