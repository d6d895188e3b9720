// deaths.test.ts, with other deaths, and far more of them.
import assert from "node:assert/strict";
import { after, describe, it, type TestContext } from "node:test";
import { withoutTools } from "../facilities.js";
import { seedOf } from "../model/generate.js";
import { deaths } from "./deaths.js";
import { Fsck } from "./e2fsck.js";
import { CRASH_IMAGES, makeBase } from "./images.js";

/** Of each image; fewer where the time is over before. */
const SERVERS = 6;
const MOST_MILLISECONDS = 240_000;
/** In all. */
const LEAST = 1000;

const seed = seedOf(process.env);

describe(`many deaths (seed ${seed})`, { skip: withoutTools("mke2fs", "e2fsck", "dumpe2fs") }, () => {
  const fsck = new Fsck();
  const began = Date.now();
  let sum = 0;
  after(() => fsck.close());

  CRASH_IMAGES.forEach((image, number) => {
    it(`lose nothing that was answered: ${image.name}`, async (context: TestContext) => {
      const until = began + (MOST_MILLISECONDS * (number + 1)) / CRASH_IMAGES.length;
      const options = { seed, servers: SERVERS, steps: 60, places: 25, powerLosses: 1, until };
      const outcome = await deaths(makeBase(image), fsck, options);
      context.diagnostic(`${outcome.deaths} deaths, ${outcome.states} states after a loss of power`);
      assert.deepEqual(outcome.failures, []);
      sum += outcome.deaths;
    });
  });
  it(`are ${LEAST} at least`, (context: TestContext) => {
    context.diagnostic(`${sum} deaths`);
    assert.ok(sum >= LEAST, `${sum} deaths`);
  });
});
