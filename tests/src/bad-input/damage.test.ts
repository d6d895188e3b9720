// Oracle: the engine's own contract. Whatever the bytes are, there is a result or a typed error with evidence; never another
// exception, a hang, or memory that grows with what an image claims.
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { MemoryDevice } from "@bulkhead/ext4";
import { withoutLoopMounts, withoutTools } from "../facilities.js";
import { explore } from "./explore.js";
import type { Tally } from "./explorer.js";
import { makeJournalSpecimen } from "./journal-specimen.js";
import { indexRanges, journalRanges, makeLargeBlockSpecimen, makeTwoLevelSpecimen } from "./larger-specimens.js";
import type { Plan } from "./plans.js";
import { makeSpecimen, type Specimen, specimens } from "./specimen.js";
import { exploreAll } from "./watch.js";

/** A plan's result, printed: what is not noticed is content without a rule (names, times, owners, unused space). */
async function examine(context: TestContext, image: Uint8Array, plan: Plan): Promise<Tally> {
  const whole = explore(new MemoryDevice(image, { readOnly: true }));
  assert.deepEqual([...whole.kinds], [], "the undamaged image has nothing wrong");
  assert.ok(whole.opened && whole.inodes > 4, `${whole.inodes} inodes`);
  const tally = await exploreAll(image, plan);
  const { cases, noticed, opened, kinds, slowest } = tally;
  context.diagnostic(`${noticed} of ${cases} damages noticed, ${opened} opened; ${Object.keys(kinds).length} kinds`);
  context.diagnostic(`slowest: ${slowest.milliseconds.toFixed(0)} ms, ${slowest.what}`);
  return tally;
}

/** Every byte has its turn in damage.long.test.ts. */
const SAMPLE = 8;

function named(part: string): Specimen {
  return specimens.find(({ name }) => name.includes(part)) ?? assert.fail(part);
}

describe("damage", { skip: withoutLoopMounts() || withoutTools("setfattr", "setfacl"), concurrency: 2 }, () => {
  for (const specimen of specimens) {
    // Another part each time.
    const first = Math.floor(Math.random() * SAMPLE);
    it(`of the metadata, one byte in ${SAMPLE}: ${specimen.name}`, async (context) => {
      const tally = await examine(context, makeSpecimen(specimen), { kind: "bytes", stride: SAMPLE, first });
      // Most bytes with a rule break it: with checksums nearly all metadata has one.
      const share = specimen.name.includes("metadata_csum") ? 0.5 : 0.08;
      assert.ok(tally.noticed > tally.cases * share, `${tally.noticed} of ${tally.cases}, from byte ${first} on`);
      assert.ok(Object.keys(tally.kinds).length > 8, Object.keys(tally.kinds).join(" "));
    });
  }

  it("of every field, set to 0, its maximum and random values", async (context) => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const tally = await examine(context, makeSpecimen(named("no checksums")), { kind: "fields", seed });
    assert.ok(tally.noticed > tally.cases / 10, `seed ${seed}`);
  });

  it("of every field of a superblock, its checksum made right", async (context) => {
    const tally = await examine(context, makeSpecimen(named("metadata_csum")), { kind: "superblock" });
    assert.ok(tally.opened > 50, "the checksum was right");
  });

  for (const specimen of specimens) {
    it(`by truncation at every block: ${specimen.name}`, async (context) => {
      const image = makeSpecimen(specimen);
      const tally = await examine(context, image, { kind: "truncation", stride: 1 });
      assert.ok(tally.opened < tally.cases * 0.7, "a device that is too small is refused");
      assert.ok((tally.kinds["superblock-geometry"] ?? 0) > 500);
    });
  }

  for (const checksums of [false, true]) {
    it(`of the log of a dirty journal ${checksums ? "with" : "without"} checksums`, async (context) => {
      const image = makeJournalSpecimen(checksums);
      const first = Math.floor(Math.random() * 2);
      const tally = await examine(context, image, { kind: "bytes", stride: 2, first, ranges: journalRanges(image) });
      assert.ok((tally.kinds[checksums ? "journal-checksum" : "journal-block"] ?? 0) > 3, JSON.stringify(tally.kinds));
    });
  }

  it("of the index of a directory with two levels", async (context) => {
    const image = makeTwoLevelSpecimen();
    const tally = await examine(context, image, { kind: "bytes", stride: 5, ranges: indexRanges(image) });
    assert.ok(tally.noticed > tally.cases / 2, JSON.stringify(tally.kinds));
  });

  it("of an image with blocks of 64 KiB", async (context) => {
    const tally = await examine(context, makeLargeBlockSpecimen(), { kind: "bytes", stride: 31 });
    assert.ok(tally.noticed > tally.cases / 10, JSON.stringify(tally.kinds));
  });
});

describe("the watch over an exploration", () => {
  const misbehave = (how: "hang" | "memory" | "heap" | "exception") =>
    exploreAll(new Uint8Array(1 << 20), { kind: "misbehaviour", how }, how === "hang" ? 500 : 20_000);

  it("ends what hangs", () => assert.rejects(misbehave("hang"), /still running after 500 ms: misbehaviour: hang/));
  it("ends what takes memory", () => assert.rejects(misbehave("memory"), /memory grew by \d+ MiB: misbehaviour/));
  it("ends what takes heap", () => assert.rejects(misbehave("heap"), /memory.*misbehaviour: heap/));
  it("hears of an exception", () => assert.rejects(misbehave("exception"), /TypeError: as if a rule/));
});
