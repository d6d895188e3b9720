import { IoFlag } from "../door.js";
import { EINVAL, EIO, ENOSYS, ENOTBLK } from "../errno.js";
import { MappingType, Operation } from "../mapping.js";
import type { FileIdentity } from "../server.js";
import { isSmallFile } from "../surroundings.js";
import type { Buffered } from "./buffered.js";
import type { Context } from "./context.js";
import type { FileState } from "./file-state.js";
import type { InlineData } from "./inline.js";
import { Iteration } from "./iteration.js";
import type { Writeback } from "./writeback.js";

/** Where the bytes of a read go, piece by piece. */
export interface Sink {
  /** A buffer for up to `count` bytes at `pos`; a shorter one asks to go on after it. */
  window(count: number, pos: number): Uint8Array;
  /** The buffer is filled. 0, or the negative errno to end with. */
  done(bytes: Uint8Array, pos: number): number;
}

/** Reads past the page cache. */
export class DirectReader<F extends FileIdentity> {
  readonly #context: Context<F>;
  readonly #inline: InlineData<F>;
  readonly #buffered: Buffered<F>;
  readonly #writeback: Writeback<F>;
  readonly #iteration: Iteration<F>;

  constructor(context: Context<F>, inline: InlineData<F>, buffered: Buffered<F>, writeback: Writeback<F>) {
    this.#context = context;
    this.#inline = inline;
    this.#buffered = buffered;
    this.#writeback = writeback;
    this.#iteration = new Iteration(context);
  }

  /**
   * One operation from `pos` on: up to `length` bytes, fewer at the end of the file.
   *
   * @returns bytes, or a negative errno, after progress too
   */
  read(file: FileState<F>, pos: number, length: number, sink: Sink, flags: number): number {
    const wanted = Math.min(length, file.size - pos);
    if (wanted <= 0) return 0;
    const failure = this.#writeback.flush(file, pos, pos + wanted);
    if (failure !== 0) return failure;
    const nowait = (flags & IoFlag.nowait) !== 0 ? Operation.nowait : 0;
    for (let done = 0; done < wanted; ) {
      const iteration = this.#iteration;
      const refused = iteration.begin(file, pos + done, wanted - done, Operation.direct | nowait);
      if (refused === -ENOSYS || refused === -ENOTBLK) {
        return (flags & IoFlag.directOnly) !== 0 ? -EIO : this.#throughCache(file, pos, done, wanted, sink, flags);
      }
      if (refused !== 0) return refused;
      const end = iteration.limit;
      let at = pos + done;
      let failed = 0;
      while (at < end && failed === 0) {
        const window = sink.window(end - at, at);
        failed = this.#fill(file, iteration, at, window) || sink.done(window, at);
        if (failed === 0) at += window.length;
      }
      const ended = iteration.end(at - pos - done);
      if (failed !== 0 || ended !== 0) return failed || ended;
      done = at - pos;
    }
    return wanted;
  }

  #throughCache(file: FileState<F>, pos: number, from: number, wanted: number, sink: Sink, flags: number): number {
    for (let done = from; done < wanted; ) {
      const window = sink.window(wanted - done, pos + done);
      const got = this.#buffered.read(file, pos + done, window, flags);
      if (got <= 0) return got < 0 ? got : done;
      const failure = sink.done(got === window.length ? window : window.subarray(0, got), pos + done);
      if (failure !== 0) return failure;
      done += got;
    }
    return wanted;
  }

  #fill(file: FileState<F>, iteration: Iteration<F>, pos: number, window: Uint8Array): number {
    const { target } = iteration;
    switch (target.type) {
      case MappingType.mapped:
        return this.#fromDevice(file, iteration, pos, window);
      case MappingType.inline:
        return this.#inline.load(file, target, pos, window);
      case MappingType.delalloc:
        return -EIO;
      default:
        window.fill(0);
        return 0;
    }
  }

  /** A device that wants alignment gets it: a window that ends with the file inside a block is read with all of the block. */
  #fromDevice(file: FileState<F>, iteration: Iteration<F>, pos: number, window: Uint8Array): number {
    const { target } = iteration;
    const { io, devices, surroundings } = this.#context;
    const alignment = io.alignment(target);
    if (alignment === 1) {
      if (!isSmallFile(window.length, file.size)) return io.read(target, pos, window);
      surroundings.beforeRead(devices.get(target.dev), target.addr - target.offset);
      const failure = io.read(target, pos, window);
      surroundings.afterRead();
      return failure;
    }
    const addr = target.addr + (pos - target.offset);
    if (addr % alignment !== 0) return -EINVAL;
    const whole = window.length - (window.length % alignment);
    const failure = whole > 0 ? io.read(target, pos, window.subarray(0, whole)) : 0;
    if (failure !== 0 || whole === window.length) return failure;
    const block = new Uint8Array(alignment);
    const failed = io.read(target, pos + whole, block);
    window.set(block.subarray(0, window.length - whole), whole);
    return failed;
  }
}
