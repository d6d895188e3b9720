/**
 * Random sequences of operations against a model of what POSIX and ext4 promise. Oracles: the model, which the kernel's own
 * ext4 has to satisfy first, through a loop mount; e2fsck -fn after every turn; the kernel's view of what we left.
 * A failure prints its seed; BULKHEAD_SEED=… repeats it.
 */
import { describe, test } from "node:test";
import { withoutFuse, withoutLoopMounts } from "../facilities.js";
import type { SubjectName } from "./game.js";
import { generate, seedOf } from "./generate.js";
import { mustPlay } from "./referee.js";
import { playable, READY } from "./variants.js";

/** What a few seconds allow of each image with every subject; thousands are for model.long.test.ts. */
const OPERATIONS: Readonly<Record<SubjectName, number>> = { kernel: 700, engine: 600, served: 400, image: 400 };
/** The others have their turn in model.long.test.ts: behind the host is the engine, which plays on all of them. */
const WITHOUT_MOUNT = ["ext3", "inline-data", "tiny-1k"];
const TIMEOUT = 60_000;
const ABOUT: Readonly<Record<SubjectName, string>> = {
  kernel: "the kernel's ext4",
  engine: "the engine",
  served: "our mount",
  image: "an image without a mount",
};

for (const subject of READY) {
  describe(`the model holds for ${ABOUT[subject]}`, {
    skip: withoutLoopMounts() || withoutFuse(),
    concurrency: 2,
  }, () => {
    for (const variant of playable(subject)) {
      if (subject === "image" && !WITHOUT_MOUNT.includes(variant.name)) continue;
      const seed = seedOf(process.env);
      test(`${variant.name}: ${variant.about} (seed ${seed})`, async () => {
        const operations = generate(seed, OPERATIONS[subject]);
        // A server takes longer to start than to play.
        const subjects = subject === "served" || subject === "image" ? [subject] : [subject, subject];
        await mustPlay({ variant: variant.name, subjects, operations }, seed, TIMEOUT);
      });
    }
  });
}
