// Oracles: e2fsck's repair and e2fsck -fn of every state that a crash can leave; a model of what was synced, and of what had begun.
import assert from "node:assert/strict";
import { after, describe, it, type TestContext } from "node:test";
import { withoutTools } from "../facilities.js";
import { seedOf } from "../model/generate.js";
import { campaign } from "./campaign.js";
import { Fsck } from "./e2fsck.js";
import { CRASH_IMAGES, makeBase } from "./images.js";

/** Of each image; crash.long.test.ts and `npm run crash` have more. */
const STATES = 150;
const PER_WORKLOAD = 30;

/** The same states in every run, among them some that were lost once; the long test and `npm run crash` look for others. */
const SEED = 1_792_850_248;
const seed = seedOf({ BULKHEAD_SEED: String(SEED), ...process.env });

describe(`crashes (seed ${seed})`, { skip: withoutTools("mke2fs", "e2fsck", "dumpe2fs") }, () => {
  const fsck = new Fsck();
  after(() => fsck.close());

  for (const image of CRASH_IMAGES) {
    it(`lose nothing that was synced: ${image.name}`, async (context: TestContext) => {
      const options = { seed, states: STATES, mostPerWorkload: PER_WORKLOAD };
      const { tally, workloads, failures } = await campaign(makeBase(image), fsck, options);
      context.diagnostic(`${tally.states} states, ${tally.images} images, of ${workloads} workloads`);
      assert.deepEqual(failures, []);
      assert.ok(tally.states >= STATES && tally.images >= STATES / 5, `${tally.images} of ${tally.states}`);
    });
  }
});
