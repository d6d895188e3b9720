import { DeviceError, type Inode } from "@bulkhead/ext4";
import { type Context, encodeReply } from "@bulkhead/fuse";
import { type IomapHost, MappingType, Operation } from "@bulkhead/iomap/in-process";
import { errnoName, eventfdSignal, preadNow, write } from "@bulkhead/linux";
import { Counter, type ReadJob } from "./io-job.js";
import type { IoThread } from "./io-thread.js";
import { othersWait } from "./request-queue.js";

/** Reads under way at most; further ones are waited for by the serving thread, which takes no new requests meanwhile. */
const MOST_JOBS = 32;
/** Mappings that a read may have: more, and it is the serving thread's. */
const MOST_PIECES = 64;
/** Bytes from which on a read is a stream's, if the last one that had to wait was so near before it: what it waits for is on its way. */
const STREAM = 65_536;
const NEAR = 16 * 1024 * 1024;

/** Address of a piece that reads as zeros. */
const ZEROS = -1;
/** Milliseconds after which a read that the disk has not answered is waited for by the thread: to hand it over takes as long as fast disks do. */
const BRIEF = 0.3;
/** Bytes of a reply before the data. */
const HEADER = 16;

/** A read that the disk was asked for, and until when the serving thread looks for it itself. */
interface Asked {
  readonly job: ReadJob;
  readonly until: number;
}

/** What a slow read needs of the server. */
export interface ReadEnvironment {
  readonly host: IomapHost<Inode>;
  /** The open file that the file system is on, from byte `start` of it on, and the bytes that are the file system's. */
  readonly file: { readonly fd: number; readonly start: number };
  readonly size: number;
  /** Where requests come from and replies go. */
  readonly connection: () => number;
  /** Puts on record what the device threw. */
  readonly onError: (error: DeviceError) => void;
  readonly thread: IoThread;
}

/**
 * Reads that have to wait for the device while others wait for an answer: a thread of their own does them, many at a time, and
 * answers. A client that is alone is served by the serving thread, which costs it no hand-over.
 *
 * Blocks that are being read may be freed meanwhile, but not be another file's: `settle` comes before they can be.
 */
export class SlowReads {
  readonly #environment: ReadEnvironment;
  readonly #counters: Int32Array;
  readonly #thread: IoThread;
  #lastInode = 0;
  #lastEnd = 0;
  #errors = 0;
  #missed = false;
  /** Not handed over yet, in the order of their coming. */
  #asked: Asked[] = [];
  #reply = new Uint8Array(HEADER);
  #view = new DataView(this.#reply.buffer);

  constructor(environment: ReadEnvironment) {
    this.#environment = environment;
    this.#thread = environment.thread;
    this.#counters = this.#thread.counters;
  }

  /** Whether the last read was not at hand, and nobody has to wait behind another such one: then it is not looked for first. */
  waitsAtOnce(): boolean {
    return this.#missed && this.#isAlone();
  }

  /** What was read was at hand. */
  hit(): void {
    this.#missed = false;
  }

  #isAlone(): boolean {
    const isIdle = this.#asked.length === 0 && Atomics.load(this.#counters, Counter.jobs) === 0;
    return isIdle && !othersWait(this.#environment.connection());
  }

  /**
   * Takes over the request, a read of `length` bytes of `inode` from `pos` on that lie inside the file, if there is something else
   * to do meanwhile. The handler then answers DEFERRED.
   */
  takeOver(context: Context, inode: Inode, pos: number, length: number): boolean {
    const ahead = pos - this.#lastEnd;
    const streams = inode.ino === this.#lastInode && ahead >= 0 && ahead <= NEAR && length >= STREAM;
    this.#lastInode = inode.ino;
    this.#lastEnd = pos + length;
    this.#missed = true;
    const jobs = Atomics.load(this.#counters, Counter.jobs);
    if (streams || jobs + this.#asked.length >= MOST_JOBS || this.#isAlone()) return false;
    this.#report();
    // Between requests there may be no time for it.
    if ((this.#asked[0]?.until ?? Number.POSITIVE_INFINITY) < performance.now()) this.lookAgain();
    const pieces = this.#pieces(inode, pos, length);
    if (pieces === undefined) return false;
    const { file, connection } = this.#environment;
    const job = { fd: file.fd, connection: connection(), token: context.defer(), pieces, length };
    // In one piece, it was asked for when it was looked for in the cache.
    if (pieces.length > 2 || pieces[0] === ZEROS) {
      this.#handOver(job);
      return true;
    }
    if (this.#asked.push({ job, until: performance.now() + BRIEF }) === 1) eventfdSignal(this.#thread.wakeup);
    return true;
  }

  /** Between requests: answers what has come meanwhile, and hands over what takes longer. */
  lookAgain(): void {
    if (this.#asked.length === 0) return;
    const now = performance.now();
    this.#asked = this.#asked.filter(({ job, until }) => {
      if (this.#answer(job)) return false;
      if (now < until) return true;
      this.#handOver(job);
      return false;
    });
    if (this.#asked.length > 0) eventfdSignal(this.#thread.wakeup);
  }

  /** Whether a read was there, and is answered. */
  #answer({ fd, connection, token, pieces, length }: ReadJob): boolean {
    if (this.#reply.length < HEADER + length) {
      this.#reply = new Uint8Array(HEADER + length);
      this.#view = new DataView(this.#reply.buffer);
    }
    const reply = this.#reply;
    if (preadNow(fd, reply, HEADER, length, pieces[0] ?? 0) !== length) return false;
    const size = encodeReply(reply, this.#view, token, 0, reply.subarray(HEADER, HEADER + length));
    // Who asked may have been interrupted, and the mount may be gone: nobody waits then.
    if (size > 0) write(connection, reply, 0, size);
    return true;
  }

  #handOver(job: ReadJob): void {
    Atomics.add(this.#counters, Counter.jobs, 1);
    this.#thread.post(job);
  }

  /** Returns when no read is under way any more. */
  settle(): void {
    for (const { job } of this.#asked) this.#handOver(job);
    this.#asked = [];
    for (;;) {
      const jobs = Atomics.load(this.#counters, Counter.jobs);
      if (jobs === 0) break;
      Atomics.wait(this.#counters, Counter.jobs, jobs);
    }
    this.#report();
  }

  /** No further reads come. */
  close(): void {
    this.settle();
    this.#thread.end();
  }

  /** Where the bytes are: address in the file, or −1 for zeros, and length, in turn. Undefined when that is not all on the device. */
  #pieces(inode: Inode, pos: number, length: number): number[] | undefined {
    const { host, file, size } = this.#environment;
    const pieces: number[] = [];
    for (let at = pos; at < pos + length; ) {
      if (pieces.length === 2 * MOST_PIECES) return undefined;
      if (host.begin(inode, at, pos + length - at, Operation.read) !== 0) return undefined;
      const { type, addr, offset, end } = host.mapping;
      const count = Math.min(end, pos + length) - at;
      if (type === MappingType.mapped) {
        const from = addr + (at - offset);
        // What lies behind is somebody else's: the host has the errno for that.
        if (from + count > size) return undefined;
        pieces.push(file.start + from, count);
      } else if (type === MappingType.hole || type === MappingType.unwritten) pieces.push(ZEROS, count);
      else return undefined;
      at += count;
    }
    return pieces;
  }

  /** The thread answers errors with EIO itself; they are put on record here. */
  #report(): void {
    const errors = Atomics.load(this.#counters, Counter.errors);
    if (errors === this.#errors) return;
    const length = errors - this.#errors;
    this.#errors = errors;
    const errno = Atomics.load(this.#counters, Counter.errno);
    this.#environment.onError(
      new DeviceError("read", 0, 0, `${length} reads of file data failed, the last with ${errnoName(errno)}`),
    );
  }
}
