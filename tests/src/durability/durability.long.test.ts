/** durability.test.ts again and again: a crash each time at another moment. */
import { describe, test } from "node:test";
import { withoutFuse, withoutLoopMounts, withoutTools } from "../facilities.js";
import { seedOf } from "../model/generate.js";
import { MOUNTED } from "../model/variants.js";
import { DATABASES, filesFor, IMAGES, mayBeNoisy } from "./images.js";
import { standApart } from "./trial.js";

const CRASHES = 12;
const missing = withoutLoopMounts() || withoutFuse() || withoutTools("sqlite3", "python3", "git");

describe("many crashes", { skip: missing, concurrency: 2 }, () => {
  const first = seedOf(process.env);
  for (const subject of MOUNTED) {
    for (const image of IMAGES) {
      for (let seed = first; seed < first + CRASHES; seed++) {
        const files = filesFor(subject, image);
        const recorders = mayBeNoisy(subject, image) ? [files, DATABASES, ["git", "log"]][seed % 3]! : files;
        test(`${subject}, ${image.name}: ${recorders.join(", ")} (seed ${seed})`, () =>
          standApart({
            ...image,
            subject,
            recorders,
            seed,
            notes: 20 + (seed % 700),
            noise: seed % 2 === 0 && mayBeNoisy(subject, image),
          }));
      }
    }
  }
});
