/**
 * Images that the kernel changed and we continue, and the other way round, ten times. Oracles: the model, e2fsck -fn after each
 * turn, and walk equality: whoever reads the image sees the same, down to inode numbers and the ranges of data.
 */
import { describe, test } from "node:test";
import { withoutFuse, withoutLoopMounts } from "../facilities.js";
import { alternating, type SubjectName } from "./game.js";
import { generate, seedOf } from "./generate.js";
import { mustPlay } from "./referee.js";
import { playable, READY } from "./variants.js";

const OPERATIONS = 600;
const TIMEOUT = 60_000;
/** The other images have their turn in the long tests. */
const ALTERNATING: Readonly<Record<SubjectName, readonly string[]>> = {
  kernel: [],
  engine: ["1k", "ext3"],
  served: ["default", "orphan-file"],
  image: [],
};

for (const subject of READY.filter((name) => ALTERNATING[name].length > 0)) {
  describe(`the kernel and ${subject} take turns`, {
    skip: withoutLoopMounts() || withoutFuse(),
    concurrency: 2,
  }, () => {
    for (const variant of playable("kernel").filter(({ name }) => ALTERNATING[subject].includes(name))) {
      const seed = seedOf(process.env);
      test(`${variant.name}: ${variant.about} (seed ${seed})`, async () => {
        await mustPlay(alternating(variant.name, subject, generate(seed, OPERATIONS)), seed, TIMEOUT);
      });
    }
  });
}
