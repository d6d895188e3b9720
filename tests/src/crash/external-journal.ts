/** Crashes of a file system whose journal is on a device of its own. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { FileSystem, MemoryDevice, type MountOptions, SubRangeDevice } from "@bulkhead/ext4";
import { run } from "../system/process.js";
import { withScratch } from "../system/scratch.js";
import { Actor } from "./actor.js";
import { crashStates, randomFrom } from "./crash-states.js";
import type { Fsck } from "./e2fsck.js";
import { Expected } from "./expected.js";
import { steadyEnvironment } from "./hosting.js";
import { brokenPromise, spanOf } from "./obligations.js";
import { PairDevice } from "./pair-device.js";
import { stepsAtRandom } from "./random-steps.js";
import { difference, look, type Seen } from "./seen.js";
import { TrackedImage } from "./tracked-image.js";

export interface BothOptions {
  readonly seed: number;
  /** Of the file system, besides what mke2fs chooses. */
  readonly features: string;
  readonly data: NonNullable<MountOptions["data"]>;
  readonly workloads: number;
  /** Flushes of each workload before which the power is lost. */
  readonly places: number;
}

const BLOCK = 1024;
const STEPS = 60;
const STATES = { mostPerEpoch: 5, scattered: 12 } as const;

/** Both devices' bytes, the journal's behind the file system's. */
function makePair({ features }: BothOptions): { readonly bytes: Uint8Array; readonly journalAt: number } {
  return withScratch("crash", (directory) => {
    const [image, journal] = [join(directory, "image"), join(directory, "journal")];
    run("mke2fs", ["-q", "-F", "-b", String(BLOCK), "-O", "journal_dev", journal, "1100k"]);
    const loop = run("losetup", ["--find", "--show", journal]).stdout.toString("latin1").trim();
    try {
      run("mke2fs", [
        ...["-q", "-F", "-t", "ext4", "-b", String(BLOCK), "-N", "256", "-O", features],
        ...["-J", `device=${loop}`, image, "4M"],
      ]);
      run("sync", [loop]);
    } finally {
      run("losetup", ["--detach", loop]);
    }
    const files = [readFileSync(image), readFileSync(journal)];
    return { bytes: new Uint8Array(Buffer.concat(files)), journalAt: files[0]!.length };
  });
}

/** @returns how many states there were @throws when one of them is not recovered as it should be */
export async function crashBoth(fsck: Fsck, options: BothOptions): Promise<number> {
  const { seed, data, workloads, places } = options;
  const pair = new Pair(fsck, options);
  let states = 0;
  for (let number = 0; number < workloads; number++) {
    const random = randomFrom(seed * 65_537 + number);
    const { actor, device, begun } = pair.live(random);
    // Before a flush, most is open.
    const flushes = device.events.flatMap(({ kind }, at) => (kind === "flush" && at >= begun ? [at] : []));
    for (let place = 0; place < places; place++) {
      const at = flushes[Math.floor(random() * flushes.length)]!;
      const events = device.asOne(at);
      const from = events.findIndex(({ kind }) => kind === "flush") + 1;
      for (const { label } of crashStates(pair.image, events, { ...STATES, from, random })) {
        states++;
        const wrong = await pair.judge(actor, at);
        if (wrong === undefined) continue;
        throw new Error(`data=${data}, seed ${seed}, workload ${number}, after ${at} events, ${label}: ${wrong}`);
      }
    }
  }
  return states;
}

class Pair {
  readonly image: TrackedImage;
  readonly #options: BothOptions;
  readonly #fsck: Fsck;
  readonly #journalAt: number;
  /** For e2fsck, which wants it in a file of its own. */
  readonly #journal: TrackedImage;

  constructor(fsck: Fsck, options: BothOptions) {
    const { bytes, journalAt } = makePair(options);
    this.image = new TrackedImage(bytes, BLOCK);
    this.#options = options;
    this.#fsck = fsck;
    this.#journalAt = journalAt;
    this.#journal = new TrackedImage(bytes.subarray(journalAt), BLOCK);
  }

  /** A workload; afterwards, both devices are as they were. */
  live(random: () => number) {
    const mark = this.image.mark();
    const device = new PairDevice(this.image, this.#journalAt);
    const options = { data: this.#options.data, journalDevice: device.journal };
    const background = random() < 0.5 ? random : undefined;
    const actor = new Actor(device, new Expected(), options, () => device, background);
    for (const path of ["A", "B", "A/sub"]) actor.mkdir(path);
    actor.sync();
    const begun = device.events.length;
    stepsAtRandom(STEPS, random).act(actor);
    this.image.rollback(mark);
    return { actor, device, begun };
  }

  /** @returns what is wrong with what both devices hold when the power was lost after so many events */
  async judge(actor: Actor, at: number): Promise<string | undefined> {
    const { data } = this.#options;
    const theirs = await this.#checked("-fy");
    const mark = this.image.mark();
    const journalDevice = new SubRangeDevice(this.image, this.#journalAt);
    FileSystem.mount(this.image, { writable: true, data, journalDevice }, steadyEnvironment()).unmount();
    const ours = await this.#checked("-fn");
    this.image.rollback(mark);
    const span = spanOf(actor, { issued: at, latest: at });
    return brokenPromise(actor, span, ours, data !== "journal") ?? difference(ours, theirs);
  }

  /** What there is to see when e2fsck has had both devices. @throws when it has more to do than to recover the journal */
  async #checked(how: string): Promise<Seen> {
    const [journal, slot] = [await this.#fsck.take(), await this.#fsck.take()];
    this.#journal.write(0, this.image.bytes.subarray(this.#journalAt));
    journal.put(this.#journal);
    slot.put(this.image);
    const { code, output } = await this.#fsck.run(slot, [how, "-j", journal.name]);
    for (const used of [slot, journal]) used.scan(() => false);
    if (code !== 0) throw new Error(`e2fsck ${how}: ${code}\n${output}`);
    const seen = look(new MemoryDevice(slot.bytes, { readOnly: true }), steadyEnvironment());
    // The one that was taken first goes back last, so that each is the same one's again.
    for (const used of [slot, journal]) this.#fsck.giveBack(used);
    return seen;
  }
}
