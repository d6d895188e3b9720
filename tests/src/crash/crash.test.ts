// Oracles: e2fsck's repair and e2fsck -fn of every state that a crash can leave; a model of what was synced, and of what had begun.
import assert from "node:assert/strict";
import { after, describe, it, type TestContext } from "node:test";
import { withoutTools } from "../facilities.js";
import { seedOf } from "../model/generate.js";
import { campaign } from "./campaign.js";
import { Fsck } from "./e2fsck.js";
import { CRASH_IMAGES, makeBase } from "./images.js";

/** In all; crash.long.test.ts and `npm run crash` have others. */
const LEAST = 20_000;
/** Of them, images that are different ones: elsewhere a crash between two flushes leaves what one before or after it has left. */
const LEAST_DIFFERENT = 15_000;
/** Of each image. */
const STATES = Math.ceil(LEAST / CRASH_IMAGES.length);

/** The same states in every run; the long test and `npm run crash` look for others. */
const SEED = 1_792_850_248;
const seed = seedOf({ BULKHEAD_SEED: String(SEED), ...process.env });

describe(`crashes (seed ${seed})`, { skip: withoutTools("mke2fs", "e2fsck", "dumpe2fs") }, () => {
  const fsck = new Fsck();
  let states = 0;
  let images = 0;
  after(() => fsck.close());

  for (const image of CRASH_IMAGES) {
    it(`lose nothing that was synced: ${image.name}`, async (context: TestContext) => {
      const options = { seed, states: STATES };
      const { tally, workloads, failures } = await campaign(makeBase(image), fsck, options);
      context.diagnostic(`${tally.states} states, ${tally.images} images, of ${workloads} workloads`);
      assert.deepEqual(failures, []);
      states += tally.states;
      images += tally.images;
    });
  }

  it(`are ${LEAST} at least`, (context: TestContext) => {
    context.diagnostic(`${states} states, ${images} images`);
    assert.ok(states >= LEAST && images >= LEAST_DIFFERENT, `${images} images of ${states} states`);
  });
});
