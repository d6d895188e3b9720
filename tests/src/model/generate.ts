/** Random sequences of operations, by fast-check: the same seed gives the same sequence. */
import fc from "fast-check";
import type { Operation } from "./action.js";
import { PLANS } from "./play.js";

/** How much more often than once an operation comes. */
const WEIGHTS: Readonly<Record<string, number>> = {
  create: 6,
  mkdir: 4,
  symlink: 2,
  mknod: 1,
  link: 2,
  unlink: 5,
  rmdir: 2,
  rename: 6,
  write: 14,
  append: 4,
  read: 4,
  truncate: 5,
  fallocate: 4,
  punch: 4,
  zero: 3,
  shift: 3,
  copy: 3,
  open: 3,
  temporary: 2,
  linkHandle: 2,
  close: 3,
  chmod: 2,
  chown: 2,
  setTimes: 2,
  setXattr: 6,
  removeXattr: 3,
  setFlags: 1,
  sync: 1,
};
/** Those that are not listed: rare and big. */
const RARE = 1;
const SCALE = 4;

const operation: fc.Arbitrary<Operation> = fc.record({
  kind: fc.oneof(
    ...Object.keys(PLANS).map((kind) => ({
      weight: kind in WEIGHTS ? WEIGHTS[kind]! * SCALE : RARE,
      arbitrary: fc.constant(kind),
    })),
  ),
  seed: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
});

/** A sequence of `count` operations. */
export function generate(seed: number, count: number): Operation[] {
  const sequence = fc.array(operation, { minLength: count, maxLength: count, size: "max" });
  return fc.sample(sequence, { seed, numRuns: 1 })[0]!;
}

/** What BULKHEAD_SEED says, or a new one. */
export function seedOf(environment: NodeJS.ProcessEnv): number {
  const { BULKHEAD_SEED: given } = environment;
  return given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given);
}
