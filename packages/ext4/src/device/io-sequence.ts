import type { BlockDevice } from "./device.js";

/**
 * Writes and flushes that happen one after the other, in the order of the calls: at once, or on another thread once `start` is
 * called. Whoever lays them down need not know which. One sequence at a time.
 */
export interface IoSequence {
  /** Whether a sequence was started and its `done` was not called yet. */
  readonly busy: boolean;
  /** A buffer of at least `length` bytes (512 KiB at most), to be filled and given to `write`. It may hold anything. */
  take(length: number): Uint8Array;
  /** Writes `bytes`, a part of the buffer that was taken last, which belongs to the sequence from here on. */
  write(device: BlockDevice, offset: number, bytes: Uint8Array): void;
  /** Makes durable what was written to a device before, by this sequence or by anybody. */
  flush(device: BlockDevice): void;
  /** After the last step. `done` is told of the first step that failed, after which none was done; see `poll`. */
  start(done: (error: unknown) => void): void;
  /** Calls `done` if the sequence is through, and nothing otherwise. Only this and `wait` call it. */
  poll(): void;
  /** Waits until the sequence is through, and calls `done`. Returns at once when none was started. */
  wait(): void;
  /** Forgets steps that were not started. */
  drop(): void;
}

/** Each step at once; what fails is thrown where it is laid down. */
export class IoAtOnce implements IoSequence {
  readonly busy = false;
  #buffer = new Uint8Array(0);

  take(length: number): Uint8Array {
    if (this.#buffer.length < length) this.#buffer = new Uint8Array(length);
    return this.#buffer;
  }

  write(device: BlockDevice, offset: number, bytes: Uint8Array): void {
    device.write(offset, bytes);
  }

  flush(device: BlockDevice): void {
    device.flush();
  }

  start(done: (error: unknown) => void): void {
    done(undefined);
  }

  poll(): void {}
  wait(): void {}
  drop(): void {}
}
