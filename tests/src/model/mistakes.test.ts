/** The judge is judged: a kernel whose calls are tampered with must not satisfy the model, and what is left to read is short. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { withoutLoopMounts } from "../facilities.js";
import { generate } from "./generate.js";
import { MISTAKES } from "./mistakes.js";
import { mustPlay, referee } from "./referee.js";

const OPERATIONS = 1200;
const TIMEOUT = 60_000;
const SEED = 1;

describe("a mistake is noticed", { skip: withoutLoopMounts(), concurrency: 2 }, () => {
  for (const mistake of Object.keys(MISTAKES)) {
    test(mistake, async () => {
      const game = {
        variant: "default",
        subjects: ["kernel" as const],
        operations: generate(SEED, OPERATIONS),
        mistake,
      };
      const { failure } = await referee(game, TIMEOUT);
      assert.match(failure?.text ?? "", /^operation \d+: /, "the model or the kernel's next look at it differs");
    });
  }

  test("and what led to it is made short", async () => {
    const operations = generate(SEED, OPERATIONS);
    const game = { variant: "default", subjects: ["kernel" as const], operations, mistake: "a byte is wrong" };
    await assert.rejects(mustPlay(game, SEED, TIMEOUT), (error: Error) => {
      const left = Number(/; (\d+) operations are left/.exec(error.message)?.[1]);
      assert.ok(left <= 10, `${left} operations are left`);
      assert.match(error.message, /^BULKHEAD_SEED=1, /);
      return true;
    });
  });
});
