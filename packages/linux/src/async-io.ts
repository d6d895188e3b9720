import { Errno } from "./errno.js";
import { LinuxError, orThrow } from "./error.js";
import { addressOf, bare, lastErrno, native } from "./libc.js";

/** Numbers of io_setup(2), io_destroy, io_getevents and io_submit; Node names these two as `process.arch` does. */
const CALLS: Readonly<Record<string, readonly [setup: number, destroy: number, getevents: number, submit: number]>> = {
  x64: [206, 207, 208, 209],
  arm64: [0, 1, 4, 2],
};

const IOCB = 64;
const EVENT = 32;
const POINTER = 8;
const TWO_32 = 0x1_0000_0000;
/** Fields of struct iocb, in 32-bit words. */
const Word = { data: 0, opcode: 4, fd: 5, buffer: 6, length: 8, position: 10, flags: 14, eventFd: 15 } as const;
/** The completion is signalled to an eventfd. */
const RESFD = 1;

const sysSetup = native<[number, number, number]>("syscall", "int64_t", ["long", "uint", "uintptr_t"]);
const sysDestroy = native<[number, number]>("syscall", "int64_t", ["long", "uintptr_t"]);
const sysSubmit = bare<[number, number, number, number]>("syscall", "int64_t", [
  "long",
  "uintptr_t",
  "long",
  "uintptr_t",
]);
const sysEvents = bare<[number, number, number, number, number, number]>("syscall", "int64_t", [
  "long",
  "uintptr_t",
  "long",
  "long",
  "uintptr_t",
  "uintptr_t",
]);

/**
 * Reads and writes that the kernel does while the caller goes on (io_submit(2)); of files opened with O_DIRECT, that is: for others it
 * waits. Buffers must be kept, and left alone, until their slot is harvested.
 */
export class AsyncIo {
  /** Most requests under way. */
  readonly depth: number;
  readonly #calls: readonly [number, number, number, number];
  readonly #context: number;
  readonly #table: Uint32Array<ArrayBuffer>;
  readonly #pointers: number;
  readonly #events: Uint32Array<ArrayBuffer>;
  readonly #eventsAddress: number;
  /** A struct timespec. */
  readonly #time: Uint32Array<ArrayBuffer>;
  readonly #timeAddress: number;
  readonly #free: number[] = [];
  /** Keeps alive what only addresses name. */
  readonly #memory: readonly Uint8Array[];
  readonly #buffers: (Uint8Array | undefined)[];

  /**
   * @param eventFd is signalled when something is done
   * @throws LinuxError ENOSYS where there is no such thing, EAGAIN beyond fs.aio-max-nr
   */
  constructor(depth: number, eventFd: number) {
    const calls = CALLS[process.arch];
    if (calls === undefined) throw new LinuxError("io_setup", Errno.ENOSYS);
    this.#calls = calls;
    this.depth = depth;
    this.#buffers = new Array<Uint8Array | undefined>(depth).fill(undefined);
    const iocbs = new Uint8Array(depth * IOCB);
    const pointers = new Uint8Array(depth * POINTER);
    const events = new Uint8Array(depth * EVENT);
    const context = new Uint8Array(POINTER);
    const time = new Uint8Array(2 * POINTER);
    this.#memory = [iocbs, pointers];
    this.#time = new Uint32Array(time.buffer);
    this.#table = new Uint32Array(iocbs.buffer);
    this.#events = new Uint32Array(events.buffer);
    this.#eventsAddress = addressOf(events, 0, events.length);
    this.#timeAddress = addressOf(time, 0, time.length);
    this.#pointers = addressOf(pointers, 0, pointers.length);
    const table = new DataView(pointers.buffer);
    for (let slot = depth - 1; slot >= 0; slot--) {
      this.#free.push(slot);
      table.setBigUint64(slot * POINTER, BigInt(addressOf(iocbs, slot * IOCB, IOCB)), true);
      const at = (slot * IOCB) / 4;
      this.#table[at + Word.data] = slot;
      this.#table[at + Word.flags] = RESFD;
      this.#table[at + Word.eventFd] = eventFd;
    }
    orThrow(sysSetup(this.#calls[0], depth, addressOf(context, 0, POINTER)), "io_setup");
    this.#context = Number(new DataView(context.buffer).getBigUint64(0, true));
  }

  /** Requests under way. */
  get inFlight(): number {
    return this.depth - this.#free.length;
  }

  /**
   * Starts a read or write of `[offset, offset + length)` of `bytes` at byte `position` of the file.
   *
   * @returns the slot that `harvest` will name; −EAGAIN when `depth` are under way, or another −errno
   */
  submit(writes: boolean, fd: number, bytes: Uint8Array, offset: number, length: number, position: number): number {
    const slot = this.#free.pop();
    if (slot === undefined) return -Errno.EAGAIN;
    const address = addressOf(bytes, offset, length);
    const table = this.#table;
    const at = (slot * IOCB) / 4;
    table[at + Word.opcode] = writes ? 1 : 0;
    table[at + Word.fd] = fd;
    table[at + Word.buffer] = address;
    table[at + Word.buffer + 1] = address / TWO_32;
    table[at + Word.length] = length;
    table[at + Word.position] = position;
    table[at + Word.position + 1] = position / TWO_32;
    if (sysSubmit(this.#calls[3], this.#context, 1, this.#pointers + slot * POINTER) === 1) {
      this.#buffers[slot] = bytes;
      return slot;
    }
    this.#free.push(slot);
    return -lastErrno();
  }

  /**
   * Calls back with each request that is done, to submit others if it likes: its slot, and its bytes or −errno.
   *
   * @param wait microseconds to wait for the first, less than a second
   * @returns how many
   */
  harvest(each: (slot: number, result: number) => void, wait = 0): number {
    const [, , getevents] = this.#calls;
    this.#time[2] = wait * 1000;
    const least = wait > 0 ? 1 : 0;
    const count = sysEvents(getevents, this.#context, least, this.depth, this.#eventsAddress, this.#timeAddress);
    if (count <= 0) return count < 0 ? -lastErrno() : 0;
    for (let i = 0; i < count; i++) {
      const at = (i * EVENT) / 4;
      const slot = this.#events[at]!;
      this.#buffers[slot] = undefined;
      this.#free.push(slot);
      each(slot, this.#events[at + 4]! | 0);
    }
    return count;
  }

  /** Waits for what is under way, and lets go. */
  close(): void {
    sysDestroy(this.#calls[1], this.#context);
    this.#memory.at(0)?.fill(0);
  }
}
