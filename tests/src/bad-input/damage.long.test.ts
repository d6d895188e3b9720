// Oracle: as in damage.test.ts. Every byte where that takes strides, every field with more seeds, and pairs of damages.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { withoutLoopMounts, withoutTools } from "../facilities.js";
import { makeJournalSpecimen } from "./journal-specimen.js";
import { indexRanges, journalRanges, makeLargeBlockSpecimen, makeTwoLevelSpecimen } from "./larger-specimens.js";
import { makeSpecimen, specimens } from "./specimen.js";
import { exploreAll } from "./watch.js";
import { makeWritableSpecimen, writableSpecimens } from "./writable-specimens.js";

describe("damage, at length", {
  skip: withoutLoopMounts() || withoutTools("setfattr", "setfacl"),
  concurrency: 2,
}, () => {
  for (const specimen of specimens) {
    it(`of every byte of the metadata: ${specimen.name}`, async () => {
      const tally = await exploreAll(makeSpecimen(specimen), { kind: "bytes", stride: 1 });
      assert.ok(tally.noticed > tally.cases * 0.08, `${tally.noticed} of ${tally.cases}`);
    });
  }

  it("of every byte of the index of a directory with two levels", async () => {
    const image = makeTwoLevelSpecimen();
    const tally = await exploreAll(image, { kind: "bytes", stride: 1, ranges: indexRanges(image) });
    assert.ok(tally.noticed > tally.cases / 2);
  });

  it("of every byte of an image with blocks of 64 KiB", async () => {
    const tally = await exploreAll(makeLargeBlockSpecimen(), { kind: "bytes", stride: 1 });
    assert.ok(tally.noticed > tally.cases / 10);
  });

  for (const specimen of writableSpecimens) {
    it(`of a thousand words of what is changed: ${specimen.name}`, async (context) => {
      const seed = Math.floor(Math.random() * 2 ** 31);
      context.diagnostic(`seed ${seed}`);
      const tally = await exploreAll(makeWritableSpecimen(specimen), { kind: "words", seed, count: 1000 }, 6000, true);
      assert.ok(tally.opened > 300 && tally.noticed > 0, `seed ${seed}: ${tally.opened} opened`);
    });
  }

  for (const checksums of [false, true]) {
    it(`of every byte that is read under a dirty journal ${checksums ? "with" : "without"} checksums`, async () => {
      const image = makeJournalSpecimen(checksums);
      await exploreAll(image, { kind: "bytes", stride: 1 });
      await exploreAll(image, { kind: "truncation", stride: 1 });
      for (const at of [0, 1, 2, 3]) await exploreTwice(image, at);
    });
  }

  it("of every field, with twenty seeds", async () => {
    const image = makeSpecimen(specimens[0] ?? assert.fail());
    for (let seed = 1; seed <= 20; seed++) await exploreAll(image, { kind: "fields", seed });
  });
});

/** One block of the log is garbage, and every byte of the others is damaged. */
async function exploreTwice(image: Uint8Array, block: number): Promise<void> {
  const ranges = journalRanges(image);
  const garbled = image.slice();
  const [start, end] = ranges[block] ?? assert.fail();
  for (let at = start; at < end; at += 3) garbled[at]! ^= 0x5a;
  await exploreAll(garbled, { kind: "bytes", stride: 2, ranges: ranges.filter((_, index) => index !== block) });
}
