/** A run over the crash states of many workloads on an image: which ones, a seed decides. */
import { FileSystem, isEngineError } from "@bulkhead/ext4";
import { Actor } from "./actor.js";
import { APPLICATIONS } from "./applications.js";
import { type CrashState, crashStates, type EnumerationOptions, randomFrom, write } from "./crash-states.js";
import type { Fsck } from "./e2fsck.js";
import type { History } from "./history.js";
import { recorded, steadyEnvironment } from "./hosting.js";
import { type Base, CRASH_IMAGES } from "./images.js";
import { type Failure, Judge, type Tally } from "./judge.js";
import { OPERATIONS, type Operation, SYNCS } from "./sequences.js";
import { TrackedImage } from "./tracked-image.js";

export interface CampaignOptions {
  readonly seed: number;
  /** States after which it ends. */
  readonly states: number;
  /** Milliseconds since 1970 after which it ends. */
  readonly until?: number;
  /** States of a flush epoch at most. Default 12. */
  readonly mostPerEpoch?: number;
  /** States of a workload at most, more or less: of long ones, only some epochs are looked at. Default 60. */
  readonly mostPerWorkload?: number;
  /** Failures after which it ends. Default 3. */
  readonly mostFailures?: number;
  /** Only workloads with this in their name. */
  readonly only?: string;
  /** These workloads, each once, instead of any that the seed chooses. */
  readonly workloads?: readonly Operation[];
  /** The device that workloads run on; a worse one shows that the judge notices. */
  readonly wrap?: typeof recorded;
}

export interface Outcome {
  readonly tally: Tally;
  readonly workloads: number;
  readonly failures: readonly Failure[];
}

const MOST_PER_EPOCH = 12;
const MOST_PER_WORKLOAD = 60;
const MOST_FAILURES = 3;
/** Of so many states one crashes again while it is recovered from. */
const AGAIN = 25;
/** Part of the workloads in whose course the process dies. */
const DEATHS = 0.3;
const THINLY = { epochs: 0.4, scattered: 4 } as const;
/** States in which any sectors of an epoch are there, an epoch. */
const SCATTERED = 6;

/** An operation alone, synced, and unmounted. */
export const SINGLES: readonly Operation[] = OPERATIONS.map(({ name, act }) => ({
  name,
  act: (actor) => {
    act(actor);
    actor.sync();
    actor.unmount();
  },
}));

/** All sequences of two operations, with a sync in between that goes round. */
export const PAIRS: readonly Operation[] = OPERATIONS.flatMap((first, n) =>
  OPERATIONS.map((second, m) => {
    const between = SYNCS[(n + m) % SYNCS.length]!;
    const after = SYNCS[(n + 3 * m) % SYNCS.length]!;
    return sequence([first, between, second, after]);
  }),
);

function sequence(operations: readonly Operation[]): Operation {
  return {
    name: operations.map(({ name }) => name).join(", "),
    act: (actor) => {
      for (const { act } of operations) act(actor);
    },
  };
}

/**
 * The workload of a number: operations and applications in turn, so that a run over all images has every one of them, and between them
 * pairs of operations.
 *
 * @param turn where operations and applications go on
 */
export function workloadOf(number: number, turn: number, random: () => number): Operation {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const next = <T>(list: readonly T[]): T => list[(turn + Math.floor(number / 5)) % list.length]!;
  if (number % 5 === 4) return next(APPLICATIONS);
  if (number % 5 === 0) return next(SINGLES);
  return sequence([pick(OPERATIONS), pick(SYNCS), pick(OPERATIONS), pick(SYNCS)]);
}

/** @throws when a workload itself fails */
export async function campaign(base: Base, fsck: Fsck, options: CampaignOptions): Promise<Outcome> {
  const { seed, states, until = Number.POSITIVE_INFINITY, only = "" } = options;
  const judge = new Judge(base, fsck);
  const device = new TrackedImage(base.bytes, base.blockSize);
  const place = CRASH_IMAGES.findIndex(({ name }) => name === base.image.name);
  let workloads = 0;
  try {
    for (let number = 0; judge.tally.states < states && Date.now() < until; number++) {
      if (judge.failures.length >= (options.mostFailures ?? MOST_FAILURES)) break;
      const random = randomFrom(seed * 65_537 + number * 257 + place);
      const workload =
        options.workloads === undefined ? workloadOf(number, 5 * seed + 7 * place, random) : options.workloads[number];
      if (workload === undefined) break;
      if (!workload.name.includes(only)) continue;
      workloads++;
      await crash(base, device, judge, workload, number, random, options);
    }
  } finally {
    await judge.finish();
  }
  return { tally: judge.tally, workloads, failures: judge.failures };
}

/** @param device holds the base, before and afterwards */
async function crash(
  base: Base,
  device: TrackedImage,
  judge: Judge,
  workload: Operation,
  number: number,
  random: () => number,
  options: CampaignOptions,
): Promise<void> {
  const { seed, mostPerEpoch = MOST_PER_EPOCH, mostPerWorkload = MOST_PER_WORKLOAD, wrap = recorded } = options;
  // Half of the workloads have their commits' I/O go on while they do.
  const background = base.image.journal && random() < 0.5 ? random : undefined;
  const what = `${base.image.name}, seed ${seed}, workload ${number} (${workload.name})`;
  const mark = device.mark();
  const actor = new Actor(device, base.model.clone(), base.image.options, wrap, background);
  const { events } = actor.device;
  const mounted = events.length;
  try {
    workload.act(actor);
  } catch (error) {
    const why = error instanceof Error ? `${error.stack}\n${String(error.cause)}` : String(error);
    throw new Error(`${what}: ${why}`);
  }
  device.rollback(mark);
  // All file systems are mounted alike: once is enough.
  const from = number === 0 ? 0 : mounted + 1;
  const flushes = events.slice(from).filter(({ kind }) => kind === "flush").length;
  const epochs = mostPerWorkload === Number.POSITIVE_INFINITY ? 1 : mostPerWorkload / (mostPerEpoch * (flushes + 1));
  const enumeration = { from, mostPerEpoch, epochs, scattered: SCATTERED, random };
  let count = 0;
  for (const state of crashStates(device, events, enumeration)) {
    const label = `${what}, state ${count++}: ${state.label}`;
    await judge.judge(actor, state, label);
    if (base.image.journal && random() * AGAIN < 1) await again(base, judge, actor, state, label, enumeration);
  }
  if (base.image.journal && random() < DEATHS) await afterDeath(base, judge, actor, device, mounted, enumeration, what);
}

/** The process dies, and the machine does not: the next one finds all that was written, durable or not. Then the power is lost. */
async function afterDeath(
  base: Base,
  judge: Judge,
  actor: Actor,
  device: TrackedImage,
  mounted: number,
  { mostPerEpoch, random }: EnumerationOptions,
  workload: string,
): Promise<void> {
  const { events } = actor.device;
  const died = mounted + Math.floor(random() * (events.length - mounted + 1));
  const before = events.slice(0, died);
  const mark = device.mark();
  for (const event of before) write(device, event);
  const next = recorded(device);
  try {
    FileSystem.mount(next, { ...base.image.options, writable: true }, steadyEnvironment()).unmount();
  } finally {
    device.rollback(mark);
  }
  const all = [...before, ...next.events];
  const from = before.findLastIndex(({ kind }) => kind === "flush") + 1;
  const enumeration = { ...THINLY, epochs: 1, from, mostPerEpoch: mostPerEpoch ?? MOST_PER_EPOCH, random };
  for (const state of crashStates(device, all, enumeration)) {
    const latest = Math.min(state.latest, died);
    const label = `${workload}, death after ${died} events, ${state.label}`;
    await judge.judge(actor, { ...state, issued: died, latest }, label);
  }
}

/** A crash during the recovery from a crash: what was promised before the first one holds. */
async function again(
  base: Base,
  judge: Judge,
  history: History,
  { image, issued, latest }: CrashState,
  label: string,
  { mostPerEpoch, random }: EnumerationOptions,
): Promise<void> {
  const device = recorded(image);
  const mark = image.mark();
  try {
    FileSystem.mount(device, { ...base.image.options, writable: true }, steadyEnvironment()).unmount();
  } catch (error) {
    if (!isEngineError(error)) throw error;
    return; // a torn superblock; anything else the judge has seen
  } finally {
    image.rollback(mark);
  }
  const { events } = device;
  for (const state of crashStates(image, events, { ...THINLY, random, mostPerEpoch: mostPerEpoch ?? MOST_PER_EPOCH })) {
    await judge.judge(history, { ...state, issued, latest }, `${label}; and in the recovery, ${state.label}`);
  }
}
