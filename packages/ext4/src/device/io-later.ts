import type { BlockDevice } from "./device.js";
import type { IoSequence } from "./io-sequence.js";

/** Steps that are done between two operations at most. */
const MOST_STEPS = 3;

/** For tests: the I/O of commits goes on while operations do, as on another thread, at a pace that a seed decides. */
export class IoLater implements IoSequence {
  readonly #random: () => number;
  #laid: (() => void)[] = [];
  #steps: (() => void)[] = [];
  #done: ((error: unknown) => void) | undefined;

  /** @param random [0, 1) */
  constructor(random: () => number) {
    this.#random = random;
  }

  get busy(): boolean {
    return this.#done !== undefined;
  }

  take(length: number): Uint8Array {
    return new Uint8Array(length).fill(0xee);
  }

  write(device: BlockDevice, offset: number, bytes: Uint8Array): void {
    this.#laid.push(() => device.write(offset, bytes));
  }

  flush(device: BlockDevice): void {
    this.#laid.push(() => device.flush());
  }

  start(done: (error: unknown) => void): void {
    if (this.busy) throw new Error("two sequences at a time");
    this.#steps = this.#laid;
    this.#laid = [];
    this.#done = done;
  }

  poll(): void {
    this.#go(Math.floor(this.#random() * (MOST_STEPS + 1)));
  }

  wait(): void {
    this.#go(Number.POSITIVE_INFINITY);
  }

  drop(): void {
    this.#laid = [];
  }

  #go(most: number): void {
    const done = this.#done;
    if (done === undefined) return;
    let failure: unknown;
    for (let n = 0; n < most && failure === undefined && this.#steps.length > 0; n++) {
      try {
        this.#steps.shift()?.();
      } catch (error) {
        failure = error;
      }
    }
    if (failure === undefined && this.#steps.length > 0) return;
    this.#done = undefined;
    this.#steps = [];
    done(failure);
  }
}
