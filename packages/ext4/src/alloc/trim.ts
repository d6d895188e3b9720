import type { Volume } from "../volume.js";

/**
 * Tells the device what is free (FITRIM).
 *
 * @param start first block to look at
 * @param length blocks
 * @param minimum shortest run in blocks that is worth it
 * @param discard called with block and count of each free run
 * @returns blocks that were discarded
 */
export function trim(
  _volume: Volume,
  _start: number,
  _length: number,
  _minimum: number,
  _discard: (block: number, count: number) => void,
): number {
  throw new Error("to be written");
}
