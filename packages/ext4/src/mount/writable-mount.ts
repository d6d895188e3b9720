import { FileSystemError } from "../errors.js";
import { incompatFeature, roCompatFeature } from "../format/features.js";
import { SuperblockState } from "../format/superblock.js";
import type { Transactions } from "../journal/transactions.js";
import { writeErrors, writeSuperblock } from "../superblock/write-superblock.js";
import type { Volume } from "../volume.js";
import type { MultiMountProtection } from "./mmp.js";
import type { ErrorsOption } from "./options.js";

/** Milliseconds between two times that the record of errors is written by itself: a user may read what is damaged without end. */
const RECORD_INTERVAL = 1000;

/** What a mount for writing has to do from time to time, after an error and at its end. */
export class WritableMount {
  readonly #volume: Volume;
  readonly #transactions: Transactions;
  readonly #protection: MultiMountProtection | undefined;
  readonly #wasValid: boolean;
  #closed = false;
  /** When the record of errors was written by itself, in milliseconds since 1970. */
  #recorded = Number.NEGATIVE_INFINITY;

  /** @param wasValid whether the superblock said that the file system was unmounted cleanly before */
  constructor(volume: Volume, protection: MultiMountProtection | undefined, wasValid: boolean) {
    this.#volume = volume;
    this.#transactions = volume.transactions!;
    this.#protection = protection;
    this.#wasValid = wasValid;
  }

  /** When `tick` has something to do, in milliseconds since 1970; Infinity when it never has. */
  get deadline(): number {
    if (this.#closed) return Number.POSITIVE_INFINITY;
    const commit = this.#transactions.aborted === undefined ? this.#transactions.deadline : Number.POSITIVE_INFINITY;
    return Math.min(commit, (this.#protection?.deadline ?? Number.POSITIVE_INFINITY) * 1000);
  }

  /**
   * Commits and updates the multi-mount protection, if that is due.
   *
   * @throws DeviceError; FileSystemError EBUSY when somebody else has taken the file system: everything is EROFS then
   */
  tick(): void {
    if (this.#closed) return;
    try {
      this.#protection?.tick();
    } catch (error) {
      this.#transactions.abort(error);
      throw error;
    }
    this.#transactions.tick();
  }

  /**
   * An error has been put on record in memory: ends all changing if `errors` says so, and writes the record to the device at once.
   * What follows within a second goes with the next commit, or with the next error after that.
   */
  noteError(error: unknown, errors: ErrorsOption): void {
    if (this.#closed) return;
    const transactions = this.#transactions;
    const now = this.#now();
    const isFirst = transactions.aborted === undefined && errors !== "continue";
    if (errors !== "continue") transactions.abort(error instanceof FileSystemError ? new Error(error.message) : error);
    else transactions.superblockChanged = true;
    // What is being written may be the superblock: then the record comes with the next commit.
    if (transactions.isCommitting) return;
    if (!isFirst && now >= this.#recorded && now < this.#recorded + RECORD_INTERVAL) return;
    this.#recorded = now;
    try {
      writeErrors(this.#volume);
    } catch (cause) {
      this.#volume.environment.log("error", `the error could not be put on record on the device: ${String(cause)}`);
      // Nobody knows what else that was written before has been lost.
      transactions.abort(cause);
    }
  }

  #now(): number {
    const { seconds, nanoseconds } = this.#volume.environment.clock.now();
    return seconds * 1000 + nanoseconds / 1e6;
  }

  /** See FileSystem.freeze. */
  freeze(clean: boolean): void {
    const volume = this.#volume;
    if (this.#closed) return;
    this.#transactions.settle();
    if (!clean || (volume.orphans?.size ?? 0) > 0) return;
    const { featureIncompat, featureRoCompat, state } = volume.superblock;
    this.#markUnmounted();
    this.#transactions.beforeChange = () => {
      const { superblock } = volume;
      superblock.featureIncompat = featureIncompat;
      superblock.featureRoCompat = featureRoCompat;
      superblock.state = state;
      writeSuperblock(volume);
      volume.device.flush();
    };
  }

  /** See FileSystem.thaw. */
  thaw(): void {
    if (!this.#closed) this.#transactions.endFreeze();
  }

  /**
   * Brings everything home and says in the superblock that the file system is clean. After an abort the journal and the superblock
   * stay as they are, for a replay.
   *
   * @throws DeviceError
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      // What is under way may fail yet.
      this.#transactions.wait();
      const aborted = this.#transactions.aborted !== undefined;
      this.#transactions.close();
      if (!aborted) this.#markUnmounted();
    } finally {
      this.#volume.transactions = undefined;
      this.#protection?.release();
    }
  }

  #markUnmounted(): void {
    const { superblock, orphans, device } = this.#volume;
    superblock.featureIncompat &= ~incompatFeature.needs_recovery;
    if ((orphans?.size ?? 0) === 0) superblock.featureRoCompat &= ~roCompatFeature.orphan_present;
    if (this.#wasValid) superblock.state |= SuperblockState.valid;
    writeSuperblock(this.#volume);
    device.flush();
  }
}
