// Oracles: e2fsck -fy with the journal's device, of what both devices may hold; e2fsck -fn of what our recovery leaves; a model of what
// was synced.
import assert from "node:assert/strict";
import { after, describe, it, type TestContext } from "node:test";
import { withoutLoopMounts } from "../facilities.js";
import { seedOf } from "../model/generate.js";
import { Fsck } from "./e2fsck.js";
import { crashBoth } from "./external-journal.js";

/** The same states in every run; the long test looks for others. */
const SEED = 1_792_850_248;
const seed = seedOf({ BULKHEAD_SEED: String(SEED), ...process.env });

describe(`a journal on a device of its own (seed ${seed})`, { skip: withoutLoopMounts() }, () => {
  const fsck = new Fsck();
  after(() => fsck.close());

  for (const [features, data] of [
    ["metadata_csum", "ordered"],
    ["^metadata_csum", "journal"],
  ] as const) {
    it(`brings back what was synced: ${features}, data=${data}`, async (context: TestContext) => {
      const states = await crashBoth(fsck, { seed, features, data, workloads: 1, places: 8 });
      context.diagnostic(`${states} states`);
      assert.ok(states >= 20, `${states} states`);
    });
  }
});
