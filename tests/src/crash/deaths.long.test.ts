// deaths.test.ts, with other deaths, and far more of them.
import assert from "node:assert/strict";
import { after, describe, it, type TestContext } from "node:test";
import { withoutTools } from "../facilities.js";
import { seedOf } from "../model/generate.js";
import { deaths } from "./deaths.js";
import { Fsck } from "./e2fsck.js";
import { CRASH_IMAGES, makeBase } from "./images.js";

/** Of each image. */
const SERVERS = 6;

const seed = seedOf(process.env);

describe(`many deaths (seed ${seed})`, { skip: withoutTools("mke2fs", "e2fsck", "dumpe2fs") }, () => {
  const fsck = new Fsck();
  after(() => fsck.close());

  for (const image of CRASH_IMAGES) {
    it(`lose nothing that was answered: ${image.name}`, async (context: TestContext) => {
      const options = { seed, servers: SERVERS, steps: 60, places: 25 };
      const outcome = await deaths(makeBase(image), fsck, options);
      context.diagnostic(`${outcome.deaths} deaths, ${outcome.states} states after a loss of power`);
      assert.deepEqual(outcome.failures, []);
    });
  }
});
