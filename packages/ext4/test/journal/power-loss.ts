import type { DeviceEvent } from "../../src/device/recording.js";

/** What is on a device after the power went, and when it went. */
export interface CrashState {
  readonly image: Uint8Array;
  /** Number of events that had begun. */
  readonly at: number;
  /** For the message of a failure: the seed and what was lost. */
  readonly label: string;
}

/**
 * Bytes that a device writes as a whole. With 512 of them, a torn superblock has a wrong checksum: that is so by the format, and
 * the kernel relies on more as well.
 */
const SECTOR = 1024;

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
 * The states that a power loss can leave: all writes before the last flush are there, of those after it any of their sectors, in
 * whatever order. For each span between flushes: nothing of it, all of it, and some at random: cut off in order, or any part.
 *
 * @param perSpan random states of each span
 */
export function* crashStates(
  base: Uint8Array,
  events: readonly DeviceEvent[],
  seed: number,
  perSpan: number,
): Generator<CrashState> {
  const durable = base.slice();
  const random = randomFrom(seed);
  let first = 0;
  for (let end = 0; end <= events.length; end++) {
    if (end < events.length && events[end]!.kind !== "flush") continue;
    const span = events.slice(first, end).filter((event) => event.kind === "write");
    if (span.length > 0) {
      yield { image: durable.slice(), at: first, label: `seed ${seed}: nothing of events ${first} to ${end - 1}` };
      for (let n = 0; n < perSpan; n++) {
        const ordered = n % 2 === 0;
        const image = durable.slice();
        const cut = Math.floor(random() * span.length);
        const kept = random();
        span.forEach((event, index) => {
          if (ordered && index > cut) return;
          const whole = ordered ? index < cut : random() < kept;
          apply(image, event.offset, event.bytes, whole ? () => true : () => random() < kept);
        });
        const label = `seed ${seed}: state ${n} (${ordered ? `cut at ${cut}` : "any part"}) of events ${first} to ${end - 1}`;
        yield { image, at: end - 1, label };
      }
    }
    for (const event of span) apply(durable, event.offset, event.bytes, () => true);
    first = end + 1;
  }
  yield { image: durable, at: events.length, label: "everything" };
}

function apply(image: Uint8Array, offset: number, bytes: Uint8Array, keeps: () => boolean): void {
  for (let at = 0; at < bytes.length; at += SECTOR) {
    if (keeps()) image.set(bytes.subarray(at, at + SECTOR), offset + at);
  }
}
