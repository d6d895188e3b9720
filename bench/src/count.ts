/** The number that an option like `--rounds` was given. @throws Error when it is none that can be done so often */
export function countOf(option: string, given: string): number {
  const count = Number(given);
  if (!Number.isInteger(count) || count < 1)
    throw new Error(`--${option} ${given}: a whole number from 1 on is needed`);
  return count;
}
