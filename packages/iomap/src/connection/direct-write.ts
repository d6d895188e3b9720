import { BlockEdges, isFresh } from "../block-edges.js";
import { IoFlag } from "../door.js";
import { EAGAIN, EINVAL, EIO, ENOMEM, ENOSYS, ENOTBLK } from "../errno.js";
import { IoendFlag, type Mapping, MappingFlag, MappingType, Operation } from "../mapping.js";
import type { FileIdentity } from "../server.js";
import type { Context } from "./context.js";
import type { FileState } from "./file-state.js";
import type { InlineData } from "./inline.js";
import type { Ioends } from "./ioends.js";
import { Iteration, MAX_STILL } from "./iteration.js";
import type { PageCache } from "./pages.js";
import type { Writeback } from "./writeback.js";

/** Where the bytes of a write come from, piece by piece. */
export interface Source {
  /** Up to `count` bytes for `pos`: what does not come ends the write, as does a negative errno. */
  next(count: number, pos: number): Uint8Array | number;
  /** Most bytes that come at once: a multiple of the block size, or all. */
  readonly most: number;
}

/** Writes past the page cache. */
export class DirectWriter<F extends FileIdentity> {
  readonly #context: Context<F>;
  readonly #pages: PageCache;
  readonly #inline: InlineData<F>;
  readonly #writeback: Writeback<F>;
  readonly #ioends: Ioends<F>;
  readonly #iteration: Iteration<F>;
  readonly #edges: BlockEdges<FileState<F>>;
  #flags = 0;
  #keepsMappings = true;
  #ended = false;
  /** Device of the last piece, and whether making it durable is all that the data needs. */
  #device = 0;
  #isDurableWithDevice = true;

  constructor(
    context: Context<F>,
    pages: PageCache,
    inline: InlineData<F>,
    writeback: Writeback<F>,
    ioends: Ioends<F>,
  ) {
    this.#context = context;
    this.#pages = pages;
    this.#inline = inline;
    this.#writeback = writeback;
    this.#ioends = ioends;
    this.#iteration = new Iteration(context);
    this.#edges = new BlockEdges(context.io, (file, mapping, start, block) => inline.load(file, mapping, start, block));
  }

  /**
   * One operation from `pos` on. Its ioend has been answered when this returns.
   *
   * @returns bytes, fewer when the source ended; a negative errno, after progress too unless asked for `partial`: -ENOTBLK when it has to go through the
   *   page cache, `done` bytes being written
   */
  write(file: FileState<F>, pos: number, length: number, source: Source, flags: number): number {
    this.done = 0;
    const isAtomic = (flags & IoFlag.atomic) !== 0;
    if (this.#writeback.flush(file, pos, pos + length) !== 0) return isAtomic ? -EAGAIN : -ENOTBLK;
    this.#pages.dropRange(file, pos, pos + length);
    this.#flags = IoendFlag.direct;
    this.#keepsMappings = true;
    this.#ended = false;
    this.#device = 0;
    this.#isDurableWithDevice = true;
    let operation = Operation.write | Operation.direct;
    if ((flags & IoFlag.nowait) !== 0) operation |= Operation.nowait;
    if ((flags & IoFlag.overwriteOnly) !== 0) operation |= Operation.overwriteOnly;
    if (isAtomic) operation |= Operation.atomic;
    let error = 0;
    for (let still = 0; this.done < length && error === 0 && !this.#ended; ) {
      const before = this.done;
      error = still < MAX_STILL ? this.#step(file, pos, length, source, operation) : -EIO;
      still = this.done > before ? 0 : still + 1;
    }
    const { done } = this;
    const falls = error === -ENOTBLK || error === -ENOSYS;
    const isShort = done > 0 && (flags & IoFlag.partial) !== 0;
    const failed = falls || isShort ? 0 : error;
    const answer = this.#ioends.complete(file, this.#flags, failed, pos, done, this.#keepsMappings);
    // Somebody may have read the range into the cache meanwhile: a server that reads what it is asked about.
    this.#pages.dropRange(file, pos, pos + length);
    if (answer !== 0) return answer;
    return falls ? -ENOTBLK : done;
  }

  /** Bytes that the last write has written. */
  done = 0;

  /** Whether the last write needs no more than its device flushed to be durable. @returns undefined when it does */
  flushDevice(): number | undefined {
    return this.#isDurableWithDevice && this.#device !== 0 ? this.#context.io.flush(this.#device) : undefined;
  }

  /** One mapping's worth. 0, or a negative errno. */
  #step(file: FileState<F>, pos: number, length: number, source: Source, operation: number): number {
    const iteration = this.#iteration;
    const at = pos + this.done;
    const refused = iteration.begin(file, at, length - this.done, operation);
    if (refused !== 0) return refused;
    const { target } = iteration;
    const end = iteration.limit;
    const mustCover = (target.flags & MappingFlag.atomicBio) !== 0;
    let failure = 0;
    if (mustCover && end < pos + length) failure = -EINVAL;
    else if (target.type === MappingType.inline) failure = this.#toInline(file, at, end, source);
    else if (!target.isOnDevice) failure = -EIO;
    else failure = this.#toDevice(file, at, end, source);
    const written = pos + this.done - at;
    const grew = written > 0 && at + written > file.size;
    const ended = iteration.end(written, grew ? MappingFlag.sizeChanged : 0);
    return failure || ended;
  }

  #toInline(file: FileState<F>, at: number, end: number, source: Source): number {
    if (this.#iteration.target.length > file.limits.blockSize) return -ENOMEM;
    while (at < end && !this.#ended) {
      const bytes = this.#next(source, end - at, at);
      if (typeof bytes === "number") return bytes;
      const put = this.#inline.store(file, this.#iteration.target, at, bytes);
      if (put < 0) return put;
      this.done += put;
      at += put;
    }
    return 0;
  }

  /** Takes bytes from the source; fewer than asked for end the operation. */
  #next(source: Source, count: number, pos: number): Uint8Array | number {
    const bytes = source.next(count, pos);
    if (typeof bytes !== "number" && bytes.length === count) return bytes;
    this.#ended = true;
    return typeof bytes === "number" && bytes >= 0 ? new Uint8Array(0) : bytes;
  }

  #toDevice(file: FileState<F>, from: number, end: number, source: Source): number {
    const { target, hasSource } = this.#iteration;
    const { blockSize } = file.limits;
    this.#note(target, hasSource);
    for (let at = from; at < end && !this.#ended; ) {
      // Pieces end with a block, so that none completes a block that the next would go on with.
      const reach = at + source.most;
      const until = reach >= end ? end : reach - (reach % blockSize);
      const bytes = this.#next(source, until - at, at);
      if (typeof bytes === "number") return bytes;
      if (bytes.length === 0) break;
      const failure = this.#put(file, at, bytes);
      if (failure !== 0) return failure;
      this.done += bytes.length;
      at += bytes.length;
    }
    return 0;
  }

  #put(file: FileState<F>, pos: number, bytes: Uint8Array): number {
    const { target, source, hasSource } = this.#iteration;
    const { io } = this.#context;
    const { blockSize } = file.limits;
    const fresh = hasSource || isFresh(target);
    if (fresh || io.alignment(target) > 1)
      return this.#edges.write(file, blockSize, target, fresh ? source : target, pos, bytes);
    const end = pos + bytes.length;
    const tail = end % blockSize;
    const failure = io.write(target, pos, bytes);
    // What lies behind the end of the file is not to be seen when it grows.
    return failure !== 0 || tail === 0 || end < file.size
      ? failure
      : io.writeZeros(target, end, end - tail + blockSize);
  }

  /** What the ioend, and a data sync, must know of a mapping that is written to. */
  #note(target: Readonly<Mapping>, hasSource: boolean): void {
    const isPlain = target.type === MappingType.mapped && !hasSource;
    const special = MappingFlag.new | MappingFlag.shared;
    if (target.type === MappingType.unwritten) this.#flags |= IoendFlag.unwritten;
    if ((target.flags & MappingFlag.shared) !== 0) this.#flags |= IoendFlag.shared;
    if (!isPlain || (target.flags & special) !== 0) this.#keepsMappings = false;
    if (!isPlain || (target.flags & (special | MappingFlag.dirty)) !== 0) this.#isDurableWithDevice = false;
    if (this.#device !== 0 && this.#device !== target.dev) this.#isDurableWithDevice = false;
    this.#device = target.dev;
  }
}
