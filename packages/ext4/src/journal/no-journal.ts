import type { CachedBlock } from "../cache/block-cache.js";
import type { Volume } from "../volume.js";
import type { TransactionLog } from "./transactions.js";

/**
 * What file systems without a journal have in its place: blocks go home at each commit, after the file data that was written
 * before. A crash in between leaves what e2fsck repairs, and what was synced is there.
 */
export class NoJournal implements TransactionLog {
  readonly journalled = false;
  readonly hasRoom = false;
  readonly mostBlocks: number;
  readonly #volume: Volume;

  constructor(volume: Volume) {
    this.#volume = volume;
    this.mostBlocks = volume.cache.capacity >> 2;
  }

  /** The checkpoint that follows each commit, as there never is room, writes the blocks; data comes first. */
  write(_tid: number, _blocks: readonly CachedBlock[]): void {
    this.#volume.device.flush();
  }

  empty(): void {}
}
