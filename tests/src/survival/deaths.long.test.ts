// Oracles: the model of what POSIX and ext4 promise, which notices nothing; e2fsck. Servers of each kind of file system are killed at
// random moments, three times and then thirty.
import { describe, test } from "node:test";
import { withoutFuse, withoutLoopMounts } from "../facilities.js";
import { seedOf } from "../model/generate.js";
import { MORTAL_IMAGES, playToTheDeath } from "./mortal-images.js";

const skip = withoutLoopMounts() || withoutFuse();
const { SURVIVAL_DEATHS = "3,3,30" } = process.env;

describe("nobody notices that servers were killed", { skip }, () => {
  for (const image of MORTAL_IMAGES) {
    for (const [round, kills] of SURVIVAL_DEATHS.split(",").map(Number).entries()) {
      const seed = seedOf(process.env) + round;
      test(`${image.name}: ${kills} times (BULKHEAD_SEED=${seed})`, { timeout: 600_000 }, () =>
        playToTheDeath(image, { seed, kills, longestLife: 1000 }),
      );
    }
  }
});
