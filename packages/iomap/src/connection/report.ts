import type { FileExtent } from "../door.js";
import { EINVAL, EIO, ENOENT, ENOSYS, ENXIO, EOPNOTSUPP, EUCLEAN } from "../errno.js";
import { type Mapping, MappingFlag, MappingType, Operation } from "../mapping.js";
import type { FileIdentity } from "../server.js";
import type { Context } from "./context.js";
import type { FileState } from "./file-state.js";
import { Iteration, MAX_STEPS } from "./iteration.js";
import type { PageCache } from "./pages.js";
import type { Writeback } from "./writeback.js";

/** Flags of a fiemap request, as in Linux; xattr is not answered. */
export const FiemapFlag = { sync: 0x1, xattr: 0x2, cache: 0x4 } as const;

/** Flags of the extents that fiemap names, as in Linux. */
export const ExtentFlag = {
  last: 0x1,
  unknown: 0x2,
  delalloc: 0x4,
  inline: 0x200,
  unwritten: 0x800,
  merged: 0x1000,
  shared: 0x2000,
} as const;

/** Says where a file has data, and where that lies. */
export class Reporter<F extends FileIdentity> {
  readonly #context: Context<F>;
  readonly #pages: PageCache;
  readonly #writeback: Writeback<F>;
  readonly #iteration: Iteration<F>;

  constructor(context: Context<F>, pages: PageCache, writeback: Writeback<F>) {
    this.#context = context;
    this.#pages = pages;
    this.#writeback = writeback;
    this.#iteration = new Iteration(context);
  }

  seek(file: FileState<F>, offset: number, wanted: "data" | "hole"): number {
    const { size } = file;
    if (!Number.isInteger(offset)) return -EINVAL;
    if (!(offset >= 0 && offset < size)) return -ENXIO;
    const iteration = this.#iteration;
    let at = offset;
    for (let step = 0; at < size; step++) {
      if (step === MAX_STEPS) return -EIO;
      const failure = iteration.begin(file, at, size - at, Operation.report);
      if (failure === -ENOSYS) return this.#seekAtServer(file, offset, wanted);
      if (failure !== 0) return failure;
      const end = Math.min(iteration.limit, size);
      const found = this.#seekInside(file, iteration.target, at, end, wanted);
      const ended = iteration.end((found < 0 ? end : found) - at);
      if (ended !== 0) return ended;
      if (found >= 0) return found;
      at = end;
    }
    return wanted === "hole" ? size : -ENXIO;
  }

  /** Where in [from, end) of one mapping there is what is wanted; -1 for nowhere. */
  #seekInside(file: FileState<F>, mapping: Mapping, from: number, end: number, wanted: "data" | "hole"): number {
    const wantsHole = wanted === "hole";
    if (mapping.type === MappingType.hole) return wantsHole ? from : -1;
    if (mapping.type !== MappingType.unwritten) return wantsHole ? -1 : from;
    // Space that was written to in the cache alone is data, too.
    const { blockSize } = file.limits;
    for (let at = from; at < end; ) {
      const page = this.#pages.find(file, at);
      if (page !== undefined && page.isUpToDate(at) !== wantsHole) return at;
      if (page !== undefined) at = at - (at % blockSize) + blockSize;
      else if (wantsHole) return at;
      else at = this.#nextPage(file, at, end);
    }
    return -1;
  }

  /** Start of the next page in memory, so that a long range without any takes no longer than they are many. */
  #nextPage(file: FileState<F>, after: number, end: number): number {
    const { pageBytes } = this.#pages;
    const next = (Math.floor(after / pageBytes) + 1) * pageBytes;
    if ((end - next) / pageBytes <= file.pages.size) return next;
    let nearest = end;
    for (const page of file.pages.values()) if (page.start > after && page.start < nearest) nearest = page.start;
    return nearest;
  }

  #seekAtServer(file: FileState<F>, offset: number, wanted: "data" | "hole"): number {
    const found = this.#context.server.seek(file.identity, offset, wanted);
    if (found < 0 && found !== -ENOSYS) return found;
    if (found >= offset && found <= file.limits.maxBytes) return found;
    if (found >= 0) return this.#context.refuse(EUCLEAN, `the server found ${wanted} at ${found}, from ${offset} on`);
    return wanted === "hole" ? file.size : offset;
  }

  fiemap(
    file: FileState<F>,
    start: number,
    length: number,
    flags: number,
    visit: (extent: FileExtent) => boolean,
  ): number {
    if ((flags & ~(FiemapFlag.sync | FiemapFlag.cache)) !== 0) return -EOPNOTSUPP;
    const { maxBytes } = file.limits;
    if (!(Number.isSafeInteger(start) && start >= 0 && length > 0) || start >= maxBytes) return -EINVAL;
    const flushed = (flags & FiemapFlag.sync) !== 0 ? this.#writeback.flush(file) : 0;
    if (flushed !== 0) return flushed;
    const end = Math.min(start + length, maxBytes);
    const iteration = this.#iteration;
    /** The extent before, which is the last one when no other follows. */
    let last: FileExtent | undefined;
    let at = start;
    for (let step = 0; at < end; step++) {
      if (step === MAX_STEPS) return -EIO;
      const failure = iteration.begin(file, at, end - at, Operation.report);
      if (failure === -ENOENT) break;
      if (failure !== 0) return failure;
      const until = iteration.limit;
      const extent = toExtent(iteration.target, at, until);
      const ended = iteration.end(until - at);
      if (ended !== 0) return ended;
      if (extent !== undefined) {
        if (last !== undefined && !visit(last)) return 0;
        last = extent;
      }
      at = until;
    }
    if (last !== undefined) visit({ ...last, flags: last.flags | ExtentFlag.last });
    return 0;
  }

  bmap(file: FileState<F>, block: number): number {
    const { blockSize, maxBytes } = file.limits;
    if (!(Number.isSafeInteger(block) && block >= 0) || block * blockSize >= maxBytes) return 0;
    const flushed = this.#writeback.flush(file);
    if (flushed !== 0) return flushed;
    const iteration = this.#iteration;
    const failure = iteration.begin(file, block * blockSize, blockSize, Operation.report);
    if (failure !== 0) return 0;
    const { target } = iteration;
    const addr = target.type === MappingType.mapped ? target.addr + (block * blockSize - target.offset) : 0;
    const ended = iteration.end(blockSize);
    return ended < 0 ? ended : Math.floor(addr / blockSize);
  }
}

function toExtent(mapping: Readonly<Mapping>, from: number, until: number): FileExtent | undefined {
  if (mapping.type === MappingType.hole) return undefined;
  let flags = 0;
  if (mapping.type === MappingType.unwritten) flags = ExtentFlag.unwritten;
  if (mapping.type === MappingType.delalloc) flags = ExtentFlag.delalloc | ExtentFlag.unknown;
  if (mapping.type === MappingType.inline) flags = ExtentFlag.inline;
  if ((mapping.flags & MappingFlag.merged) !== 0) flags |= ExtentFlag.merged;
  if ((mapping.flags & MappingFlag.shared) !== 0) flags |= ExtentFlag.shared;
  // A mapping starts with a block, which is where an extent starts: what was asked for may begin inside.
  const offset = Math.max(mapping.offset, from);
  const addr = mapping.isOnDevice ? mapping.addr + (offset - mapping.offset) : 0;
  return { offset, length: until - offset, addr, dev: mapping.isOnDevice ? mapping.dev : 0, flags };
}
