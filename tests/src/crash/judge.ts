/** Judges crash states: our recovery, e2fsck's, and what both leave behind. */
import { CorruptionError, crc32c, type Environment, FileSystem, MemoryDevice } from "@bulkhead/ext4";
import type { CrashState } from "./crash-states.js";
import type { Fsck } from "./e2fsck.js";
import type { History } from "./history.js";
import { steadyEnvironment } from "./hosting.js";
import type { Base } from "./images.js";
import { brokenPromise, lostWithoutJournal, spanOf } from "./obligations.js";
import { difference, look, type Seen, withoutLost } from "./seen.js";
import type { Slot } from "./slot.js";
import { nameOf, type TrackedImage } from "./tracked-image.js";

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

/** Images, and views, that are remembered. */
const MOST_KNOWN = 500;
const MOST_VIEWS = 200;
/** Place of s_start in the superblock of a journal: 0 when the log is empty. */
const LOG_START = 0x1c;
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
  /** Names of what a recovery has left: that e2fsck -fn has had before it, and what it shows. */
  readonly #checked = new Set<string>();
  readonly #views = new Map<string, Seen>();
  /** What is with e2fsck. */
  readonly #pending = new Set<Promise<void>>();
  #broken: { readonly error: unknown } | undefined;

  constructor(base: Base, fsck: Fsck, environment: () => Environment = steadyEnvironment) {
    this.#base = base;
    this.#fsck = fsck;
    this.#environment = environment;
  }

  /** Judges a state; what e2fsck has to say of it may come later, at the latest with `finish`. */
  async judge(history: History, state: CrashState, label: string): Promise<void> {
    if (this.#broken !== undefined) throw this.#broken.error;
    this.tally.states++;
    const fail = (what: string) => {
      this.failures.push({ label, what });
    };
    const verdictOf = this.#obligation(history, state);
    const { image } = state;
    const name = nameOf(image.differences());
    const known = this.#known.get(name);
    if (known !== undefined) {
      const wrong = this.#tell(known, verdictOf, fail);
      if (wrong !== undefined) fail(wrong);
      return;
    }
    this.tally.images++;
    if (this.#known.size >= MOST_KNOWN) this.#known.clear();
    const fresh: Known = { seen: undefined, fastCommits: 0, waiting: [] };
    this.#known.set(name, fresh);
    const torn = this.#isTorn(image.bytes);
    if (torn) {
      this.tally.torn++;
      this.#refuse(image.bytes, fail);
    } else if (this.#base.image.journal) {
      const seen = await this.#recover(image, fresh, fail);
      if (seen === undefined) return;
      fresh.seen = seen;
      const wrong = verdictOf(seen);
      if (wrong !== undefined) fail(wrong);
    }
    if (fresh.seen === undefined) this.#tell(fresh, verdictOf, fail);
    const slot = await this.#fsck.take();
    slot.put(image);
    this.#follow(slot, this.#repair(slot, torn, fresh, fail));
  }

  #obligation(history: History, state: CrashState): (seen: Seen) => string | undefined {
    if (!this.#base.image.journal) {
      const { issued, latest } = state;
      return (seen) => lostWithoutJournal(history, { issued, latest }, seen);
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
  async #recover(image: TrackedImage, known: Known, fail: (what: string) => void): Promise<Seen | undefined> {
    const mark = image.mark();
    try {
      const inMemory = look(new MemoryDevice(image.bytes, { readOnly: true }), this.#environment());
      const mounted = FileSystem.mount(image, { ...this.#base.image.options, writable: true }, this.#environment());
      known.fastCommits = mounted.replay?.fastCommits ?? 0;
      mounted.unmount();
      const name = nameOf(image.differences(), this.#skips(image.bytes));
      const seen = this.#view(name, image.bytes);
      const differs = difference(inMemory, seen);
      if (differs !== undefined) fail(`recovery in memory (-) and on the device (+):\n${differs}`);
      if (!this.#checked.has(name)) await this.#checkOurs(name, image, fail);
      return seen;
    } catch (error) {
      fail(`our recovery: ${error instanceof Error ? error.stack : String(error)}`);
      return undefined;
    } finally {
      image.rollback(mark);
    }
  }

  /** What the name of an image that a recovery has left says nothing of: what lies in an empty log means nothing, to us and to e2fsck. */
  #skips(image: Uint8Array): (block: number) => boolean {
    const { log, journalAt, blockSize } = this.#base;
    const isEmpty = new DataView(image.buffer, image.byteOffset).getUint32(journalAt + LOG_START) === 0;
    if (!isEmpty) return () => false;
    return (block) => log.some(([start, end]) => block * blockSize >= start && block * blockSize < end);
  }

  /** What an image shows of which the name says everything. */
  #view(name: string, image: Uint8Array): Seen {
    const known = this.#views.get(name);
    if (known !== undefined) return known;
    const seen = look(new MemoryDevice(image, { readOnly: true }), this.#environment());
    if (this.#views.size >= MOST_VIEWS) this.#views.clear();
    this.#views.set(name, seen);
    return seen;
  }

  async #checkOurs(name: string, image: TrackedImage, fail: (what: string) => void): Promise<void> {
    const slot = await this.#fsck.take();
    slot.put(image);
    this.#follow(slot, this.#check(name, slot, "our recovery", fail));
  }

  /** Has e2fsck look at what a recovery has left, once. */
  async #check(name: string, slot: Slot, whose: string, fail: (what: string) => void): Promise<void> {
    if (this.#checked.has(name)) return;
    this.#checked.add(name);
    this.tally.checked++;
    const { code, output } = await this.#fsck.run(slot, ["-fn"]);
    if (code !== 0) fail(`${whose}, e2fsck -fn: ${code}\n${output}`);
  }

  async #repair(slot: Slot, torn: boolean, known: Known, fail: (what: string) => void): Promise<void> {
    const { backup, journal } = this.#base.image;
    const options = torn ? ["-fy", "-b", String(backup), "-B", String(this.#base.blockSize)] : ["-fy"];
    const { code, output } = await this.#fsck.run(slot, options);
    const { bytes } = slot;
    const differences = slot.scan(this.#skips(bytes));
    if (known.fastCommits === 0 && GIVEN_UP.test(output) && this.#base.image.fastCommits === true) return;
    if (code > 1) fail(`e2fsck ${options.join(" ")}: ${code}\n${output}`);
    if (journal && !torn && known.fastCommits === 0 && REPAIRS.test(output.replaceAll(ABOUT_ORPHANS, ""))) {
      fail(`e2fsck had to repair more than a journal:\n${output}`);
    }
    const name = nameOf(differences);
    this.#compare(name, bytes, known, fail);
    await this.#check(name, slot, `e2fsck's repair (${output})`, fail);
  }

  #compare(name: string, theirs: Uint8Array, known: Known, fail: (what: string) => void): void {
    try {
      const seen = this.#view(name, theirs);
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

  #follow(slot: Slot, work: Promise<void>): void {
    const done = work
      .catch((error: unknown) => {
        this.#broken ??= { error };
      })
      .finally(() => {
        this.#fsck.giveBack(slot);
        this.#pending.delete(done);
      });
    this.#pending.add(done);
  }

  /** @throws what went wrong with e2fsck itself */
  async finish(): Promise<void> {
    await Promise.all(this.#pending);
    if (this.#broken !== undefined) throw this.#broken.error;
  }
}
