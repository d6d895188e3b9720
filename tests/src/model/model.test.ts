/**
 * Random sequences of operations against a model of what POSIX and ext4 promise. Oracles: the model, which the kernel's own
 * ext4 has to satisfy first, through a loop mount; e2fsck -fn after every turn; the kernel's view of what we left.
 * A failure prints its seed; BULKHEAD_SEED=… repeats it.
 */
import { describe, test } from "node:test";
import { withoutLoopMounts } from "../facilities.js";
import { generate, seedOf } from "./generate.js";
import { mustPlay } from "./referee.js";
import { MODEL_VARIANTS } from "./variants.js";

const OPERATIONS = 1500;
const TIMEOUT = 60_000;

describe("the model holds for the kernel's ext4", { skip: withoutLoopMounts(), concurrency: 2 }, () => {
  for (const variant of MODEL_VARIANTS.filter(({ kernel }) => kernel === "writes")) {
    const seed = seedOf(process.env);
    test(`${variant.name}: ${variant.about} (seed ${seed})`, async () => {
      const operations = generate(seed, OPERATIONS);
      await mustPlay({ variant: variant.name, subjects: ["kernel", "kernel"], operations }, seed, TIMEOUT);
    });
  }
});
