/**
 * Crashes for as long as one likes: npm run crash -- [--hours N] [--states N] [--seed S] [--image WORD] [--only WORKLOAD]
 *
 * Goes round the images until the time is over or the states are reached, and says of each failure how to repeat it.
 */
import { parseArgs } from "node:util";
import { campaign } from "./campaign.js";
import { Fsck } from "./e2fsck.js";
import { type Base, CRASH_IMAGES, makeBase } from "./images.js";

/** States of an image before the next one has its turn. */
const TURN = 500;
const HOUR = 3_600_000;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      hours: { type: "string", default: "1" },
      states: { type: "string", default: "Infinity" },
      seed: { type: "string", default: String(1 + Math.floor(Math.random() * 1e6)) },
      image: { type: "string", default: "" },
      only: { type: "string", default: "" },
      epoch: { type: "string", default: "12" },
    },
  });
  const first = Number(values.seed);
  const until = Date.now() + Number(values.hours) * HOUR;
  const images = CRASH_IMAGES.filter(({ name }) => name.includes(values.image));
  const bases = new Map<string, Base>();
  const started = Date.now();
  const sum = { states: 0, images: 0, torn: 0, checked: 0, workloads: 0, failures: 0 };
  const fsck = new Fsck();
  try {
    for (let seed = first; Date.now() < until && sum.states < Number(values.states); seed++) {
      for (const image of images) {
        if (Date.now() >= until || sum.states >= Number(values.states)) break;
        const base = bases.get(image.name) ?? makeBase(image);
        bases.set(image.name, base);
        const turn = await campaign(base, fsck, {
          seed,
          states: TURN,
          until,
          only: values.only,
          mostPerEpoch: Number(values.epoch),
        });
        sum.states += turn.tally.states;
        sum.images += turn.tally.images;
        sum.torn += turn.tally.torn;
        sum.checked += turn.tally.checked;
        sum.workloads += turn.workloads;
        sum.failures += turn.failures.length;
        const seconds = ((Date.now() - started) / 1000).toFixed(0);
        console.log(
          `${seconds} s, seed ${seed}, ${image.name}: ${turn.tally.states} states, ${turn.tally.images} images, ${turn.failures.length} failures`,
        );
        for (const { label, what } of turn.failures) console.log(`FAILURE: ${label}\n${what}\n`);
      }
    }
  } finally {
    fsck.close();
  }
  const { states, images: different, torn, checked, workloads, failures } = sum;
  const seconds = ((Date.now() - started) / 1000).toFixed(0);
  console.log(
    `seeds from ${first}: ${states} crash states (${different} different images, ${torn} with a torn superblock) of ${workloads} ` +
      `workloads, ${checked} images checked, ${failures} failures, ${seconds} s`,
  );
  return failures === 0 ? 0 : 1;
}

// Scratch files go away with the process, if it exits.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(130));
process.exitCode = await main();
