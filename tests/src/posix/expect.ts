/** What cases claim, where node:assert has no word for it. */
import assert from "node:assert/strict";
import { errnoName, lstatx, type Path, type Statx, type Timespec } from "@bulkhead/linux";
import type { Subject } from "./subject.js";

/** Claims that `call` fails with an errno, or with one of several where the standard leaves the choice. */
export function refused(expected: string | readonly string[], call: () => unknown): void {
  const allowed: readonly string[] = typeof expected === "string" ? [expected] : expected;
  let result: unknown;
  try {
    result = call();
  } catch (error) {
    const found = codeOf(error);
    if (found === undefined) throw error;
    assert.ok(allowed.includes(found), `${found} where ${allowed.join(" or ")} was due: ${String(error)}`);
    return;
  }
  assert.fail(`no error where ${allowed.join(" or ")} was due (result: ${String(result)})`);
}

/** The name of the error number of an error of Node or of `@bulkhead/linux`. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("errno" in error) || typeof error.errno !== "number") return undefined;
  return errnoName(error.errno);
}

const TIMES = ["atime", "mtime", "ctime"] as const;

/**
 * Which times of `path` itself an action changes, in the order atime, mtime, ctime, such as "mtime ctime". The clock
 * moves on before the action, so that a change is seen.
 */
export async function touched(subject: Subject, path: Path, action: () => unknown): Promise<string> {
  const before = lstatx(path);
  await subject.tick();
  action();
  return difference(before, lstatx(path));
}

/** As `touched`, of several paths at once. */
export async function touchedEach(
  subject: Subject,
  paths: readonly Path[],
  action: () => unknown,
): Promise<readonly string[]> {
  const before = paths.map((path) => lstatx(path));
  await subject.tick();
  action();
  return paths.map((path, i) => difference(before[i]!, lstatx(path)));
}

function difference(before: Statx, after: Statx): string {
  for (const time of TIMES) {
    const moved = nanoseconds(after[time]) - nanoseconds(before[time]);
    if (time === "ctime") assert.ok(moved >= 0n, "ctime went back");
  }
  return TIMES.filter((time) => nanoseconds(before[time]) !== nanoseconds(after[time])).join(" ");
}

export function nanoseconds(time: Timespec): bigint {
  return BigInt(time.seconds) * 1_000_000_000n + BigInt(time.nanoseconds);
}

/** Claims that every byte of `bytes` is `value`. */
export function allBytes(bytes: Uint8Array, value: number): void {
  const odd = bytes.findIndex((byte) => byte !== value);
  assert.equal(odd, -1, `byte ${odd} is ${bytes[odd] ?? "?"} instead of ${value}`);
}
