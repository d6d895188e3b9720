/** What JavaScript lets a caller pass, and no system call would take: refused before anything is done. */
import type { Owner } from "./image.js";
import type { Stats, Timestamp } from "./node.js";

/** chown(2)'s word for "as it is". */
export const UNCHANGED = -1;
/** An id of all ones is that word in 32 bits. */
const LARGEST_ID = 2 ** 32 - 2;
/** With the bits of a type, as `Stats` has it. */
const LARGEST_MODE = 0o177777;

/** @throws TypeError, RangeError */
export function checkInteger(what: string, value: unknown, least: number, most: number): void {
  if (typeof value !== "number") throw new TypeError(`${what} is a number, not a ${typeof value}`);
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new RangeError(`${what} is a whole number from ${least} to ${most}, not ${value}`);
}

/** Bytes from the beginning of a file. @throws TypeError, RangeError */
export function checkPosition(what: string, value: unknown): void {
  checkInteger(what, value, 0, Number.MAX_SAFE_INTEGER);
}

/** @throws TypeError, RangeError */
export function checkMode(mode: unknown): void {
  checkInteger("a mode", mode, 0, LARGEST_MODE);
}

/** @param least of both: `UNCHANGED`, where there is something to be left as it is. @throws TypeError, RangeError */
export function checkOwner({ uid, gid }: Owner, least = 0): void {
  checkInteger("a uid", uid, least, LARGEST_ID);
  checkInteger("a gid", gid, least, LARGEST_ID);
}

/** @throws TypeError, RangeError */
export function checkTime({ seconds, nanoseconds }: Timestamp): void {
  checkInteger("a time's seconds", seconds, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  checkInteger("a time's nanoseconds", nanoseconds, 0, 999_999_999);
}

/** @throws TypeError, RangeError */
export function checkDevice({ major, minor }: Stats["device"]): void {
  checkInteger("a device's major number", major, 0, 0xfff);
  checkInteger("a device's minor number", minor, 0, 0xfffff);
}

/** @throws TypeError */
export function checkBytes(what: string, value: unknown): asserts value is Uint8Array {
  if (!(value instanceof Uint8Array)) throw new TypeError(`${what} is a Uint8Array, not a ${typeof value}`);
}

/** What a file is to hold, piece by piece. What is there already is looked at at once. @throws TypeError */
export function piecesOf(data: string | Uint8Array | Iterable<Uint8Array>): Iterable<Uint8Array> {
  if (typeof data === "string") return [Buffer.from(data)];
  if (data instanceof Uint8Array) return [data];
  if (Array.isArray(data)) for (const piece of data) checkBytes("a piece of a file", piece);
  else if (typeof data?.[Symbol.iterator] !== "function") {
    throw new TypeError(`contents are text, a Uint8Array or several, not a ${typeof data}`);
  }
  return data;
}
