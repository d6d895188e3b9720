/** Milliseconds that only grow. Injected, so that tests decide what time it is. */
export interface Clock {
  now(): number;
}

export const monotonic: Clock = { now: () => performance.now() };

/** What poll(2) takes. */
const LONGEST_WAIT = 0x7fff_ffff;

interface Timer {
  readonly due: number;
  readonly run: () => void;
}

/**
 * What the serving thread does by the clock. Its event loop does not turn while it serves, so `setTimeout` would never
 * fire; the loop sleeps no longer than until the next of these. A handful at a time: kept sorted.
 */
export class Timers {
  readonly clock: Clock;
  readonly #timers: Timer[] = [];

  constructor(clock: Clock = monotonic) {
    this.clock = clock;
  }

  /** Runs `run` once, at least `milliseconds` from now, between two requests. The returned function cancels. */
  after(milliseconds: number, run: () => void): () => void {
    const timer: Timer = { due: this.clock.now() + milliseconds, run };
    const index = this.#timers.findIndex(({ due }) => due > timer.due);
    this.#timers.splice(index < 0 ? this.#timers.length : index, 0, timer);
    return () => {
      const at = this.#timers.indexOf(timer);
      if (at >= 0) this.#timers.splice(at, 1);
    };
  }

  /** Milliseconds until the next is due, or until it is to be asked again, 0 if one is; −1 if there is none. */
  wait(): number {
    const next = this.#timers[0];
    return next === undefined ? -1 : Math.min(Math.max(0, Math.ceil(next.due - this.clock.now())), LONGEST_WAIT);
  }

  /** Runs what is due, but nothing that these schedule anew. */
  runDue(): void {
    if (this.#timers.length === 0) return;
    const now = this.clock.now();
    let due = this.#timers.findIndex((timer) => timer.due > now);
    if (due < 0) due = this.#timers.length;
    for (const { run } of this.#timers.splice(0, due)) run();
  }
}
