// Oracles: the model of what POSIX and ext4 promise, which notices nothing; e2fsck. A server of each kind of file system is killed at a
// random moment; deaths.long.test.ts kills more, and those whose mounts take long.
import { describe, test } from "node:test";
import { withoutFuse, withoutLoopMounts } from "../facilities.js";
import { seedOf } from "../model/generate.js";
import { MORTAL_IMAGES, playToTheDeath } from "./mortal-images.js";

const skip = withoutLoopMounts() || withoutFuse();

describe("nobody notices that a server was killed", { skip, concurrency: 3 }, () => {
  for (const image of MORTAL_IMAGES.filter(({ isSlow }) => isSlow !== true)) {
    const seed = seedOf(process.env);
    test(`${image.name} (BULKHEAD_SEED=${seed})`, { timeout: 60_000 }, () =>
      playToTheDeath(image, { seed, kills: 1, longestLife: 300 }),
    );
  }
});
