import { onProcess } from "./process-events.js";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * The signals that end a mount, caught from before it is made: one that came in between would kill the process and leave a
 * dead mount behind.
 */
export class EndingSignals {
  #caught: NodeJS.Signals[] = [];
  #deliver: ((signal: NodeJS.Signals) => void) | undefined;
  readonly #releases: readonly (() => void)[];

  constructor() {
    this.#releases = SIGNALS.map((signal) =>
      onProcess(signal, () => {
        this.#caught.push(signal);
        this.#deliver?.(signal);
      }),
    );
  }

  /** The first that came. */
  get first(): NodeJS.Signals | undefined {
    return this.#caught[0];
  }

  /** Has `end` called for each one, those that came before included. */
  deliverTo(end: (signal: NodeJS.Signals) => void): void {
    this.#deliver = end;
    for (const signal of this.#caught) end(signal);
  }

  /** Gives the signals back their usual meaning. */
  release(): void {
    for (const release of this.#releases) release();
  }
}
