/** Oracle: see fuzzing.ts. BULKHEAD_SEED repeats a run. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { cannotMount } from "./bench.js";
import { fuzzHelper, fuzzSession } from "./fuzzing.js";
import { seed } from "./hostile.js";

test("no packet of millions leads outside the grammar", (t) => {
  const start = seed();
  t.diagnostic(`BULKHEAD_SEED=${start}`);
  const reached = fuzzSession(start, 10_000_000);
  t.diagnostic(JSON.stringify(reached));
  assert.ok(reached.mounted > 10_000);
});

test("no hostile server of thousands leaves anything", { skip: cannotMount }, async (t) => {
  const start = seed();
  t.diagnostic(`BULKHEAD_SEED=${start}`);
  const reached = await fuzzHelper(start, 60_000);
  t.diagnostic(JSON.stringify(reached));
  assert.ok(reached.mounted > 10);
});
