/** Oracle: see fuzzing.ts. BULKHEAD_SEED repeats a run. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { cannotMount } from "./bench.js";
import { fuzzHelper, fuzzSession } from "./fuzzing.js";
import { seed } from "./hostile.js";

test("no packet of a hostile server leads outside the grammar", (t) => {
  const start = seed();
  t.diagnostic(`BULKHEAD_SEED=${start}`);
  const reached = fuzzSession(start, 300_000);
  t.diagnostic(JSON.stringify(reached));
  assert.ok(reached.mounted > 100 && reached.opened > 1000, "the fuzzer gets nowhere");
});

test("no hostile server leaves a mount, a loop device or a descriptor", { skip: cannotMount }, async (t) => {
  const start = seed();
  t.diagnostic(`BULKHEAD_SEED=${start}`);
  const reached = await fuzzHelper(start, 2_500);
  t.diagnostic(JSON.stringify(reached));
  assert.ok(reached.mounted > 0 && reached.opened > 0, "the fuzzer gets nowhere");
});
