/**
 * Random sequences of operations against a model of what POSIX and ext4 promise. Oracles: the model, which the kernel's own
 * ext4 has to satisfy first, through a loop mount; e2fsck -fn after every turn; the kernel's view of what we left.
 * A failure prints its seed; BULKHEAD_SEED=… repeats it.
 */
import { describe, test } from "node:test";
import { withoutFuse, withoutLoopMounts } from "../facilities.js";
import { alternating, type SubjectName } from "./game.js";
import { generate, seedOf } from "./generate.js";
import { mustPlay } from "./referee.js";
import { playable, READY } from "./variants.js";

const OPERATIONS = 1500;
const TIMEOUT = 60_000;
/** The images that the kernel and we take turns on here; the others have their turn in the long tests. */
const ALTERNATING: ReadonlySet<string> = new Set(["default", "1k", "ext3"]);
const ABOUT: Readonly<Record<SubjectName, string>> = {
  kernel: "the kernel's ext4",
  engine: "the engine",
  served: "our mount",
};

for (const subject of READY) {
  describe(`the model holds for ${ABOUT[subject]}`, { skip: withoutLoopMounts() || withoutFuse() }, () => {
    for (const variant of playable(subject)) {
      const seed = seedOf(process.env);
      test(`${variant.name}: ${variant.about} (seed ${seed})`, async () => {
        const operations = generate(seed, OPERATIONS);
        await mustPlay({ variant: variant.name, subjects: [subject, subject], operations }, seed, TIMEOUT);
      });
    }
  });
}

for (const subject of READY.filter((name) => name !== "kernel")) {
  describe(`the kernel and ${ABOUT[subject]} take turns`, { skip: withoutLoopMounts() || withoutFuse() }, () => {
    for (const variant of playable("kernel").filter(({ name }) => ALTERNATING.has(name))) {
      const seed = seedOf(process.env);
      test(`${variant.name}: ${variant.about} (seed ${seed})`, async () => {
        await mustPlay(alternating(variant.name, subject, generate(seed, OPERATIONS)), seed, TIMEOUT);
      });
    }
  });
}
