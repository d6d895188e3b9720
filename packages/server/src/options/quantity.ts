import { UsageError } from "./usage-error.js";

const UNITS: Readonly<Record<string, number>> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/**
 * A number of bytes: "4096", "64K", "1.5G" (powers of 1024; "KiB" and the like mean the same).
 *
 * @param what the option, for the error
 * @throws UsageError unless it is a whole number of bytes below 2^53
 */
export function parseBytes(text: string, what: string): number {
  const match = /^(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?$/i.exec(text);
  const bytes = match === null ? Number.NaN : Number(match[1]) * UNITS[match[2]!.toUpperCase()]!;
  if (!Number.isSafeInteger(bytes))
    throw new UsageError(`${what} takes a number of bytes such as 1048576 or 1M, not ${text}`);
  return bytes;
}

/**
 * A whole number, decimal or with 0x.
 *
 * @throws UsageError unless it is from `least` to `most`
 */
export function parseCount(text: string, what: string, least = 0, most = Number.MAX_SAFE_INTEGER): number {
  const count = /^(\d+|0x[\da-f]+)$/i.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(count) || count < least || count > most) {
    const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
    throw new UsageError(`${what} takes a whole number ${range}, not ${text}`);
  }
  return count;
}

/**
 * Permission bits in octal, as chmod takes them: "644", "04755".
 *
 * @throws UsageError
 */
export function parseMode(text: string, what: string): number {
  if (!/^[0-7]{1,5}$/.test(text) || Number.parseInt(text, 8) > 0o7777)
    throw new UsageError(`${what} takes permission bits in octal such as 644 or 4755, not ${text}`);
  return Number.parseInt(text, 8);
}
