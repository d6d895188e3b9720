/** A run over deaths of servers that keep what they have answered: others go on from what is left, and may die as well. */
import { ArrayRegion, type DeviceEvent, FileSystem, KeptState, MemoryDevice } from "@bulkhead/ext4";
import { APPLICATIONS } from "./applications.js";
import { crashStates, randomFrom, write } from "./crash-states.js";
import type { Fsck } from "./e2fsck.js";
import { Expected } from "./expected.js";
import { steadyEnvironment } from "./hosting.js";
import { type Base, CRASH_IMAGES } from "./images.js";
import { type Failure, Judge } from "./judge.js";
import { MortalActor, MortalDevice, momentOf, Remains } from "./mortal.js";
import { brokenPromise, spanOf } from "./obligations.js";
import { stepsAtRandom } from "./random-steps.js";
import { look, type Seen } from "./seen.js";
import type { Operation } from "./sequences.js";

export interface DeathsOptions {
  readonly seed: number;
  /** Servers that are killed, each of them in many places. */
  readonly servers: number;
  /** Steps of those that do any. */
  readonly steps: number;
  /** Places in which each is killed. */
  readonly places: number;
}

export interface DeathsOutcome {
  readonly deaths: number;
  /** States that a loss of power left after a death. */
  readonly states: number;
  readonly failures: readonly Failure[];
}

/** Successors that die while they mount and unmount, at most, and how likely the next one does. */
const MOST_SUCCESSORS = 2;
const AGAIN = 0.5;
/** Successors that work before they die, one after the other, at most; how likely the next one does; and what each does. */
const MOST_HEIRS = 2;
const INHERITED = 0.7;
const HEIRS_STEPS = 15;
/** Part of the servers whose commits go on in the background. */
const BACKGROUND = 0.7;
/** Part of the deaths that come before a write to the device, or in it: most writes are to the region. */
const AT_DEVICE = 0.5;
const MOST_FAILURES = 3;
const THINLY = { mostPerEpoch: 5, scattered: 3 } as const;
/** Part of the states that are looked at where the power is lost when a successor has flushed what was open. */
const LATER = 0.15;
/** Bytes that are there or not: what a processor stores in memory, and what a kernel copies of a write before it looks for signals. */
const WORD = 8;
const PAGE = 4096;

/** @throws when a server fails that nobody has killed */
export async function deaths(base: Base, fsck: Fsck, options: DeathsOptions): Promise<DeathsOutcome> {
  const { seed, servers } = options;
  const place = CRASH_IMAGES.findIndex(({ name }) => name === base.image.name);
  const killer = new Killer(base, fsck);
  try {
    for (let number = 0; number < servers; number++) {
      if (killer.failures.length >= MOST_FAILURES) break;
      const random = randomFrom(seed * 65_537 + number * 257 + place);
      // Every other one does what a program does.
      const program = APPLICATIONS[(5 * seed + 7 * place + (number >> 1)) % APPLICATIONS.length]!;
      const workload = number % 2 === 0 ? stepsAtRandom(options.steps, random) : program;
      const name = `${base.image.name}, seed ${seed}, server ${number} (${workload.name})`;
      await killer.kill({ workload, name, model: base.model.clone(), generation: 0 }, options.places, random);
    }
  } finally {
    await killer.finish();
  }
  return { deaths: killer.deaths, states: killer.states, failures: killer.failures };
}

/** A server's life to be: what it does, on what is there. */
interface Life {
  readonly workload: Operation;
  readonly name: string;
  readonly model: Expected;
  /** How many have worked and died before it. */
  readonly generation: number;
}

/** A death: whose, and after how many of its events. */
interface Death {
  readonly actor: MortalActor;
  readonly server: MortalDevice;
  readonly at: number;
  /** How much of the next one had happened. */
  readonly part: number;
  readonly label: string;
}

/** What came of a death. */
interface Outcome {
  /** What has happened to the device until the last successor has unmounted it. */
  readonly events: readonly DeviceEvent[];
  /** What is there then; undefined where that cannot be read. */
  readonly seen: Seen | undefined;
}

class Killer {
  deaths = 0;
  readonly #base: Base;
  readonly #fsck: Fsck;
  readonly #judge: Judge;
  /** As before anybody has lived, between two deaths. */
  readonly #remains: Remains;
  readonly #checks: Promise<void>[] = [];

  constructor(base: Base, fsck: Fsck) {
    this.#base = base;
    this.#fsck = fsck;
    this.#judge = new Judge(base, fsck);
    this.#remains = new Remains(base);
  }

  get failures(): Failure[] {
    return this.#judge.failures;
  }
  get states(): number {
    return this.#judge.tally.states;
  }

  async finish(): Promise<void> {
    await Promise.all(this.#checks);
    await this.#judge.finish();
  }

  /** Has a server live, and die in so many places; where it has, another one may work on, and die in turn. */
  async kill(life: Life, places: number, random: () => number): Promise<void> {
    const { name, generation } = life;
    const { actor, server } = this.#live(life, random);
    const all = Array.from({ length: server.events.length - actor.begun }, (_, n) => actor.begun + n);
    const atDevice = all.filter((at) => !server.isOfRegion(server.events[at]!));
    if (all.length === 0) return; // every step was refused
    for (let place = 0; place < places; place++) {
      const some = random() < AT_DEVICE && atDevice.length > 0 ? atDevice : all;
      const at = some[Math.floor(random() * some.length)]!;
      const label = `${name}, death after ${at} of ${server.events.length} events`;
      const death = { actor, server, at, part: random(), label };
      const { events, seen } = await this.#die(death, random);
      if (generation === 0) await this.#losePower(death, events, random);
      if (seen === undefined || generation === MOST_HEIRS || random() >= INHERITED) continue;
      const putBack = this.#remains.mark();
      this.#leave(server, at, death.part);
      const workload = stepsAtRandom(HEIRS_STEPS, random);
      const heir = { workload, name: `${label}; heir`, model: Expected.of(seen), generation: generation + 1 };
      await this.kill(heir, 1, random);
      putBack();
    }
  }

  /** Has a server live, on what is there now, and puts that back. */
  #live({ workload, name, model, generation }: Life, random: () => number) {
    const background = this.#base.image.journal && random() < BACKGROUND ? random : undefined;
    const putBack = this.#remains.mark();
    const server = new MortalDevice(this.#remains);
    try {
      const actor = new MortalActor(server, model, this.#base, background, generation);
      workload.act(actor);
      return { actor, server };
    } catch (error) {
      throw new Error(name, { cause: error });
    } finally {
      putBack();
    }
  }

  async #die({ actor, server, at, part, label }: Death, random: () => number): Promise<Outcome> {
    this.deaths++;
    const fail = (what: string) => {
      this.failures.push({ label, what });
    };
    const putBack = this.#remains.mark();
    const { image, region } = this.#remains;
    const events: DeviceEvent[] = [];
    let seen: Seen | undefined;
    try {
      events.push(...this.#leave(server, at, part));
      const { last, next } = actor.answersAt(at);
      const noted = momentOf(KeptState.of(new ArrayRegion(region.bytes))?.notes[0]);
      if (noted !== last.noted && noted !== next?.noted) fail(`moment ${noted} was noted last, not ${last.noted}`);
      this.#succeed(random, events);
      const high = Math.max(last.moment, spanOf(actor, intervalOf(at)).high);
      seen = look(new MemoryDevice(image.bytes, { readOnly: true }), steadyEnvironment());
      const newer = this.#base.image.options.data !== "journal";
      const wrong = brokenPromise(actor, { low: last.moment, high, data: new Map() }, seen, newer);
      if (wrong !== undefined) fail(wrong);
      await this.#check(fail);
    } catch (error) {
      fail(error instanceof Error ? error.stack! : String(error));
    } finally {
      putBack();
    }
    return { events, seen };
  }

  /**
   * Has happen what a server had done when it died: the first `count` of its events, and `part` of the next.
   *
   * @returns those of the device
   */
  #leave(server: MortalDevice, count: number, part: number): DeviceEvent[] {
    const { image, region } = this.#remains;
    const events: DeviceEvent[] = [];
    const left = server.events.slice(0, count);
    const next = server.events[count];
    if (next?.kind === "write") {
      const { offset, bytes } = next;
      const unit = server.isOfRegion(next) ? WORD : PAGE;
      const end = Math.floor((offset + bytes.length * part) / unit) * unit;
      if (end > offset) left.push({ ...next, bytes: bytes.subarray(0, end - offset) });
    }
    for (const event of left) {
      if (event.kind === "write" && server.isOfRegion(event)) region.write(event.offset - server.size, event.bytes);
      else {
        write(image, event);
        events.push(event);
      }
    }
    return events;
  }

  /** Others mount what is left, until one unmounts it. */
  #succeed(random: () => number, events: DeviceEvent[]): void {
    for (let deaths = 0; ; deaths++) {
      const putBack = this.#remains.mark();
      const server = new MortalDevice(this.#remains);
      const survival = { region: server.region, isInUse: () => false };
      const options = { ...this.#base.image.options, writable: true, survival };
      try {
        FileSystem.mount(server, options, steadyEnvironment()).unmount();
      } finally {
        putBack();
      }
      if (deaths >= MOST_SUCCESSORS || random() >= AGAIN) {
        events.push(...this.#leave(server, server.events.length, 0));
        return;
      }
      events.push(...this.#leave(server, Math.floor(random() * server.events.length), random()));
    }
  }

  /** Has e2fsck look at the image as it is now. */
  async #check(fail: (what: string) => void): Promise<void> {
    const slot = await this.#fsck.take();
    slot.put(this.#remains.image);
    const check = this.#fsck.run(slot, ["-fn"]).then(({ code, output }) => {
      if (code !== 0) fail(`e2fsck -fn: ${code}\n${output}`);
    });
    this.#checks.push(check.finally(() => this.#fsck.giveBack(slot)));
  }

  /** The power is lost while others go on, or before: what the one that died has not flushed may be gone, and what they made of it not. */
  async #losePower({ actor, server, at, label }: Death, events: readonly DeviceEvent[], random: () => number) {
    const before = server.events.slice(0, at).filter((event) => !server.isOfRegion(event));
    const from = before.findLastIndex(isFlush) + 1;
    if (from === before.length) return;
    const flushed = events.findIndex((event, n) => n >= from && isFlush(event));
    for (const state of crashStates(this.#remains.image, events, { ...THINLY, from, random })) {
      if (state.latest > flushed && random() >= LATER) continue;
      await this.#judge.judge(actor, { ...state, ...intervalOf(at) }, `${label}; the power is lost, ${state.label}`);
    }
  }
}

function isFlush({ kind }: DeviceEvent): boolean {
  return kind === "flush";
}

/** Between which events the power is lost, as far as promises go: a part of the event at which the server died may be there. */
function intervalOf(died: number) {
  return { issued: died + 1, latest: died };
}
