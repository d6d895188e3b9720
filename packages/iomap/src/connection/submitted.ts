import type { HostDevice } from "../devices.js";
import { EIO } from "../errno.js";
import { IoendFlag, MappingFlag, MappingType, Operation } from "../mapping.js";
import type { FileIdentity } from "../server.js";
import type { Context } from "./context.js";
import type { FileState } from "./file-state.js";
import type { Ioends } from "./ioends.js";
import { Iteration } from "./iteration.js";
import type { PageCache } from "./pages.js";
import type { Writeback } from "./writeback.js";

/** Takes what became of something that was submitted: bytes, or a negative errno. */
export type Done = (result: number) => void;

/** Pieces of one read or write, each in a mapping of its own: more, and it is done at once. */
const MOST_PIECES = 16;
/** Address of a piece that reads as zeros. */
const ZEROS = -1;
/** What a mapping that is written to while others are must not have: its block may have to be completed, or to move. */
const ALONE = MappingFlag.new | MappingFlag.shared | MappingFlag.atomicBio;

/** One read or write under way; used again and again. */
class Transfer<F extends FileIdentity> {
  file: FileState<F> | undefined;
  pos = 0;
  length = 0;
  writes = false;
  /** IoendFlag. */
  flags = 0;
  error = 0;
  result = 0;
  /** Pieces that are not done, and 1 while they are submitted. */
  pending = 0;
  done: Done = () => {};
  /** A piece is done. */
  readonly landed: (error?: unknown) => void;

  constructor(landed: (transfer: Transfer<F>, error: unknown) => void) {
    this.landed = (error) => landed(this, error);
  }
}

/**
 * Direct reads and writes that are under way while others are submitted. Their blocks are not freed meanwhile: what changes a file
 * otherwise waits until nothing is under way, or is refused.
 */
export class Submitted<F extends FileIdentity> {
  readonly #context: Context<F>;
  readonly #pages: PageCache;
  readonly #writeback: Writeback<F>;
  readonly #ioends: Ioends<F>;
  readonly #iteration: Iteration<F>;
  readonly #spare: Transfer<F>[] = [];
  /** Pieces of what is being submitted. */
  readonly #devices: (HostDevice | undefined)[] = new Array(MOST_PIECES).fill(undefined);
  readonly #addresses = new Float64Array(MOST_PIECES);
  readonly #lengths = new Float64Array(MOST_PIECES);
  #pieces = 0;
  #flags = 0;
  /** Writes that have landed, of which the server has not heard. */
  #written: Transfer<F>[] = [];

  constructor(context: Context<F>, pages: PageCache, writeback: Writeback<F>, ioends: Ioends<F>) {
    this.#context = context;
    this.#pages = pages;
    this.#writeback = writeback;
    this.#ioends = ioends;
    this.#iteration = new Iteration(context);
  }

  /**
   * Reads inside the file.
   *
   * @param now does it at once, for what cannot be submitted
   * @returns the result, if it is there; undefined: `done` gets it later
   */
  read(file: FileState<F>, pos: number, target: Uint8Array, now: () => number, done: Done): number | undefined {
    const length = Math.min(target.length, file.size - pos);
    if (length <= 0) return 0;
    if (file.waiting.length > 0) {
      this.#wait(file, false, () => this.#startRead(file, pos, target, length, now, done), done);
      return undefined;
    }
    return this.#startRead(file, pos, target, length, now, done);
  }

  #startRead(
    file: FileState<F>,
    pos: number,
    target: Uint8Array,
    length: number,
    now: () => number,
    done: Done,
  ): number | undefined {
    const failure = this.#writeback.flush(file, pos, pos + length);
    if (failure !== 0) return failure;
    if (!this.#plan(file, pos, pos + length, Operation.direct)) return now();
    return this.#submit(file, pos, length, target, false, done);
  }

  /**
   * Writes. What changes more than whole blocks inside the file waits until it is alone.
   *
   * @param now does it at once, for what cannot be submitted
   */
  write(file: FileState<F>, pos: number, source: Uint8Array, now: () => number, done: Done): number | undefined {
    const { blockSize } = file.limits;
    const end = pos + source.length;
    const isWhole = pos % blockSize === 0 && end % blockSize === 0 && end <= Math.min(file.size, file.diskSize);
    if (!isWhole) return this.alone(file, now, done);
    if (file.waiting.length > 0) {
      this.#wait(file, false, () => this.#startWrite(file, pos, source, now, done), done);
      return undefined;
    }
    return this.#startWrite(file, pos, source, now, done);
  }

  #startWrite(file: FileState<F>, pos: number, source: Uint8Array, now: () => number, done: Done): number | undefined {
    const end = pos + source.length;
    const isFlushed = this.#writeback.flush(file, pos, end) === 0;
    if (!isFlushed || !this.#plan(file, pos, end, Operation.write | Operation.direct))
      return this.alone(file, now, done);
    this.#pages.dropRange(file, pos, end);
    return this.#submit(file, pos, source.length, source, true, done);
  }

  /** Does something to a file when nothing of it is under way. */
  alone(file: FileState<F>, now: () => number, done: Done): number | undefined {
    if (!file.isBusy) return now();
    this.#wait(file, true, now, done);
    return undefined;
  }

  #wait(file: FileState<F>, alone: boolean, start: () => number | undefined, done: Done): void {
    file.waiting.push({
      alone,
      run() {
        const result = start();
        if (result !== undefined) done(result);
      },
    });
  }

  /** Finds the pieces of a range. Whether all of it can be submitted. */
  #plan(file: FileState<F>, pos: number, end: number, operation: number): boolean {
    const iteration = this.#iteration;
    const { io } = this.#context;
    const writes = (operation & Operation.write) !== 0;
    this.#pieces = 0;
    this.#flags = IoendFlag.direct;
    for (let at = pos; at < end; ) {
      if (this.#pieces === MOST_PIECES || iteration.begin(file, at, end - at, operation) !== 0) return false;
      const { target, limit } = iteration;
      const until = Math.min(limit, end);
      const isMapped = target.type === MappingType.mapped;
      let device: HostDevice | undefined;
      if (isMapped || (writes && target.type === MappingType.unwritten)) device = io.deviceFor(target, at, until - at);
      const isZeros = !writes && (target.type === MappingType.hole || target.type === MappingType.unwritten);
      const isPlain = !writes || (!iteration.hasSource && (target.flags & ALONE) === 0);
      const alignment = io.alignment(target);
      const isAligned = (target.addr + at - target.offset) % alignment === 0 && (until - at) % alignment === 0;
      const isFit = isZeros || (device !== undefined && isPlain && isAligned);
      if (iteration.end(isFit ? until - at : 0) !== 0 || !isFit) return false;
      if (writes && !isMapped) this.#flags |= IoendFlag.unwritten;
      this.#devices[this.#pieces] = device;
      this.#addresses[this.#pieces] = isZeros ? ZEROS : target.addr + (at - target.offset);
      this.#lengths[this.#pieces++] = until - at;
      at = until;
    }
    return true;
  }

  /** Hands the pieces to their devices. */
  #submit(
    file: FileState<F>,
    pos: number,
    length: number,
    bytes: Uint8Array,
    writes: boolean,
    done: Done,
  ): number | undefined {
    const transfer = this.#spare.pop() ?? new Transfer<F>(this.#landed);
    transfer.file = file;
    transfer.pos = pos;
    transfer.length = length;
    transfer.writes = writes;
    transfer.flags = this.#flags;
    transfer.error = 0;
    transfer.done = done;
    transfer.pending = 1;
    file.inFlight++;
    const pieces = this.#pieces;
    for (let i = 0, at = 0; i < pieces && transfer.error === 0; i++) {
      const count = this.#lengths[i]!;
      const window = at === 0 && count === bytes.length ? bytes : bytes.subarray(at, at + count);
      if (this.#addresses[i] === ZEROS) window.fill(0);
      else this.#hand(transfer, this.#devices[i]!, this.#addresses[i]!, window);
      at += count;
    }
    transfer.pending--;
    return transfer.pending === 0 ? this.#complete(transfer) : undefined;
  }

  #hand(transfer: Transfer<F>, device: HostDevice, addr: number, window: Uint8Array): void {
    const { counters } = this.#context;
    transfer.pending++;
    try {
      let isDone: boolean;
      if (transfer.writes) {
        counters.deviceWrites++;
        counters.bytesWritten += window.length;
        isDone = writeLater(device, addr, window, transfer.landed);
      } else {
        counters.deviceReads++;
        counters.bytesRead += window.length;
        isDone = readLater(device, addr, window, transfer.landed);
      }
      if (isDone) transfer.pending--;
    } catch (error) {
      transfer.pending--;
      transfer.error = -EIO;
      this.#context.onError(error);
    }
  }

  readonly #landed = (transfer: Transfer<F>, error: unknown): void => {
    if (error !== undefined && error !== null) {
      transfer.error = -EIO;
      this.#context.onError(error);
    }
    if (--transfer.pending > 0) return;
    if (!transfer.writes) {
      this.#end(transfer, transfer.error);
      return;
    }
    // The server hears of all that have landed by now at once.
    if (this.#written.push(transfer) === 1) void Promise.resolve().then(this.#tell);
  };

  readonly #tell = (): void => {
    const written = this.#written;
    this.#written = [];
    this.#ioends.completeAll(written);
    for (const transfer of written) this.#end(transfer, transfer.result);
  };

  #end(transfer: Transfer<F>, failure: number): void {
    const { file, length, done } = transfer;
    this.#release(transfer);
    this.#proceed(file!);
    done(failure !== 0 ? failure : length);
  }

  #release(transfer: Transfer<F>): void {
    const { file, pos, length, writes } = transfer;
    file!.inFlight--;
    if (writes) this.#pages.dropRange(file!, pos, pos + length);
    transfer.file = undefined;
    this.#spare.push(transfer);
  }

  /** All pieces were done at once. */
  #complete(transfer: Transfer<F>): number {
    const { length, writes, error } = transfer;
    transfer.result = error;
    if (writes) this.#ioends.completeAll([transfer]);
    const { result } = transfer;
    this.#release(transfer);
    return result !== 0 ? result : length;
  }

  /** Lets those who wait go on, in their order. */
  #proceed(file: FileState<F>): void {
    for (let next = file.waiting[0]; next !== undefined; next = file.waiting[0]) {
      if (next.alone && file.inFlight > 0) return;
      file.waiting.shift();
      next.run();
    }
    while (file.whenIdle.length > 0 && !file.isBusy) file.whenIdle.shift()!();
  }
}

/** Devices that cannot go on meanwhile are waited for. */
function readLater(device: HostDevice, addr: number, target: Uint8Array, landed: (error?: unknown) => void): boolean {
  if (device.readLater !== undefined) return device.readLater(addr, target, landed);
  device.read(addr, target);
  return true;
}

function writeLater(device: HostDevice, addr: number, source: Uint8Array, landed: (error?: unknown) => void): boolean {
  if (device.writeLater !== undefined) return device.writeLater(addr, source, landed);
  device.write?.(addr, source);
  return true;
}
