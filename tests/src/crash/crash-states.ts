/** What can be on a device after a crash: every prefix of its log, and within a flush epoch what was reordered, dropped and torn. */
import type { DeviceEvent } from "@bulkhead/ext4";

/** Bytes that a device writes as a whole: the least that any promises. */
export const SECTOR = 512;
/** What a device answers for what was discarded: it may be anything. */
const DISCARDED = 0x5a;
/** Writes of an epoch up to which all their subsets are states. */
const MOST_FOR_SUBSETS = 5;
/** Sectors of an epoch up to which all their subsets are states. */
const MOST_FOR_SECTORS = 6;

export interface CrashState {
  /** Valid until the next state is asked for. */
  readonly image: Uint8Array;
  /** Events of the log that had been issued when the crash came: at least those that left something. */
  readonly issued: number;
  /** Events that may have been issued: the crash may as well have come just before the flush that ends the epoch. */
  readonly latest: number;
  /** What happened, for the message of a failure. */
  readonly label: string;
}

export interface EnumerationOptions {
  /** Events before this one are durable. Default 0. */
  readonly from?: number;
  /** States of an epoch at most; more are sampled. Default all that are defined. */
  readonly mostPerEpoch?: number;
  /** Part of the epochs that are looked at, the last one aside. Default 1: all. */
  readonly epochs?: number;
  /** States in which any sectors are there, an epoch. */
  readonly scattered: number;
  /** [0, 1), from a seed. */
  readonly random: () => number;
}

/** A write or a discard of an epoch. */
interface Change {
  /** Its place in the log. */
  readonly at: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** Which sectors of an epoch's changes reach the device. */
interface Selection {
  readonly label: string;
  readonly keeps: (change: number, sector: number) => boolean;
}

/** A generator of random numbers that a seed repeats (mulberry32): [0, 1). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** All states, in the order of the log. Everything before an epoch's first event is there in all states of the epoch. */
export function* crashStates(
  base: Uint8Array,
  events: readonly DeviceEvent[],
  options: EnumerationOptions,
): Generator<CrashState> {
  const { from = 0, epochs = 1, random } = options;
  const image = base.slice();
  let first = 0;
  for (let end = 0; end <= events.length; end++) {
    if (end < events.length && events[end]!.kind !== "flush") continue;
    const changes = changesOf(events, first, end);
    if (end >= from && changes.length > 0 && (epochs >= 1 || random() < epochs)) {
      const before = changes.map(({ offset, bytes }) => image.slice(offset, offset + bytes.length));
      for (const { label, keeps } of choose(selectionsOf(changes, options), options)) {
        const issued = apply(image, changes, keeps);
        yield { image, issued: Math.max(issued, first), latest: end, label: `events ${first} to ${end - 1}: ${label}` };
        for (let n = changes.length - 1; n >= 0; n--) image.set(before[n]!, changes[n]!.offset);
      }
    }
    for (const { offset, bytes } of changes) image.set(bytes, offset);
    first = end + 1;
  }
  yield { image, issued: events.length, latest: events.length, label: "everything" };
}

function changesOf(events: readonly DeviceEvent[], first: number, end: number): Change[] {
  const changes: Change[] = [];
  for (let at = first; at < end; at++) {
    const event = events[at]!;
    if (event.kind === "write") changes.push({ at, offset: event.offset, bytes: event.bytes });
    if (event.kind === "discard") {
      changes.push({ at, offset: event.offset, bytes: new Uint8Array(event.length).fill(DISCARDED) });
    }
  }
  return changes;
}

/** @returns how many events had been issued for this */
function apply(image: Uint8Array, changes: readonly Change[], keeps: Selection["keeps"]): number {
  let issued = 0;
  changes.forEach(({ at, offset, bytes }, n) => {
    for (let sector = 0; sector < sectorsOf(changes[n]!); sector++) {
      if (!keeps(n, sector)) continue;
      const start = Math.max(0, sector * SECTOR - (offset % SECTOR));
      image.set(bytes.subarray(start, (sector + 1) * SECTOR - (offset % SECTOR)), offset + start);
      issued = at + 1;
    }
  });
  return issued;
}

/** Sectors of the device that a change touches: the first and the last perhaps in part. */
function sectorsOf({ offset, bytes }: Change): number {
  return Math.ceil(((offset % SECTOR) + bytes.length) / SECTOR);
}

/** The states that are defined for an epoch: those in the order of issue first. */
function selectionsOf(changes: readonly Change[], { random, scattered }: EnumerationOptions): Selection[] {
  const count = changes.length;
  const total = changes.reduce((sum, change) => sum + sectorsOf(change), 0);
  const found: Selection[] = [
    { label: "nothing", keeps: () => false },
    { label: "all", keeps: () => true },
  ];
  for (let end = 1; end < count; end++) found.push({ label: `the first ${end} of ${count}`, keeps: (n) => n < end });
  changes.forEach((change, torn) => {
    for (let cut = 1; cut < sectorsOf(change); cut++) {
      const label = `the first ${torn} of ${count}, and ${cut} sectors of the next`;
      found.push({ label, keeps: (n, sector) => n < torn || (n === torn && sector < cut) });
      found.push({ label: `${label} at its end`, keeps: (n, sector) => n < torn || (n === torn && sector >= cut) });
    }
  });
  if (count <= MOST_FOR_SUBSETS) {
    for (let mask = 1; mask < 2 ** count - 1; mask++) {
      if ((mask & (mask + 1)) === 0) continue; // a prefix
      found.push({ label: `those of mask ${mask.toString(2)}, of ${count}`, keeps: (n) => (mask & (1 << n)) !== 0 });
    }
  } else {
    for (let one = 0; one < count; one++) {
      found.push({ label: `all but number ${one} of ${count}`, keeps: (n) => n !== one });
      if (one > 0) found.push({ label: `number ${one} of ${count} alone`, keeps: (n) => n === one });
    }
  }
  if (total <= MOST_FOR_SECTORS) found.push(...allSectors(changes, total));
  else for (let n = 0; n < scattered; n++) found.push(anySectors(changes, random, n));
  return found;
}

function allSectors(changes: readonly Change[], total: number): Selection[] {
  const firsts: number[] = [];
  let first = 0;
  for (const change of changes) {
    firsts.push(first);
    first += sectorsOf(change);
  }
  return Array.from({ length: 2 ** total - 2 }, (_, n) => ({
    label: `sectors of mask ${(n + 1).toString(2)}, of ${total}`,
    keeps: (change: number, sector: number) => ((n + 1) & (1 << (firsts[change]! + sector))) !== 0,
  }));
}

/** Any writes, and any sectors of some of them. */
function anySectors(changes: readonly Change[], random: () => number, number: number): Selection {
  const often = random();
  const kept = changes.map((change) => {
    const dropped = random() > often;
    const torn = random() < 0.3;
    return Array.from({ length: sectorsOf(change) }, () => (torn ? random() < often : !dropped));
  });
  return { label: `any part (${number})`, keeps: (n, sector) => kept[n]![sector]! };
}

/** The first two, and as many of the others as may be. */
function choose(selections: Selection[], { mostPerEpoch = Number.POSITIVE_INFINITY, random }: EnumerationOptions) {
  if (selections.length <= mostPerEpoch) return selections;
  const chosen = selections.slice(0, 2);
  const others = selections.slice(2);
  while (chosen.length < mostPerEpoch) chosen.push(...others.splice(Math.floor(random() * others.length), 1));
  return chosen;
}
