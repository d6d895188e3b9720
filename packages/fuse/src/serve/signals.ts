const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * The signals that end a mount, caught from before it is made: one that came in between would kill the process and leave a
 * dead mount behind.
 */
export class EndingSignals {
  #caught: NodeJS.Signals[] = [];
  #deliver: (() => void) | undefined;
  readonly #onSignal = (signal: NodeJS.Signals): void => {
    this.#caught.push(signal);
    this.#deliver?.();
  };

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
  }

  /** The first that came. */
  get first(): NodeJS.Signals | undefined {
    return this.#caught[0];
  }

  /** Has `end` called for each one, those that came before included. */
  deliverTo(end: () => void): void {
    this.#deliver = end;
    for (const _ of this.#caught) end();
  }

  /** Gives the signals back their usual meaning. */
  release(): void {
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
  }
}
