// crash.test.ts, with other states: every operation alone and exhaustively, all pairs of operations, and what a seed chooses.
import assert from "node:assert/strict";
import { after, describe, it, type TestContext } from "node:test";
import { withoutLoopMounts, withoutTools } from "../facilities.js";
import { seedOf } from "../model/generate.js";
import { type CampaignOptions, campaign, PAIRS, SINGLES } from "./campaign.js";
import { Fsck } from "./e2fsck.js";
import { crashBoth } from "./external-journal.js";
import { type Base, CRASH_IMAGES, makeBase } from "./images.js";

/** Of each image, chosen by the seed. */
const STATES = 400;
/** In all, of all tests here. */
const LEAST = 30_000;
const ALL = Number.POSITIVE_INFINITY;

const seed = seedOf(process.env);

describe(`many crashes (seed ${seed})`, { skip: withoutTools("mke2fs", "e2fsck", "dumpe2fs") }, () => {
  const fsck = new Fsck();
  const bases = new Map<string, Base>();
  let states = 0;
  after(() => fsck.close());

  async function run(context: TestContext, name: string, options: Omit<CampaignOptions, "seed">): Promise<void> {
    const base = bases.get(name) ?? makeBase(CRASH_IMAGES.find((image) => image.name === name)!);
    bases.set(name, base);
    const { tally, workloads, failures } = await campaign(base, fsck, { seed, ...options });
    context.diagnostic(`${name}: ${tally.states} states, ${tally.images} images, of ${workloads} workloads`);
    assert.deepEqual(failures, []);
    states += tally.states;
  }

  it("of every operation alone, exhaustively", (context: TestContext) =>
    run(context, CRASH_IMAGES[0]!.name, { states: ALL, workloads: SINGLES, mostPerEpoch: ALL, mostPerWorkload: ALL }));
  CRASH_IMAGES.forEach(({ name }, number) => {
    it(`of pairs of operations: ${name}`, (context: TestContext) => {
      const workloads = PAIRS.filter((_, n) => n % CRASH_IMAGES.length === number);
      return run(context, name, { states: ALL, workloads, mostPerEpoch: 3, mostPerWorkload: 3 });
    });
    it(`of what the seed chooses: ${name}`, (context: TestContext) => run(context, name, { states: STATES }));
  });
  for (const features of ["metadata_csum", "^metadata_csum"]) {
    for (const data of ["ordered", "journal"] as const) {
      const name = `of both devices, where the journal has its own: ${features}, data=${data}`;
      it(name, { skip: withoutLoopMounts() }, async (context: TestContext) => {
        const found = await crashBoth(fsck, { seed, features, data, workloads: 8, places: 15 });
        context.diagnostic(`${found} states`);
        states += found;
      });
    }
  }
  it(`are ${LEAST} at least`, (context: TestContext) => {
    context.diagnostic(`${states} states`);
    assert.ok(states >= LEAST, `${states} states`);
  });
});
