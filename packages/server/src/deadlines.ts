import type { FileSystem } from "@bulkhead/ext4";
import type { Timers } from "@bulkhead/fuse";

/** Milliseconds between two times that something is done by the clock, at least: a device that fails must not be asked in a loop. */
const LEAST_WAIT = 50;

/** Calls the engine when it has something to do by the clock. */
export class Deadlines {
  readonly #fs: Pick<FileSystem, "deadline" | "nextDeadline" | "tick">;
  readonly #timers: Timers;
  readonly #onError: (error: unknown) => void;
  /** The deadline that is waited for, Infinity for none. */
  #awaited = Number.POSITIVE_INFINITY;
  #cancel = () => {};

  constructor(
    fs: Pick<FileSystem, "deadline" | "nextDeadline" | "tick">,
    timers: Timers,
    onError: (error: unknown) => void,
  ) {
    this.#fs = fs;
    this.#timers = timers;
    this.#onError = onError;
  }

  /** To be called when there may be a new deadline; asks no clock unless it comes before the one that is waited for. */
  arm(): void {
    const { deadline } = this.#fs;
    if (deadline >= this.#awaited) return;
    this.#awaited = deadline;
    this.#cancel();
    this.#cancel = this.#timers.after(Math.max(this.#fs.nextDeadline, LEAST_WAIT), this.#run);
  }

  readonly #run = () => {
    this.#awaited = Number.POSITIVE_INFINITY;
    try {
      this.#fs.tick();
    } catch (error) {
      this.#onError(error);
    }
    this.arm();
  };
}
