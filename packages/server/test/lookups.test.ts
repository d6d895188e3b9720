// Oracle: a Map.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LookupCounts } from "../src/lookups.js";

/** Numbers of a generator that a seed determines (xorshift). */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

test("counts what a Map counts, through growth and shrinking", () => {
  const seed = 0x9e37 + process.pid * 16;
  const next = random(seed);
  const counts = new LookupCounts();
  const model = new Map<number, number>();
  for (let round = 0; round < 200_000; round++) {
    // Now more come than go, now the other way; inode numbers lie close together, as they do.
    const grows = (round >> 14) % 2 === 0;
    const ino = 11 + next(20_000) + (next(4) === 0 ? 0xffff_0000 : 0);
    const had = model.get(ino) ?? 0;
    if (next(10) < (grows ? 7 : 3)) {
      counts.add(ino);
      model.set(ino, had + 1);
    } else {
      const count = 1 + next(3);
      assert.equal(counts.forget(ino, count), had <= count, `seed ${seed}, round ${round}`);
      if (had > count) model.set(ino, had - count);
      else model.delete(ino);
    }
  }
  assert.equal(counts.size, model.size);
  for (const [ino, count] of model) assert.equal(counts.get(ino), count, `seed ${seed}, inode ${ino}`);
  for (const [ino, count] of model) assert.equal(counts.forget(ino, count), true);
  assert.equal(counts.size, 0);
});

test("a million inodes cost no more than 24 bytes each", () => {
  const before = process.memoryUsage().arrayBuffers;
  const counts = new LookupCounts();
  for (let ino = 12; ino < 1_000_012; ino++) counts.add(ino);
  globalThis.gc?.();
  assert.ok(process.memoryUsage().arrayBuffers - before < 42_000_000, "the table, and the one before it, uncollected");
  assert.equal(counts.size, 1_000_000);
  assert.equal(counts.get(12), 1);
  assert.equal(counts.get(11), 0);
  assert.equal(counts.forget(999_999, 1), true);
  assert.equal(counts.forget(999_999, 1), true, "what is not known is forgotten already");
});
