export interface Done {
  readonly operations: number;
  readonly bytes: number;
}

/** Something to do in a directory of a mount, and what has to be there before; only `run` is timed. */
export interface Workload {
  prepare?(directory: string): void;
  /** Bytes of memory that it fills, the page cache's included, where that is much; see `takeMemory`. */
  readonly memory?: number;
  run(directory: string): Done;
}

/** Pseudo-random numbers, the same in every run: what is compared must do the same work. */
export function* sequence(seed: number): Generator<number> {
  let state = seed;
  for (;;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}
