/** Data and chance for tests. */

/** Bytes that say where they stand, and none of which is stale or zero. */
export function pattern(length: number, seed = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => ((at * 7 + seed * 13) & 0x7f) + 1);
}

/** A sequence of numbers in [0, 1) that a seed determines. */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return Math.floor(((state >>> 0) / 2 ** 32) * below);
  };
}
