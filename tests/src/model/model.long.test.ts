/** model.test.ts with sequences of thousands of operations, several seeds an image. */
import { describe, test } from "node:test";
import { withoutFuse, withoutLoopMounts } from "../facilities.js";
import { alternating } from "./game.js";
import { generate, seedOf } from "./generate.js";
import { mustPlay } from "./referee.js";
import { playable, READY } from "./variants.js";

const OPERATIONS = 10_000;
const SEQUENCES = 5;
const TIMEOUT = 300_000;

describe("long sequences", { skip: withoutLoopMounts() || withoutFuse(), concurrency: 2 }, () => {
  const first = seedOf(process.env);
  for (const subject of READY) {
    for (const variant of playable(subject)) {
      for (let seed = first; seed < first + SEQUENCES; seed++) {
        test(`${subject}, ${variant.name} (seed ${seed})`, async () => {
          const operations = generate(seed, OPERATIONS);
          await mustPlay({ variant: variant.name, subjects: [subject, subject, subject], operations }, seed, TIMEOUT);
        });
      }
    }
    for (const variant of subject === "kernel" ? [] : playable("kernel")) {
      test(`the kernel and ${subject} take turns, ${variant.name} (seed ${first})`, async () => {
        await mustPlay(alternating(variant.name, subject, generate(first, OPERATIONS)), first, TIMEOUT);
      });
    }
  }
});
