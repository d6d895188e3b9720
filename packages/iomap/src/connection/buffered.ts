import { IoFlag } from "../door.js";
import { EIO, ENOMEM } from "../errno.js";
import { MappingFlag, MappingType, Operation } from "../mapping.js";
import type { FileIdentity } from "../server.js";
import type { Context } from "./context.js";
import type { FileState } from "./file-state.js";
import type { InlineData } from "./inline.js";
import { Iteration, MAX_STEPS, MAX_STILL } from "./iteration.js";
import type { Page, PageCache } from "./pages.js";

/** Bytes that are read ahead when a reader has just turned out to be sequential. */
const FIRST_READ_AHEAD = 128 * 1024;

/** Reads and writes through the page cache. */
export class Buffered<F extends FileIdentity> {
  readonly #context: Context<F>;
  readonly #pages: PageCache;
  readonly #inline: InlineData<F>;
  readonly #reading: Iteration<F>;
  readonly #writing: Iteration<F>;
  /** What the step of a write came to, besides its bytes. */
  #failure = 0;
  #isStale = false;

  constructor(context: Context<F>, pages: PageCache, inline: InlineData<F>) {
    this.#context = context;
    this.#pages = pages;
    this.#inline = inline;
    this.#reading = new Iteration(context);
    this.#writing = new Iteration(context);
  }

  /** @returns bytes, or a negative errno when there are none */
  read(file: FileState<F>, pos: number, target: Uint8Array, flags: number): number {
    const wanted = Math.min(target.length, file.size - pos);
    const isSequential = pos === file.nextRead;
    file.readAhead = isSequential ? Math.min(Math.max(file.readAhead * 2, FIRST_READ_AHEAD), this.#pages.readAhead) : 0;
    const operation = (flags & IoFlag.nowait) !== 0 ? Operation.nowait : Operation.read;
    let done = 0;
    for (let still = 0; done < wanted; ) {
      const moved = this.#copyOut(file, pos + done, target, done, wanted - done);
      done += moved;
      still = moved > 0 ? 0 : still + 1;
      if (done === wanted) break;
      const got = still < MAX_STILL ? this.#fill(file, pos + done, wanted - done, operation) : -EIO;
      if (got < 0) return done > 0 ? done : got;
    }
    file.nextRead = pos + Math.max(done, 0);
    return Math.max(done, 0);
  }

  /** Copies what is up to date from `pos` on. @returns bytes */
  #copyOut(file: FileState<F>, pos: number, target: Uint8Array, at: number, count: number): number {
    const { blockSize } = file.limits;
    const end = pos + count;
    let from = pos;
    while (from < end) {
      const page = this.#pages.find(file, from);
      if (page === undefined) break;
      const limit = Math.min(end, page.end);
      let until = from;
      while (until < limit && page.isUpToDate(until)) until = until - (until % blockSize) + blockSize;
      until = Math.min(until, limit);
      if (until === from) break;
      this.#pages.touch(page);
      target.set(page.data.subarray(from - page.start, until - page.start), at + (from - pos));
      from = until;
      if (until < limit) break;
    }
    return from - pos;
  }

  /** Reads into the cache from the block of `pos` on, further than `count` for a sequential reader. 0, or a negative errno. */
  #fill(file: FileState<F>, pos: number, count: number, operation: number): number {
    const { blockSize } = file.limits;
    const start = pos - (pos % blockSize);
    const fileEnd = Math.ceil(file.size / blockSize) * blockSize;
    const ahead = Math.min(pos + count + file.readAhead, start + this.#pages.mostAtOnce, fileEnd);
    const end = this.#missing(file, start, Math.ceil(ahead / blockSize) * blockSize);
    const iteration = this.#reading;
    const failure = iteration.begin(file, start, end - start, operation);
    if (failure !== 0) return failure;
    const limit = Math.min(end, iteration.limit);
    let at = start;
    let failed = 0;
    while (at < limit && failed === 0) {
      const page = this.#pages.obtain(file, at);
      // To make room, others may have been written back, and that may have changed what is known of this file.
      if (iteration.isStale) break;
      const until = Math.min(limit, page.end);
      page.isPinned = true;
      failed = this.#fillBlocks(file, iteration, page, at, until);
      page.isPinned = false;
      if (failed === 0) at = until;
    }
    const ended = iteration.end(at - start, iteration.isStale ? MappingFlag.stale : 0);
    if (at > start) return 0;
    return failed || ended;
  }

  /** End of the blocks from `start` on of which none is up to date; the first is not. */
  #missing(file: FileState<F>, start: number, end: number): number {
    const { blockSize } = file.limits;
    let at = start + blockSize;
    while (at < end) {
      const page = this.#pages.find(file, at);
      if (page === undefined) at = Math.floor(at / this.#pages.pageBytes + 1) * this.#pages.pageBytes;
      else if (page.isUpToDate(at)) return at;
      else at += blockSize;
    }
    return end;
  }

  /** Brings whole blocks [from, until) of a page up to date, from where the mapping says that the old data is. */
  #fillBlocks(file: FileState<F>, iteration: Iteration<F>, page: Page, from: number, until: number): number {
    const { old } = iteration;
    const target = page.data.subarray(from - page.start, until - page.start);
    const there = Math.min(until, Math.ceil(file.size / file.limits.blockSize) * file.limits.blockSize);
    const isMapped = old.type === MappingType.mapped && (old.flags & MappingFlag.new) === 0;
    let failure = 0;
    if (old.type === MappingType.inline) {
      failure = this.#inline.load(file, old, from, target);
    } else if (isMapped && there > from) {
      const data = there === until ? target : target.subarray(0, there - from);
      failure = this.#context.io.read(old, from, data);
      // Behind the end of the file is whatever a mapping of it has left there.
      target.fill(0, Math.max(0, Math.min(there, file.size) - from));
    } else {
      target.fill(0);
    }
    if (failure !== 0) return failure;
    for (let at = from; at < until; at += file.limits.blockSize) page.setUpToDate(at);
    return 0;
  }

  /**
   * Writes `source`, or zeros, to [pos, pos + count).
   *
   * @param operation Operation.write with flags, zero or unshare: those two never change the size
   * @returns bytes, or a negative errno when there are none
   */
  write(file: FileState<F>, pos: number, source: Uint8Array | undefined, count: number, operation: number): number {
    let done = 0;
    this.#failure = 0;
    for (let still = 0, steps = 0; done < count; steps++) {
      const limited = steps < MAX_STEPS || source !== undefined;
      const moved = still < MAX_STILL && limited ? this.#writeStep(file, pos, done, count, source, operation) : -EIO;
      if (moved < 0) this.#failure = moved;
      else done += moved;
      still = moved > 0 ? 0 : still + 1;
      if (this.#failure !== 0) return done > 0 ? done : this.#failure;
    }
    return done;
  }

  /** One mapping's worth. @returns bytes done, with #failure set when that ends the operation; or a negative errno */
  #writeStep(
    file: FileState<F>,
    start: number,
    done: number,
    count: number,
    source: Uint8Array | undefined,
    operation: number,
  ): number {
    this.#failure = 0;
    this.#isStale = false;
    const iteration = this.#writing;
    const pos = start + done;
    const failure = iteration.begin(file, pos, count - done, operation);
    if (failure !== 0) return failure;
    const end = iteration.limit;
    const { target } = iteration;
    if ((operation & (Operation.zero | Operation.unshare)) !== 0) {
      const skipped = this.#skips(file, iteration, pos, end, operation);
      if (skipped !== 0) return skipped === IS_STALE ? this.#endStep(0, MappingFlag.stale) : this.#endStep(skipped, 0);
    }
    if (target.type === MappingType.inline) {
      if (target.length > file.limits.blockSize) return -ENOMEM;
      const bytes = source?.subarray(done, done + end - pos) ?? new Uint8Array(end - pos);
      return this.#store(file, iteration, pos, bytes);
    }
    if (target.type === MappingType.hole) return this.#endFailed(-EIO);
    const size = file.size;
    const moved = this.#toPages(file, iteration, pos, end, source, done, operation);
    const flags = (file.size > size ? MappingFlag.sizeChanged : 0) | (this.#isStale ? MappingFlag.stale : 0);
    return this.#endStep(moved, flags);
  }

  #endStep(moved: number, flags: number): number {
    const ended = this.#writing.end(moved, flags);
    if (ended < 0) return ended;
    return moved;
  }

  #endFailed(error: number): number {
    this.#writing.end(0);
    return error;
  }

  /** Bytes of a range to zero, or to unshare, that are right already; or that the mapping has to be asked for again. */
  #skips(file: FileState<F>, iteration: Iteration<F>, pos: number, end: number, operation: number): number {
    const { old } = iteration;
    if (old.type === MappingType.hole) return end - pos;
    if ((operation & Operation.unshare) !== 0) {
      const isShared = iteration.hasSource || (iteration.target.flags & MappingFlag.shared) !== 0;
      const isInline = iteration.target.type === MappingType.inline;
      const isData = old.type === MappingType.mapped || (old.type === MappingType.inline && !isInline);
      return isShared && isData ? 0 : end - pos;
    }
    if (old.type !== MappingType.unwritten) return 0;
    if (!this.#isDirty(file, pos, end)) return end - pos;
    this.#pages.writeBack(file);
    return IS_STALE;
  }

  #isDirty(file: FileState<F>, from: number, end: number): boolean {
    for (const page of file.dirtyPages) {
      if (page.start >= end || page.end <= from) continue;
      for (let at = Math.max(from, page.start); at < Math.min(end, page.end); at += file.limits.blockSize) {
        if (page.isDirty(at)) return true;
      }
      if (page.isDirty(Math.min(end, page.end) - 1)) return true;
    }
    return false;
  }

  /** The data of an inline mapping is the server's; only what the cache has of it is changed here. */
  #store(file: FileState<F>, iteration: Iteration<F>, pos: number, bytes: Uint8Array): number {
    const put = this.#inline.store(file, iteration.target, pos, bytes);
    if (put < 0) return put;
    this.#pages.dropRange(file, pos, pos + put);
    return put;
  }

  /** Copies into pages. @returns bytes; #failure or #isStale say why not all */
  #toPages(
    file: FileState<F>,
    iteration: Iteration<F>,
    pos: number,
    end: number,
    source: Uint8Array | undefined,
    done: number,
    operation: number,
  ): number {
    const grows = (operation & (Operation.zero | Operation.unshare)) === 0;
    const unshares = (operation & Operation.unshare) !== 0;
    let at = pos;
    while (at < end) {
      const page = this.#pages.obtain(file, at);
      if (iteration.isStale) {
        this.#isStale = true;
        break;
      }
      const until = Math.min(end, page.end);
      page.isPinned = true;
      const failure = this.#completeEdges(file, iteration, page, at, until, unshares);
      page.isPinned = false;
      if (failure !== 0) {
        this.#failure = failure;
        break;
      }
      const from = at - page.start;
      if (source !== undefined) {
        page.data.set(source.subarray(done + (at - pos), done + (until - pos)), from);
      } else if (!unshares) {
        page.data.fill(0, from, until - page.start);
      }
      this.#pages.markDirty(page, at, until);
      if (grows) file.size = Math.max(file.size, until);
      at = until;
      this.#pages.balance(file);
    }
    return at - pos;
  }

  /** Reads the blocks that are written in part, or with `all` every block, unless they are in memory. */
  #completeEdges(
    file: FileState<F>,
    iteration: Iteration<F>,
    page: Page,
    from: number,
    until: number,
    all: boolean,
  ): number {
    const { blockSize } = file.limits;
    const first = from - (from % blockSize);
    const last = Math.floor((until - 1) / blockSize) * blockSize;
    for (let block = first; block <= last; block += all ? blockSize : Math.max(blockSize, last - first)) {
      const isPartial = all || block < from || block + blockSize > until;
      if (!isPartial || page.isUpToDate(block)) continue;
      const failure = this.#fillBlocks(file, iteration, page, block, block + blockSize);
      if (failure !== 0) return failure;
    }
    return 0;
  }

  /** Makes [pos, end) read as zeros where it has space. 0, or a negative errno. */
  zero(file: FileState<F>, pos: number, end: number): number {
    return this.all(file, pos, end, Operation.zero);
  }

  /** `write` without data, whole or not at all. */
  all(file: FileState<F>, pos: number, end: number, operation: number): number {
    if (pos >= end) return 0;
    const done = this.write(file, pos, undefined, end - pos, operation);
    if (done < 0) return done;
    return done < end - pos ? this.#failure || -EIO : 0;
  }
}

/** Instead of bytes: the mapping changed. */
const IS_STALE = -1;
