import { EIO } from "../errno.js";
import { IoendFlag, MappingFlag, MappingType, NULL_ADDR, Operation } from "../mapping.js";
import type { FileIdentity } from "../server.js";
import type { Context } from "./context.js";
import type { FileState } from "./file-state.js";
import type { Ioends } from "./ioends.js";
import { Iteration } from "./iteration.js";
import type { Page, PageCache } from "./pages.js";

/** One write to a device, or several that continue each other. */
interface Completion {
  pos: number;
  length: number;
  readonly dev: number;
  readonly addr: number;
  readonly flags: number;
  readonly error: number;
  readonly keepsMappings: boolean;
}

/** Brings dirty pages to the device, and tells the server. */
export class Writeback<F extends FileIdentity> {
  readonly #context: Context<F>;
  readonly #pages: PageCache;
  readonly #ioends: Ioends<F>;
  readonly #iteration: Iteration<F>;
  #completions: Completion[] = [];
  #isRunning = false;

  constructor(context: Context<F>, pages: PageCache, ioends: Ioends<F>) {
    this.#context = context;
    this.#pages = pages;
    this.#ioends = ioends;
    this.#iteration = new Iteration(context);
  }

  /**
   * Writes back what is dirty of [from, end), and waits. Afterwards nothing of it is dirty, whatever happened.
   *
   * @returns 0, or the first negative errno, which the next fsync reports as well
   */
  flush(file: FileState<F>, from = 0, end = Number.MAX_SAFE_INTEGER): number {
    if (file.dirtyPages.size === 0 || this.#isRunning) return 0;
    this.#isRunning = true;
    this.#completions = [];
    let failure = 0;
    const pages = [...file.dirtyPages].filter((page) => page.start < end && page.end > from);
    pages.sort((a, b) => a.index - b.index);
    for (let first = 0; first < pages.length; ) {
      let after = first + 1;
      while (after < pages.length && pages[after]!.index === pages[after - 1]!.index + 1) after++;
      failure = this.#writeNeighbours(file, pages, first, after) || failure;
      first = after;
    }
    this.#iteration.forget();
    failure = this.#complete(file) || failure;
    file.writeError ||= failure;
    this.#isRunning = false;
    return failure;
  }

  /** Writes the dirty runs of pages[first, after), which follow each other in the file. */
  #writeNeighbours(file: FileState<F>, pages: Page[], first: number, after: number): number {
    const { blockSize } = file.limits;
    let failure = 0;
    let start = -1;
    for (let n = first; n < after; n++) {
      const page = pages[n]!;
      for (let at = page.start; at < page.end; at += blockSize) {
        const dirty = page.isDirty(at);
        if (dirty && start < 0) start = at;
        if (dirty || start < 0) continue;
        failure = this.#writeRun(file, start, at) || failure;
        start = -1;
      }
    }
    if (start >= 0) failure = this.#writeRun(file, start, pages[after - 1]!.end) || failure;
    return failure;
  }

  /** Writes [from, until), all of it dirty. What a growing file has zeroed behind its end is written, the rest there is not. */
  #writeRun(file: FileState<F>, from: number, until: number): number {
    const { blockSize } = file.limits;
    const fileEnd = Math.ceil(Math.max(file.size, file.zeroedUntil) / blockSize) * blockSize;
    const end = Math.min(until, fileEnd);
    let failure = 0;
    for (let at = from; at < end; ) {
      const iteration = this.#iteration;
      const asks = !iteration.covers(file, at);
      const refused = asks ? iteration.begin(file, at, end - at, Operation.writeback) : 0;
      const pageEnd = this.#pages.find(file, at)!.end;
      let next = Math.min(end, pageEnd);
      if (refused !== 0) {
        failure = this.#giveUp(file, at, next, refused) || failure;
      } else {
        const writes = iteration.target.isOnDevice || iteration.target.type === MappingType.hole;
        next = Math.min(writes ? end : next, iteration.reach);
        failure = this.#submit(file, at, next) || failure;
        if (asks) failure = iteration.end(next - at) || failure;
      }
      this.#clean(file, at, next);
      at = next;
    }
    this.#clean(file, Math.max(from, end), until);
    return failure;
  }

  #clean(file: FileState<F>, from: number, until: number): void {
    for (let at = from; at < until; ) {
      const page = this.#pages.find(file, at)!;
      this.#pages.markClean(page, at, Math.min(until, page.end));
      at = page.end;
    }
  }

  /** What cannot be mapped is not written. */
  #giveUp(file: FileState<F>, from: number, until: number, error: number): number {
    this.#iteration.forget();
    this.#ioends.complete(file, 0, error, from, until - from, true);
    return error;
  }

  /** Writes [from, until), which the current mapping covers. */
  #submit(file: FileState<F>, from: number, until: number): number {
    const { target } = this.#iteration;
    if (target.type === MappingType.hole) return 0;
    if (!target.isOnDevice) return this.#giveUp(file, from, until, -EIO);
    let failure = 0;
    for (let at = from; at < until && failure === 0; ) {
      const page = this.#pages.find(file, at)!;
      const end = Math.min(until, page.end);
      // What lies behind the end of the file is zeros on the device, whatever a mapping of it has left there.
      if (file.size < end) page.data.fill(0, Math.max(file.size, page.start) - page.start, end - page.start);
      failure = this.#context.io.write(target, at, page.data.subarray(at - page.start, end - page.start));
      at = end;
    }
    this.#queue(from, Math.min(until, file.size), failure);
    return failure;
  }

  #queue(from: number, until: number, error: number): void {
    if (until <= from) return;
    const { target, hasSource } = this.#iteration;
    const isUnwritten = target.type === MappingType.unwritten;
    let flags: number = IoendFlag.writeback;
    if (isUnwritten) flags |= IoendFlag.unwritten;
    if ((target.flags & MappingFlag.shared) !== 0) flags |= IoendFlag.shared;
    if ((target.flags & MappingFlag.boundary) !== 0 && from === target.offset) flags |= IoendFlag.boundary;
    this.#completions.push({
      pos: from,
      length: until - from,
      dev: target.dev,
      addr: target.addr + (from - target.offset),
      flags,
      error,
      keepsMappings: !isUnwritten && !hasSource && (target.flags & (MappingFlag.new | MappingFlag.shared)) === 0,
    });
  }

  /** Tells of the writes in the order of the file, neighbours as one. */
  #complete(file: FileState<F>): number {
    const completions = this.#completions.sort((a, b) => a.pos - b.pos);
    let failure = 0;
    for (let n = 0; n < completions.length; ) {
      const whole = completions[n]!;
      n++;
      while (n < completions.length && continues(whole, completions[n]!)) {
        whole.length += completions[n]!.length;
        n++;
      }
      const { flags, error, pos, length, keepsMappings, dev, addr } = whole;
      failure = this.#ioends.complete(file, flags, error, pos, length, keepsMappings, dev, addr) || failure;
    }
    this.#completions = [];
    return failure;
  }
}

function continues(left: Completion, right: Completion): boolean {
  if ((right.flags & IoendFlag.boundary) !== 0 || left.error !== right.error || left.dev !== right.dev) return false;
  const alike = (left.flags & ~IoendFlag.boundary) === right.flags && left.keepsMappings === right.keepsMappings;
  const addr = left.addr === NULL_ADDR ? NULL_ADDR : left.addr + left.length;
  return alike && left.pos + left.length === right.pos && addr === right.addr;
}
