import { MOVED_NAMES } from "../moved-names.js";

/** Where things are, in units of 8 bytes. */
const At = {
  /** Bytes of the INIT request; 0 before it was answered. */
  initLength: 0,
  /** The request that was begun last. */
  unique: 1,
  /** Look-ups that its answer adds. */
  added: 2,
  /** The request in whose course servers have died, and how many. */
  suspect: 3,
  deaths: 4,
  /** Servers so far, and which of them began the request that was begun last. */
  life: 5,
  begunIn: 6,
  /** 1 when the mount has been ended. */
  ended: 7,
  /** FORMAT, from INIT on. In this place for ever. */
  format: 8,
} as const;
/**
 * Of what is in a survival memory, the engine's part aside, and of what INIT is answered: a server that would find or answer something else
 * has another one. After an upgrade, two versions may meet here.
 */
const FORMAT = 1;
const MOVED = 2048;
const INIT = 4096;
const MOST_INIT = 4096;
const ADDED = INIT + MOST_INIT;

/** 2^63 in a request's number: it is sent again. */
const RESENT = 0x8000_0000;

/** The number of a request, without the mark of one that is sent again. Exact below 2^53; the kernel counts from 0. */
export function uniqueOf(low: number, high: number): number {
  return (high & ~RESENT) * 2 ** 32 + low;
}

export function isResent(high: number): boolean {
  return (high & RESENT) !== 0;
}

/** What is known of requests when a server has died: what INIT was asked, and which request was under way. */
export class RequestRecord {
  /** For MovedNames. */
  readonly movedNames: Float64Array;
  readonly #numbers: Float64Array;
  readonly #bytes: Uint8Array;
  readonly #added: Uint32Array;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#bytes = bytes;
    this.#numbers = new Float64Array(bytes.buffer, bytes.byteOffset, ADDED / 8);
    this.movedNames = new Float64Array(bytes.buffer, bytes.byteOffset + MOVED, MOVED_NAMES);
    this.#added = new Uint32Array(bytes.buffer, bytes.byteOffset + ADDED, (bytes.length - ADDED) / 4);
  }

  /** The INIT request that was answered; undefined before. */
  get init(): Uint8Array | undefined {
    const length = this.#numbers[At.initLength]!;
    return length > 0 && length <= MOST_INIT ? this.#bytes.slice(INIT, INIT + length) : undefined;
  }

  /** Whether the server that kept INIT would have answered, and kept, the same as this one. */
  get isUnderstood(): boolean {
    return this.#numbers[At.format] === FORMAT;
  }

  /** Whether a server has ended the mount: nobody is to go on with it. */
  get isEnded(): boolean {
    return this.#numbers[At.ended] === 1;
  }

  end(): void {
    this.#numbers[At.ended] = 1;
  }

  keepInit(request: Uint8Array): void {
    if (request.length > MOST_INIT) throw new RangeError(`an INIT request of ${request.length} bytes`);
    this.#bytes.set(request, INIT);
    this.#numbers[At.format] = FORMAT;
    this.#numbers[At.initLength] = request.length;
  }

  /** A request is begun. */
  begin(unique: number): void {
    const numbers = this.#numbers;
    numbers[At.added] = 0;
    numbers[At.unique] = unique;
    numbers[At.begunIn] = numbers[At.life]!;
  }

  /** The answer to the request that was begun tells the kernel of an inode. */
  adds(ino: number): void {
    const count = this.#numbers[At.added]!;
    if (count >= this.#added.length) return; // then it is counted once too often, should the server die now
    this.#added[count] = ino;
    this.#numbers[At.added] = count + 1;
  }

  /** The request that was begun last, and the inodes of which its answer told, or would have. */
  get last(): { readonly unique: number; readonly added: readonly number[] } {
    const count = Math.min(this.#numbers[At.added]!, this.#added.length);
    return { unique: this.#numbers[At.unique]!, added: [...this.#added.subarray(0, count)] };
  }

  /**
   * A server has died, and another one begins its life: counts that against the request that the former was at. One that came to none
   * died of something else.
   *
   * @returns how many have died by now in the course of the request that was begun last
   */
  countDeath(): number {
    const numbers = this.#numbers;
    if (numbers[At.begunIn] === numbers[At.life]) {
      numbers[At.deaths] = numbers[At.suspect] === numbers[At.unique] ? numbers[At.deaths]! + 1 : 1;
      numbers[At.suspect] = numbers[At.unique]!;
    }
    numbers[At.life]!++;
    return numbers[At.deaths]!;
  }
}
