import { refuse } from "./command-line.js";

/** The number that an option like `--rounds` was given; the process ends when it is none that can be done so often. */
export function countOf(option: string, given: string): number {
  const count = Number(given);
  if (!Number.isInteger(count) || count < 1) refuse(`--${option} ${given}: a whole number from 1 on is needed`);
  return count;
}
