/** A server that may die: what it writes to its device and to its survival region is one log, in order. */
import { ArrayRegion, type DeviceEvent, KeptState, RecordingDevice, type SurvivalRegion } from "@bulkhead/ext4";
import { Actor } from "./actor.js";
import type { Expected } from "./expected.js";
import type { Base } from "./images.js";
import { TrackedImage } from "./tracked-image.js";

/** A region that has room for several transactions. */
const REGION_BYTES = 4 * 1024 * 1024;
const REGION_BLOCK = 1024;
/** More moments than a server has. */
const GENERATION = 1_000_000;

/** What outlives a server: its device, and its region. */
export class Remains {
  readonly image: TrackedImage;
  readonly region = new TrackedImage(new Uint8Array(REGION_BYTES), REGION_BLOCK);

  /** Before anybody has lived. */
  constructor({ bytes, blockSize }: Base) {
    this.image = new TrackedImage(bytes, blockSize);
  }

  /** @returns what puts both back as they are now; called in the opposite order */
  mark(): () => void {
    const image = this.image.mark();
    const region = this.region.mark();
    return () => {
      this.image.rollback(image);
      this.region.rollback(region);
    };
  }
}

/** What is written to the region is on record as well: behind the end of the device. */
export class MortalDevice extends RecordingDevice {
  readonly region: SurvivalRegion;

  constructor(remains: Remains) {
    super(remains.image);
    const region = new ArrayRegion(remains.region.bytes);
    const store = (offset: number, bytes: Uint8Array): void => {
      this.events.push({ kind: "write", offset: this.size + offset, bytes });
      remains.region.write(offset, bytes);
    };
    this.region = {
      length: region.length,
      bytes: (offset, length) => region.bytes(offset, length),
      number: (offset) => region.number(offset),
      write: (offset, source) => store(offset, source.slice()),
      setNumber: (offset, value) => store(offset, new Uint8Array(Float64Array.of(value).buffer)),
    };
  }

  isOfRegion(event: DeviceEvent): boolean {
    return event.kind === "write" && event.offset >= this.size;
  }
}

/** An answer to whoever asked for a step. */
interface Answer {
  /** Events that there were when it was given. */
  readonly at: number;
  /** Number of the moment of which it tells. */
  readonly moment: number;
  /** What the note says that was kept last: when nothing is changed, nothing is kept. */
  readonly noted: number;
}

/** Keeps what a step has changed before it is answered, as servers do. */
export class MortalActor extends Actor {
  readonly #answers: Answer[] = [];
  /** The moment in the note that was there before, and the number of the first one here: notes of several servers differ. */
  readonly #inherited: number;
  readonly #first: number;

  /**
   * @param model what is there; changed
   * @param generation how many have worked before, and have died
   */
  constructor(
    device: MortalDevice,
    model: Expected,
    { image: { options } }: Base,
    background: (() => number) | undefined,
    generation = 0,
  ) {
    const survival = { region: device.region, isInUse: () => false };
    const inherited = momentOf(KeptState.of(device.region)?.notes[0]);
    super(device, model, { ...options, survival }, () => device, background);
    this.#inherited = inherited;
    this.#first = generation * GENERATION;
    this.#answer();
  }

  #answer(): void {
    const moment = this.moments.length - 1;
    const kept = this.fs.kept!;
    const noted = kept.isBehind ? this.#first + moment : (this.#answers.at(-1)?.noted ?? this.#inherited);
    kept.keep(noteOf(this.#first + moment));
    this.#answers.push({ at: this.device.events.length, moment, noted });
  }

  /** Events before the first answer. */
  get begun(): number {
    return this.#answers[0]!.at;
  }

  /** What was answered last when there were so many events, and what would have been next. */
  answersAt(events: number): { readonly last: Answer; readonly next: Answer | undefined } {
    const after = this.#answers.findIndex(({ at }) => at > events);
    const last = this.#answers.at(after < 0 ? -1 : after - 1)!;
    return { last, next: after < 0 ? undefined : this.#answers[after] };
  }

  protected override perform(step: string, perform: () => void, done: () => readonly number[]): boolean {
    const isDone = super.perform(step, perform, done);
    this.#answer();
    return isDone;
  }
  override fsync(path: string, dataOnly = false): void {
    super.fsync(path, dataOnly);
    this.#answer();
  }
  override sync(): void {
    super.sync();
    this.#answer();
  }
  override commit(): void {
    super.commit();
    this.#answer();
  }
}

function noteOf(moment: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(moment).buffer);
}

/** What a note says: of which moment it is, and whose. */
export function momentOf(note: Uint8Array | undefined): number {
  return note === undefined ? 0 : new Uint32Array(note.slice().buffer)[0]!;
}
