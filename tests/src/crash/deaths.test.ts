// Oracles: e2fsck -fn of what a server's successor leaves; a model of what was answered before the death. After a loss of power, those
// of crash.test.ts.
import assert from "node:assert/strict";
import { after, describe, it, type TestContext } from "node:test";
import { withoutTools } from "../facilities.js";
import { seedOf } from "../model/generate.js";
import { deaths } from "./deaths.js";
import { Fsck } from "./e2fsck.js";
import { CRASH_IMAGES, makeBase } from "./images.js";

/** The same deaths in every run; the long test looks for others. */
const SEED = 1_792_850_248;
/** Every other image; the long test has all. */
const SOME = CRASH_IMAGES.filter((_, number) => number % 2 === 0);
const seed = seedOf({ BULKHEAD_SEED: String(SEED), ...process.env });

describe(`deaths (seed ${seed})`, { skip: withoutTools("mke2fs", "e2fsck", "dumpe2fs") }, () => {
  const fsck = new Fsck();
  after(() => fsck.close());

  for (const image of SOME) {
    it(`lose nothing that was answered: ${image.name}`, async (context: TestContext) => {
      const options = { seed, servers: 1, steps: 30, places: 3 };
      const outcome = await deaths(makeBase(image), fsck, options);
      context.diagnostic(`${outcome.deaths} deaths, ${outcome.states} states after a loss of power`);
      assert.deepEqual(outcome.failures, []);
    });
  }
});
