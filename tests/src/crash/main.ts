/**
 * Crashes for as long as one likes: npm run crash. Goes round the images until the time is over or the states are reached, and says of
 * each failure how to repeat it.
 */
import { parseArgs } from "node:util";
import { campaign } from "./campaign.js";
import { Fsck } from "./e2fsck.js";
import { type Base, CRASH_IMAGES, makeBase } from "./images.js";

/** States of an image before the next one has its turn. */
const TURN = 500;
const HOUR = 3_600_000;

const USAGE = `usage: npm run crash -- [OPTIONS]
  --hours N        how long; 1
  --states N       how many states at least; no end
  --seed S         where the workloads begin; a number by chance, which is printed
  --image WORD     only on images with WORD in their name
  --only WORKLOAD  only workloads with this in their name
  --epoch N        states between two flushes at most; 12`;

function refuse(what: string): never {
  console.error(`crash: ${what}`);
  process.exit(2);
}

function readOptions() {
  try {
    return parseArgs({
      options: {
        hours: { type: "string", default: "1" },
        states: { type: "string", default: "Infinity" },
        seed: { type: "string", default: String(1 + Math.floor(Math.random() * 1e6)) },
        image: { type: "string", default: "" },
        only: { type: "string", default: "" },
        epoch: { type: "string", default: "12" },
        help: { type: "boolean", short: "h", default: false },
      },
    }).values;
  } catch (error) {
    refuse(`${(error as Error).message.split(". ")[0]}\n${USAGE}`);
  }
}

async function main(): Promise<number> {
  const values = readOptions();
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  for (const option of ["hours", "states", "seed", "epoch"] as const) {
    if (!(Number(values[option]) > 0)) refuse(`--${option} ${values[option]}: a number above 0 is needed`);
  }
  const first = Number(values.seed);
  const until = Date.now() + Number(values.hours) * HOUR;
  const images = CRASH_IMAGES.filter(({ name }) => name.includes(values.image));
  if (images.length === 0)
    refuse(`--image ${values.image}: there are:\n${CRASH_IMAGES.map(({ name }) => `  ${name}`).join("\n")}`);
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
