import { orThrow } from "./error.js";
import { read, write } from "./file.js";
import { addressOf, bare, lastErrno, native } from "./libc.js";

/** Event bits of poll. */
export const Poll = { IN: 1, PRI: 2, OUT: 4, ERR: 8, HUP: 16, NVAL: 32 } as const;

const SIZE = 8;
const cPoll = bare<[number, number, number]>("poll", "int", ["uintptr_t", "uint64_t", "int"]);

/** A reusable `struct pollfd[]`. */
export class PollSet {
  readonly length: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(length: number) {
    this.length = length;
    this.#bytes = new Uint8Array(length * SIZE);
    this.#view = new DataView(this.#bytes.buffer);
    for (let i = 0; i < length; i++) this.set(i, -1, 0);
  }

  /** Watches `fd` for `events` in entry `index`; a negative `fd` is passed over. */
  set(index: number, fd: number, events: number): void {
    this.#view.setInt32(index * SIZE, fd, true);
    this.#view.setInt16(index * SIZE + 4, events, true);
  }

  /** What the last `poll` found in entry `index`: the events asked for, and ERR, HUP, NVAL unasked. */
  returned(index: number): number {
    return this.#view.getInt16(index * SIZE + 6, true);
  }

  /** Waits up to `milliseconds` (−1: for ever; 0: not at all). The number of ready entries, or −errno (EINTR). */
  poll(milliseconds: number): number {
    const n = cPoll(addressOf(this.#bytes, 0, this.#bytes.length), this.length, milliseconds);
    return n < 0 ? -lastErrno() : n;
  }
}

const cEventfd = native<[number, number]>("eventfd", "int", ["uint", "int"]);
const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;
const ONE = new Uint8Array(BigUint64Array.of(1n).buffer);

/** A descriptor that threads wake each other with; non-blocking. */
export function eventfd(): number {
  return orThrow(cEventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd");
}

/** Wakes whoever polls the eventfd `fd`. Any thread of the process may do so. 0 or −errno. */
export function eventfdSignal(fd: number): number {
  const n = write(fd, ONE, 0, 8);
  return Math.min(n, 0);
}

const count = new Uint8Array(8);

/** Takes back all signals of the eventfd `fd`, so that it polls as not ready. 0 or −errno. */
export function eventfdDrain(fd: number): number {
  const n = read(fd, count, 0, 8);
  return n < 0 && n !== -11 /* EAGAIN: none pending */ ? n : 0;
}
