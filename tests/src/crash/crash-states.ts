/** What can be on a device after a crash: every prefix of its log, and within a flush epoch what was reordered, dropped and torn. */
import type { DeviceEvent } from "@bulkhead/ext4";
import type { TrackedImage } from "./tracked-image.js";

/** Bytes that a device writes as a whole: the least that any promises. */
export const SECTOR = 512;
/** What a device answers for what was discarded: it may be anything. */
const DISCARDED = 0x5a;
/** Writes of an epoch up to which all their subsets are states. */
const MOST_FOR_SUBSETS = 5;
/** Sectors of an epoch up to which all their subsets are states. */
const MOST_FOR_SECTORS = 6;

export interface CrashState {
  /** Valid until the next state is asked for; who changes it puts it back. */
  readonly image: TrackedImage;
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
  /** Bytes, of a sector's start. */
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** Those of its sectors that may leave something else than what was there. */
  readonly sectors: readonly number[];
}

/** Which of the sectors of an epoch's changes reach the device, by their place in `Change.sectors`. */
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

/**
 * All states, in the order of the log. Everything before an epoch's first event is there in all states of the epoch. A write of what is
 * there already is none: a state is the earliest moment that leaves it.
 *
 * @param image what the device held before the first event, and holds again afterwards
 */
export function* crashStates(
  image: TrackedImage,
  events: readonly DeviceEvent[],
  options: EnumerationOptions,
): Generator<CrashState> {
  const { from = 0, epochs = 1, random } = options;
  const start = image.mark();
  let first = 0;
  try {
    for (let end = 0; end <= events.length; end++) {
      if (end < events.length && events[end]!.kind !== "flush") continue;
      if (end >= from && end > first && (epochs >= 1 || random() < epochs)) {
        const changes = changesOf(image, events, first, end);
        for (const { label, keeps } of choose(selectionsOf(changes, options), changes, options)) {
          const before = image.mark();
          const issued = apply(image, changes, keeps);
          yield {
            image,
            issued: Math.max(issued, first),
            latest: end,
            label: `events ${first} to ${end - 1}: ${label}`,
          };
          image.rollback(before);
        }
      }
      for (let at = first; at < end; at++) write(image, events[at]!);
      first = end + 1;
    }
    yield { image, issued: events.length, latest: events.length, label: "everything" };
  } finally {
    image.rollback(start);
  }
}

/** Has an event happen. */
export function write(image: TrackedImage, event: DeviceEvent): void {
  if (event.kind !== "flush") image.write(event.offset, bytesOf(event));
}

function bytesOf(event: Exclude<DeviceEvent, { kind: "flush" }>): Uint8Array {
  return event.kind === "write" ? event.bytes : new Uint8Array(event.length).fill(DISCARDED);
}

/**
 * The changes of an epoch that leave something, by whole sectors: what wrote a part of one wrote the rest as it was then, because a
 * device's cache, or a file's, holds it whole.
 *
 * @param image what was there before the epoch
 */
function changesOf(image: TrackedImage, events: readonly DeviceEvent[], first: number, end: number): Change[] {
  const changes: Change[] = [];
  const changed = new Set<number>();
  const before = image.mark();
  for (let at = first; at < end; at++) {
    const event = events[at]!;
    if (event.kind === "flush") continue;
    const firstSector = Math.floor(event.offset / SECTOR);
    const offset = firstSector * SECTOR;
    const endOffset = Math.ceil((event.offset + bytesOf(event).length) / SECTOR) * SECTOR;
    const there = image.bytes.slice(offset, endOffset);
    write(image, event);
    const bytes = image.bytes.slice(offset, endOffset);
    const sectors: number[] = [];
    for (let sector = 0; sector * SECTOR < bytes.length; sector++) {
      const isSame = Buffer.compare(partOf(bytes, sector), partOf(there, sector)) === 0;
      if (isSame && !changed.has(firstSector + sector)) continue;
      changed.add(firstSector + sector);
      sectors.push(sector);
    }
    if (sectors.length > 0) changes.push({ at, offset, bytes, sectors });
  }
  image.rollback(before);
  return changes;
}

function partOf(bytes: Uint8Array, sector: number): Uint8Array {
  return bytes.subarray(sector * SECTOR, (sector + 1) * SECTOR);
}

/** @returns how many events had been issued for this */
function apply(image: TrackedImage, changes: readonly Change[], keeps: Selection["keeps"]): number {
  let issued = 0;
  changes.forEach(({ at, offset, bytes, sectors }, n) => {
    sectors.forEach((sector, k) => {
      if (!keeps(n, k)) return;
      image.write(offset + sector * SECTOR, partOf(bytes, sector));
      issued = at + 1;
    });
  });
  return issued;
}

/** The states that are defined for an epoch: those in the order of issue first. */
function selectionsOf(changes: readonly Change[], { random, scattered }: EnumerationOptions): Selection[] {
  const count = changes.length;
  const total = changes.reduce((sum, change) => sum + change.sectors.length, 0);
  const found: Selection[] = [{ label: "nothing", keeps: () => false }];
  if (count > 0) found.push({ label: "all", keeps: () => true });
  for (let end = 1; end < count; end++) found.push({ label: `the first ${end} of ${count}`, keeps: (n) => n < end });
  changes.forEach((change, torn) => {
    for (let cut = 1; cut < change.sectors.length; cut++) {
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
    first += change.sectors.length;
  }
  return Array.from({ length: Math.max(0, 2 ** total - 2) }, (_, n) => ({
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
    return change.sectors.map(() => (torn ? random() < often : !dropped));
  });
  return { label: `any part (${number})`, keeps: (n, sector) => kept[n]![sector]! };
}

/** The first two, and as many of the others as may be. Those that leave the same sectors are one. */
function choose(selections: readonly Selection[], changes: readonly Change[], options: EnumerationOptions) {
  const { mostPerEpoch = Number.POSITIVE_INFINITY, random } = options;
  const chosen: Selection[] = [];
  const known = new Set<string>();
  const take = (selection: Selection): void => {
    const { keeps } = selection;
    const kept = changes.map(({ sectors }, n) => sectors.map((_, k) => (keeps(n, k) ? 1 : 0)).join("")).join("");
    if (known.has(kept)) return;
    known.add(kept);
    chosen.push(selection);
  };
  if (selections.length <= mostPerEpoch) {
    selections.forEach(take);
    return chosen;
  }
  selections.slice(0, 2).forEach(take);
  const others = selections.slice(2);
  while (chosen.length < mostPerEpoch && others.length > 0) {
    take(others.splice(Math.floor(random() * others.length), 1)[0]!);
  }
  return chosen;
}
