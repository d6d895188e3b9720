import { type FileExtent, IoFlag, type IomapFile, type SwapExtent } from "../door.js";
import { EBUSY, EDEADLK, EFBIG, EINVAL, EIO, ENOTBLK, EOPNOTSUPP, EPERM, EROFS, ETXTBSY } from "../errno.js";
import { Operation } from "../mapping.js";
import type { FileIdentity } from "../server.js";
import type { Sink } from "./direct-read.js";
import type { Source } from "./direct-write.js";
import type { FileState } from "./file-state.js";
import type { Machinery } from "./machinery.js";
import { BufferSink, BufferSource, StreamSink, StreamSource } from "./streams.js";

const SYNCING = IoFlag.sync | IoFlag.dataSync;

/** The door of one file: what may be done at all is decided here, and whose work it is. */
export class OpenFile<F extends FileIdentity> implements IomapFile<F> {
  readonly #file: FileState<F>;
  readonly #parts: Machinery<F>;

  constructor(file: FileState<F>, parts: Machinery<F>) {
    this.#file = file;
    this.#parts = parts;
  }

  get identity(): F {
    return this.#file.identity;
  }

  get size(): number {
    return this.#file.size;
  }

  get diskSize(): number {
    return this.#file.diskSize;
  }

  get blockSize(): number {
    return this.#file.limits.blockSize;
  }

  get dirtyBytes(): number {
    return this.#file.dirtyBytes;
  }

  read(pos: number, target: Uint8Array, flags = 0): number {
    const refused = this.#refusal(pos);
    if (refused !== 0) return refused;
    const got = this.#parts.buffered.read(this.#file, pos, target, flags);
    if (got > 0 && (flags & IoFlag.dontCache) !== 0) this.#parts.pages.dropRange(this.#file, pos, pos + got);
    return got;
  }

  write(pos: number, source: Uint8Array, flags = 0): number {
    if ((flags & IoFlag.atomic) !== 0) return -EOPNOTSUPP;
    const start = (flags & IoFlag.append) !== 0 ? this.#file.size : pos;
    const count = this.#prepareWrite(start, source.length);
    if (count <= 0) return count;
    const done = this.#buffer(start, source, count, flags);
    return done > 0 ? this.#afterWrite(start, done, flags) : done;
  }

  #buffer(pos: number, source: Uint8Array, count: number, flags: number): number {
    let operation: number = Operation.write;
    if ((flags & IoFlag.nowait) !== 0) operation |= Operation.nowait;
    if ((flags & IoFlag.dontCache) !== 0) operation |= Operation.dontCache;
    const done = this.#parts.buffered.write(this.#file, pos, source, count, operation);
    this.#file.zeroedUntil = 0;
    return done;
  }

  /** Makes durable, or lets go, what was asked for. @returns `done`, or a negative errno */
  #afterWrite(pos: number, done: number, flags: number): number {
    const { writeback, pages } = this.#parts;
    if ((flags & SYNCING) !== 0 || this.#file.isSync) {
      const failure = this.#sync((flags & IoFlag.sync) === 0 && !this.#file.isSync);
      if (failure !== 0) return failure;
    }
    if ((flags & IoFlag.dontCache) !== 0) {
      writeback.flush(this.#file, pos, pos + done);
      pages.dropRange(this.#file, pos, pos + done);
    }
    return done;
  }

  readDirect(pos: number, target: Uint8Array, flags = 0): number {
    return this.#readDirect(pos, target.length, new BufferSink(target, pos), flags);
  }

  streamOut(
    pos: number,
    length: number,
    buffer: Uint8Array,
    take: (bytes: Uint8Array, pos: number) => number,
    flags = 0,
  ): number {
    if (buffer.length < this.blockSize) return -EINVAL;
    return this.#readDirect(pos, length, new StreamSink(buffer, take, this.blockSize), flags);
  }

  #readDirect(pos: number, length: number, sink: Sink, flags: number): number {
    const refused = this.#refusal(pos);
    if (refused !== 0) return refused;
    return this.#parts.reader.read(this.#file, pos, length, sink, flags);
  }

  writeDirect(pos: number, source: Uint8Array, flags = 0): number {
    return this.#writeDirect(pos, source.length, (start) => new BufferSource(source, start), flags);
  }

  streamIn(
    pos: number,
    length: number,
    buffer: Uint8Array,
    give: (target: Uint8Array, pos: number) => number,
    flags = 0,
  ): number {
    if (buffer.length < this.blockSize) return -EINVAL;
    const { blockSize } = this;
    return this.#writeDirect(pos, length, () => new StreamSource(buffer, give, blockSize), flags);
  }

  submitRead(pos: number, target: Uint8Array, done: (result: number) => void): number | undefined {
    const refused = this.#refusal(pos);
    if (refused !== 0) return refused;
    return this.#parts.submitted.read(this.#file, pos, target, () => this.readDirect(pos, target), done);
  }

  submitWrite(pos: number, source: Uint8Array, done: (result: number) => void, flags = 0): number | undefined {
    const file = this.#file;
    const { submitted } = this.#parts;
    const refused = this.#refusal(pos) || this.#prohibition();
    if (refused !== 0) return refused;
    const now = () => this.writeDirect(pos, source, flags);
    const isPlain = (flags & ~IoFlag.partial) === 0 && !file.isAppendOnly && !file.isSync && source.length > 0;
    return isPlain ? submitted.write(file, pos, source, now, done) : submitted.alone(file, now, done);
  }

  get isBusy(): boolean {
    return this.#file.isBusy;
  }

  whenIdle(run: () => void): void {
    if (this.#file.isBusy) this.#file.whenIdle.push(run);
    else run();
  }

  #writeDirect(pos: number, length: number, open: (start: number) => Source, flags: number): number {
    const file = this.#file;
    const { writer } = this.#parts;
    const start = (flags & IoFlag.append) !== 0 ? file.size : pos;
    const isAtomic = (flags & IoFlag.atomic) !== 0;
    if (isAtomic && !file.isAtomic) return -EOPNOTSUPP;
    if (isAtomic && (length !== this.blockSize || start % length !== 0)) return -EINVAL;
    const count = this.#prepareWrite(start, length);
    if (count <= 0) return count;
    const source = open(start);
    let done = writer.write(file, start, count, source, flags);
    const isDurable = done > 0 && !isAtomic && (flags & SYNCING) === IoFlag.dataSync && !file.isSync;
    if (done === -ENOTBLK) {
      if ((flags & IoFlag.directOnly) !== 0 || isAtomic) done = -EIO;
      else done = this.#throughCache(start, writer.done, count, source, flags);
    } else if (isDurable && file.size === file.diskSize && writer.flushDevice() === 0) {
      file.zeroedUntil = 0;
      return done;
    }
    file.zeroedUntil = 0;
    return done > 0 ? this.#afterWrite(start, done, flags) : done;
  }

  /** What could not be written past the cache goes through it, and to the device at once. */
  #throughCache(start: number, from: number, count: number, source: Source, flags: number): number {
    const { buffered, writeback, pages } = this.#parts;
    const file = this.#file;
    const nowait = (flags & IoFlag.nowait) !== 0 ? Operation.nowait : 0;
    let done = from;
    while (done < count) {
      const bytes = source.next(Math.min(count - done, source.most), start + done);
      if (typeof bytes === "number" && bytes < 0) return bytes;
      if (typeof bytes === "number" || bytes.length === 0) break;
      const put = buffered.write(file, start + done, bytes, bytes.length, Operation.write | nowait);
      if (put < 0) return done > 0 ? done : put;
      done += put;
      if (put < bytes.length) break;
    }
    const failure = writeback.flush(file, start, start + done);
    pages.dropRange(file, start, start + done);
    return failure !== 0 ? failure : done;
  }

  /** What is to be known before bytes are written. @returns bytes that may be, or a negative errno */
  #prepareWrite(pos: number, length: number): number {
    const file = this.#file;
    const refused = this.#refusal(pos) || this.#writeRefusal();
    if (refused !== 0) return refused;
    if (file.isAppendOnly && pos !== file.size) return -EPERM;
    if (length === 0) return 0;
    const { maxBytes } = file.limits;
    if (pos >= maxBytes) return -EFBIG;
    if (pos > file.size) {
      const failure = this.#parts.ranges.zeroGap(file, pos);
      if (failure !== 0) {
        file.zeroedUntil = 0;
        return failure;
      }
    }
    return Math.min(length, maxBytes - pos);
  }

  #refusal(pos: number): number {
    if (this.#parts.context.server.isAsking) return -EDEADLK;
    if (this.#file.isGone || this.#parts.context.server.isAborted) return -EIO;
    return Number.isSafeInteger(pos) && pos >= 0 ? 0 : -EINVAL;
  }

  /** Why a file cannot be changed now. */
  #writeRefusal(): number {
    return this.#file.inFlight > 0 ? -EBUSY : this.#prohibition();
  }

  #prohibition(): number {
    if (this.#parts.isFrozen) return -EROFS;
    if (this.#file.isImmutable) return -EPERM;
    return this.#file.isSwap ? -ETXTBSY : 0;
  }

  flush(): number {
    return this.#refusal(0) || this.#parts.writeback.flush(this.#file) || this.#file.writeError;
  }

  fsync(dataOnly = false): number {
    return this.#refusal(0) || this.#sync(dataOnly);
  }

  #sync(dataOnly: boolean): number {
    const file = this.#file;
    this.#parts.writeback.flush(file);
    const error = file.writeError;
    file.writeError = 0;
    return error !== 0 ? error : this.#parts.context.server.fsync(file.identity, dataOnly);
  }

  truncate(size: number): number {
    const refused = this.#refusal(0) || this.#writeRefusal();
    if (refused !== 0) return refused;
    if (this.#file.isAppendOnly) return -EPERM;
    return this.#parts.ranges.truncate(this.#file, size);
  }

  truncatedAtOpen(): void {
    if (this.#refusal(0) !== 0) return;
    this.#parts.ranges.truncatedAtOpen(this.#file);
  }

  fallocate(mode: number, offset: number, length: number): number {
    const refused = this.#refusal(0) || this.#writeRefusal();
    if (refused !== 0) return refused;
    const KEEP_SIZE = 1;
    if (this.#file.isAppendOnly && (mode & ~KEEP_SIZE) !== 0) return -EPERM;
    return this.#parts.ranges.fallocate(this.#file, mode, offset, length);
  }

  zero(pos: number, length: number): number {
    const refused = this.#refusal(pos) || this.#writeRefusal();
    if (refused !== 0) return refused;
    return this.#parts.buffered.zero(this.#file, pos, Math.min(pos + length, this.#file.size));
  }

  unshare(pos: number, length: number): number {
    const refused = this.#refusal(pos) || this.#writeRefusal();
    return refused !== 0 ? refused : this.#parts.ranges.unshare(this.#file, pos, length);
  }

  copyRange(pos: number, to: IomapFile<F>, target: number, length: number): number {
    if (!(to instanceof OpenFile)) return -EINVAL;
    const other = to as OpenFile<F>;
    const refused = this.#refusal(pos) || other.#refusal(target) || other.#writeRefusal();
    if (refused !== 0) return refused;
    const { maxBytes } = other.#file.limits;
    if (target >= maxBytes) return -EFBIG;
    const count = Math.min(length, this.#file.size - pos, maxBytes - target);
    return count <= 0 ? 0 : this.#parts.ranges.copyRange(this.#file, pos, other.#file, target, count);
  }

  seek(offset: number, wanted: "data" | "hole"): number {
    return this.#dead || this.#parts.reporter.seek(this.#file, offset, wanted);
  }

  fiemap(start: number, length: number, flags: number, visit: (extent: FileExtent) => boolean): number {
    return this.#dead || this.#parts.reporter.fiemap(this.#file, start, length, flags, visit);
  }

  bmap(block: number): number {
    return this.#dead || this.#parts.reporter.bmap(this.#file, block);
  }

  get #dead(): number {
    return this.#refusal(0);
  }

  swapOn(): readonly SwapExtent[] | number {
    const refused = this.#refusal(0) || this.#writeRefusal() || this.#sync(false);
    return refused !== 0 ? refused : this.#parts.swap.on(this.#file);
  }

  swapOff(): number {
    return this.#dead || this.#parts.swap.off(this.#file);
  }

  invalidatePages(pos = 0, length = Number.MAX_SAFE_INTEGER): void {
    this.#parts.pages.dropRange(this.#file, pos, Math.min(pos + length, Number.MAX_SAFE_INTEGER));
  }

  serverSize(size: number): void {
    if (Number.isSafeInteger(size) && size >= 0 && size <= this.#file.limits.maxBytes) this.#file.diskSize = size;
  }

  evict(): number {
    if (this.#parts.context.server.isAsking) return -EDEADLK;
    return this.#parts.evict(this.#file);
  }
}
