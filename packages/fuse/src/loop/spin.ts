const MAX_BACKOFF = 63;

/**
 * Looks for a message for a while before its thread sleeps: to be woken on another CPU takes longer than most answers. Each time in
 * vain halves how often it is tried, so that who waits for long costs nothing.
 */
export class Spin {
  readonly #milliseconds: number;
  /** Sleeps to come without looking, and how many there are after the next time in vain. */
  #skip = 0;
  #backoff = 0;
  #until = 0;

  /** @param microseconds to look for; 0: never */
  constructor(microseconds: number) {
    this.#milliseconds = microseconds / 1000;
  }

  /** Whether to look this time: then, until there is something (`found`), as long as it `goesOn`. */
  begins(): boolean {
    if (this.#milliseconds === 0) return false;
    if (this.#skip > 0) {
      this.#skip--;
      return false;
    }
    this.#until = performance.now() + this.#milliseconds;
    return true;
  }

  /** Whether to look once more; if not, it was in vain. */
  goesOn(): boolean {
    if (performance.now() < this.#until) return true;
    this.#backoff = Math.min(2 * this.#backoff + 1, MAX_BACKOFF);
    this.#skip = this.#backoff;
    return false;
  }

  found(): void {
    this.#backoff = 0;
  }
}
