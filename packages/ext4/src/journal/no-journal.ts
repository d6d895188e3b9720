import type { CachedBlock } from "../cache/block-cache.js";
import type { IoSequence } from "../device/io-sequence.js";
import type { Volume } from "../volume.js";
import type { LogPosition, TransactionLog } from "./transaction-log.js";

/**
 * What file systems without a journal have in its place: blocks go home at each commit, after the file data that was written
 * before. A crash in between leaves what e2fsck repairs, and what was synced is there.
 */
export class NoJournal implements TransactionLog {
  readonly journalled = false;
  readonly mostBlocks: number;
  readonly length = 0;
  readonly used = 0;
  readonly end: LogPosition = { place: 0, sequence: 0, count: 0 };
  readonly #volume: Volume;
  readonly #barrier: boolean;

  /** @param barrier whether data is flushed before metadata (mount's `barrier`) */
  constructor(volume: Volume, barrier = true) {
    this.#volume = volume;
    this.#barrier = barrier;
    this.mostBlocks = volume.cache.capacity >> 2;
  }

  hasRoom(): boolean {
    return true;
  }

  append(io: IoSequence, blocks: readonly CachedBlock[]): void {
    this.flush(io);
    this.#volume.cache.writeHome([...blocks], io);
    this.flush(io);
  }

  flush(io: IoSequence): void {
    if (this.#barrier) io.flush(this.#volume.device);
  }

  moveTail(): void {}
  release(): void {}
  empty(): void {}
  noteError(): void {}
}
