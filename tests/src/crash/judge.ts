/** Judges crash states: our recovery, e2fsck's, and what both leave behind. */
import { createHash } from "node:crypto";
import { CorruptionError, crc32c, type Environment, FileSystem, MemoryDevice } from "@bulkhead/ext4";
import type { CrashState } from "./crash-states.js";
import type { Fsck, FsckBatch, Verdict } from "./e2fsck.js";
import type { History } from "./history.js";
import { steadyEnvironment } from "./hosting.js";
import type { Base } from "./images.js";
import { brokenPromise, lostWithoutJournal, spanOf } from "./obligations.js";
import { difference, look, type Seen, withoutLost } from "./seen.js";

/** Something that must not be. */
export interface Failure {
  readonly label: string;
  readonly what: string;
}

/** Numbers of a run. */
export interface Tally {
  /** States that were enumerated. */
  states: number;
  /** Different images among them. */
  images: number;
  /** States whose superblock is torn: beyond what the format survives without its copies. */
  torn: number;
  /** Images that were left by a recovery and checked: ours and e2fsck's. */
  checked: number;
}

/** What is known of one image. */
interface Known {
  /** What e2fsck leaves, as soon as that is known; of a file system with a journal it is what our recovery shows. */
  seen: Seen | undefined;
  /** Fast commits that our recovery has replayed. */
  fastCommits: number;
  /** States that wait for it. */
  readonly waiting: ((seen: Seen) => string | undefined)[];
}

const BATCH = 24;
/** Images that are remembered. */
const MOST_KNOWN = 300;
const SUPERBLOCK = 1024;
const SUPERBLOCK_SIZE = 1024;
const CHECKSUM = 0x3fc;

/** What e2fsck says of an orphan file after each crash, the kernel's included. */
const ABOUT_ORPHANS =
  /(Feature orphan_present is set but orphan file is clean|Orphan file .* is not clean)\.\nClear\? yes/g;
/**
 * Of the last fast commits of a transaction that is complete, e2fsck 1.47 says that their number is wrong, and reads nothing of the log;
 * the next writes clear them.
 */
const GIVEN_UP = /Invalid argument while recovering journal/;
/** After fast commits it has to bring bitmaps up to date, and what they took the last name from it finds again. */
const REPAIRS = /FIXED|Fix\?|Clear\?|Salvage|WARNING|Inode .* (?:invalid|bad)/;

export class Judge {
  readonly tally: Tally = { states: 0, images: 0, torn: 0, checked: 0 };
  readonly failures: Failure[] = [];
  readonly #base: Base;
  readonly #fsck: Fsck;
  readonly #environment: () => Environment;
  readonly #known = new Map<string, Known>();
  readonly #clean = new Set<string>();
  /** Images on their way: the one that is recovered, and what is compared of it. Used again for each. */
  readonly #recovered: Uint8Array;
  readonly #masked: Uint8Array;
  #batch: FsckBatch;
  #settle: ((verdict: Verdict) => void)[] = [];
  #running: Promise<void> = Promise.resolve();

  constructor(base: Base, fsck: Fsck, environment: () => Environment = steadyEnvironment) {
    this.#base = base;
    this.#fsck = fsck;
    this.#environment = environment;
    this.#recovered = new Uint8Array(base.bytes.length);
    this.#masked = new Uint8Array(base.bytes.length);
    this.#batch = fsck.batch();
  }

  /** Judges a state; what e2fsck has to say of it may come later, at the latest with `finish`. */
  async judge(history: History, state: CrashState, label: string): Promise<void> {
    this.tally.states++;
    const fail = (what: string) => {
      this.failures.push({ label, what });
    };
    const verdictOf = this.#obligation(history, state);
    const key = this.#keyOf(state.image);
    const known = this.#known.get(key);
    if (known !== undefined) {
      const wrong = this.#tell(known, verdictOf, fail);
      if (wrong !== undefined) fail(wrong);
      return;
    }
    this.tally.images++;
    if (this.#known.size >= MOST_KNOWN) this.#known.clear();
    const fresh: Known = { seen: undefined, fastCommits: 0, waiting: [] };
    this.#known.set(key, fresh);
    const { image } = state;
    const torn = this.#isTorn(image);
    if (torn) {
      this.tally.torn++;
      this.#refuse(image, fail);
    } else if (this.#base.image.journal) {
      const seen = this.#recover(image, fresh, fail);
      if (seen === undefined) return;
      fresh.seen = seen;
      const wrong = verdictOf(seen);
      if (wrong !== undefined) fail(wrong);
    }
    if (fresh.seen === undefined) this.#tell(fresh, verdictOf, fail);
    this.#repair(image, torn, fresh, fail);
    if (this.#batch.size >= BATCH) await this.#send();
  }

  #obligation(history: History, state: CrashState): (seen: Seen) => string | undefined {
    if (!this.#base.image.journal) {
      const { issued, latest, label } = state;
      return (seen) => lostWithoutJournal(history, { issued, latest, label, image: this.#base.bytes }, seen);
    }
    const span = spanOf(history, state);
    const newer = this.#base.image.options.data !== "journal";
    return (seen) => brokenPromise(history, span, seen, newer);
  }

  #tell(known: Known, verdictOf: (seen: Seen) => string | undefined, fail: (what: string) => void): string | undefined {
    if (known.seen !== undefined) return verdictOf(known.seen);
    known.waiting.push((seen) => {
      const wrong = verdictOf(seen);
      if (wrong !== undefined) fail(`after e2fsck: ${wrong}`);
      return wrong;
    });
    return undefined;
  }

  /** All that is different from the image that the workloads begin with. */
  #keyOf(image: Uint8Array): string {
    const hash = createHash("sha1");
    const { bytes } = this.#base;
    const size = 4096;
    for (let at = 0; at < image.length; at += size) {
      const part = image.subarray(at, at + size);
      if (Buffer.compare(part, bytes.subarray(at, at + size)) !== 0) hash.update(`${at}:`).update(part);
    }
    return hash.digest("base64");
  }

  #isTorn(image: Uint8Array): boolean {
    if (!this.#base.checksums) return false;
    const superblock = image.subarray(SUPERBLOCK, SUPERBLOCK + SUPERBLOCK_SIZE);
    const stored = new DataView(superblock.buffer, superblock.byteOffset).getUint32(CHECKSUM, true);
    return crc32c(0xffff_ffff, superblock, 0, CHECKSUM) !== stored;
  }

  /** A superblock of two halves is not mounted, as the kernel does not: it says so, and e2fsck takes a copy. */
  #refuse(image: Uint8Array, fail: (what: string) => void): void {
    try {
      look(new MemoryDevice(image, { readOnly: true }), this.#environment());
      fail("a torn superblock is taken for a good one");
    } catch (error) {
      if (!(error instanceof CorruptionError)) fail(`a torn superblock: ${String(error)}`);
    }
  }

  /** Our recovery: in memory, and on the device. */
  #recover(image: Uint8Array, known: Known, fail: (what: string) => void): Seen | undefined {
    try {
      const inMemory = look(new MemoryDevice(image, { readOnly: true }), this.#environment());
      this.#recovered.set(image);
      const device = new MemoryDevice(this.#recovered);
      const mounted = FileSystem.mount(device, { ...this.#base.image.options, writable: true }, this.#environment());
      known.fastCommits = mounted.replay?.fastCommits ?? 0;
      mounted.unmount();
      const seen = look(new MemoryDevice(device.bytes, { readOnly: true }), this.#environment());
      const differs = difference(inMemory, seen);
      if (differs !== undefined) fail(`recovery in memory (-) and on the device (+):\n${differs}`);
      this.#checkOurs(device.bytes, fail);
      return seen;
    } catch (error) {
      fail(`our recovery: ${error instanceof Error ? error.stack : String(error)}`);
      return undefined;
    }
  }

  /** What lies in a log that is empty is of no interest to e2fsck. */
  #checkOurs(image: Uint8Array, fail: (what: string) => void): void {
    const masked = this.#masked;
    masked.set(image);
    for (const [start, end] of this.#base.log) masked.fill(0, start, end);
    const key = this.#keyOf(masked);
    if (this.#clean.has(key)) return;
    this.#clean.add(key);
    this.#batch.add(image);
    this.#settle.push(({ checkCode, checkOutput }) => {
      this.tally.checked++;
      if (checkCode !== 0) fail(`our recovery, e2fsck -fn: ${checkCode}\n${checkOutput}`);
    });
  }

  #repair(image: Uint8Array, torn: boolean, known: Known, fail: (what: string) => void): void {
    const { backup, journal } = this.#base.image;
    const repair = torn ? ["-fy", "-b", String(backup), "-B", String(this.#base.blockSize)] : ["-fy"];
    this.#batch.add(image, repair);
    this.#settle.push(({ repairCode, repairOutput, checkCode, checkOutput, read }) => {
      this.tally.checked++;
      if (known.fastCommits === 0 && GIVEN_UP.test(repairOutput) && this.#base.image.fastCommits === true) return;
      if (repairCode > 1) fail(`e2fsck ${repair.join(" ")}: ${repairCode}\n${repairOutput}`);
      if (checkCode !== 0) fail(`e2fsck's repair, e2fsck -fn: ${checkCode}\n${repairOutput}\n${checkOutput}`);
      if (journal && !torn && known.fastCommits === 0 && REPAIRS.test(repairOutput.replaceAll(ABOUT_ORPHANS, ""))) {
        fail(`e2fsck had to repair more than a journal:\n${repairOutput}`);
      }
      read(this.#recovered);
      this.#compare(this.#recovered, known, fail);
    });
  }

  #compare(theirs: Uint8Array, known: Known, fail: (what: string) => void): void {
    try {
      const seen = look(new MemoryDevice(theirs, { readOnly: true }), this.#environment());
      if (known.seen !== undefined) {
        const differs = difference(known.seen, known.fastCommits > 0 ? withoutLost(seen, known.seen) : seen);
        if (differs !== undefined) fail(`our recovery (-) and e2fsck's (+):\n${differs}`);
      }
      known.seen ??= this.#base.image.fastCommits === true ? withoutLost(seen) : seen;
    } catch (error) {
      fail(`e2fsck's repair cannot be read: ${String(error)}`);
      return;
    }
    for (const verdictOf of known.waiting.splice(0)) verdictOf(known.seen);
  }

  /** A batch at a time is with e2fsck, while the next one is enumerated. */
  async #send(): Promise<void> {
    await this.#running;
    const batch = this.#batch;
    const settle = this.#settle;
    this.#batch = this.#fsck.batch();
    this.#settle = [];
    this.#running = batch.run((number, verdict) => settle[number]!(verdict));
    // Somebody else waits for it.
    this.#running.catch(() => {});
  }

  async finish(): Promise<void> {
    await this.#send();
    await this.#running;
  }
}
