// Oracle: the engine's own contract. Whatever the bytes are, changing the file system ends with a result or a typed error; never another
// exception, a hang, hunger for memory, or writing after an error that was to end it. Undamaged, e2fsck -fn finds nothing afterwards.
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { MemoryDevice } from "@bulkhead/ext4";
import { withoutTools } from "../facilities.js";
import { run } from "../system/process.js";
import { change } from "./change.js";
import { makeJournalSpecimen } from "./journal-specimen.js";
import { withImageFile } from "./specimen.js";
import { exploreAll } from "./watch.js";
import { makeWritableSpecimen, writableSpecimens } from "./writable-specimens.js";

/**
 * Damages of one specimen, others each time; a thousand in damage.long.test.ts. Three in ten are noticed, and with seven in ten the file
 * system can be mounted: it takes these many for chance not to have none noticed, or two thirds refused (one run in a million).
 */
const COUNT = 40;
/** Without checksums, replay brings back most of what is damaged: one in ten is noticed. */
const COUNT_UNDER_JOURNAL = 160;
const MOST_MILLISECONDS = 6000;

async function damage(context: TestContext, image: Uint8Array, count = COUNT): Promise<void> {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const tally = await exploreAll(image, { kind: "words", seed, count }, MOST_MILLISECONDS, true);
  const { cases, opened, noticed, slowest } = tally;
  const time = slowest.milliseconds.toFixed(0);
  context.diagnostic(`seed ${seed}: ${noticed} of ${cases} damages noticed; slowest: ${time} ms`);
  assert.ok(opened > count / 3 && noticed > 0, `seed ${seed}: ${opened} opened, ${noticed} noticed`);
}

describe("changing a damaged file system", { skip: withoutTools("mke2fs", "debugfs", "e2fsck") }, () => {
  for (const specimen of writableSpecimens) {
    it(specimen.name, async (context) => {
      const image = makeWritableSpecimen(specimen);
      const whole = change(new MemoryDevice(image, { readOnly: true }), { errors: "continue" });
      assert.deepEqual(whole.errors.map(String), [], "nothing is wrong with the undamaged image");
      assert.ok(whole.opened && whole.entries > 50, `${whole.entries} entries`);
      withImageFile(whole.image, (path) => run("e2fsck", ["-fn", path]));

      await damage(context, image);
    });
  }

  for (const checksums of [false, true]) {
    it(`with a dirty journal ${checksums ? "with" : "without"} checksums`, async (context) => {
      await damage(context, makeJournalSpecimen(checksums), checksums ? COUNT : COUNT_UNDER_JOURNAL);
    });
  }
});
