import { FallocateMode } from "../door.js";
import { EFBIG, EINVAL, ENOSYS, EOPNOTSUPP, EUCLEAN } from "../errno.js";
import { Operation } from "../mapping.js";
import type { FileIdentity } from "../server.js";
import type { Buffered } from "./buffered.js";
import type { Context } from "./context.js";
import type { FileState } from "./file-state.js";
import type { PageCache } from "./pages.js";
import type { Writeback } from "./writeback.js";

const { keepSize, punchHole, collapseRange, zeroRange, insertRange } = FallocateMode;
const TO_EOF = Number.MAX_SAFE_INTEGER;

/** What changes the size of a file, or the space under a range: the host's part around the server's. */
export class Ranges<F extends FileIdentity> {
  readonly #context: Context<F>;
  readonly #pages: PageCache;
  readonly #buffered: Buffered<F>;
  readonly #writeback: Writeback<F>;

  constructor(context: Context<F>, pages: PageCache, buffered: Buffered<F>, writeback: Writeback<F>) {
    this.#context = context;
    this.#pages = pages;
    this.#buffered = buffered;
    this.#writeback = writeback;
  }

  truncate(file: FileState<F>, size: number): number {
    if (!(Number.isSafeInteger(size) && size >= 0)) return -EINVAL;
    if (size > file.limits.maxBytes) return -EFBIG;
    const changes = size !== file.size;
    const failure = this.#resize(file, size);
    if (failure !== 0) return failure;
    const answer = this.#context.server.setSize(file.identity, size, changes);
    if (answer < 0) return answer;
    if (answer > file.limits.maxBytes) return this.#lied(`a size of ${answer} bytes, more than a file may have`);
    if (answer < file.size) this.#pages.cut(file, answer);
    file.size = answer;
    file.diskSize = answer;
    this.#dropFrom(file, answer);
    return 0;
  }

  /** The file in memory gets a new size, and what is dirty of it is written back: the server has not heard of it yet. */
  #resize(file: FileState<F>, size: number): number {
    const failure = size > file.size ? this.zeroGap(file, size) : this.#zeroTail(file, size);
    if (failure !== 0) {
      file.zeroedUntil = 0;
      return failure;
    }
    const shrinks = size < file.size;
    file.size = size;
    file.zeroedUntil = 0;
    if (shrinks) this.#pages.cut(file, size);
    return this.#writeback.flush(file);
  }

  /** Zeros from the end of the file to `end`; until `zeroedUntil` is taken back, what that has made dirty is kept. */
  zeroGap(file: FileState<F>, end: number): number {
    file.zeroedUntil = end;
    return this.#buffered.zero(file, file.size, end);
  }

  #zeroTail(file: FileState<F>, size: number): number {
    const { blockSize } = file.limits;
    return this.#buffered.zero(file, size, Math.min(Math.ceil(size / blockSize) * blockSize, file.size));
  }

  #dropFrom(file: FileState<F>, size: number): void {
    const start = size - (size % file.limits.blockSize);
    file.dropMappings(start, TO_EOF - start);
  }

  /** The server has truncated the file when it was opened. */
  truncatedAtOpen(file: FileState<F>): void {
    file.diskSize = 0;
    file.size = 0;
    this.#pages.cut(file, 0);
    file.dropMappings(0, TO_EOF);
  }

  fallocate(file: FileState<F>, mode: number, offset: number, length: number): number {
    const failure = checkFallocate(file, mode, offset, length);
    if (failure !== 0) return failure;
    const end = offset + length;
    const shifts = (mode & (collapseRange | insertRange)) !== 0;
    const until = shifts ? TO_EOF : end;
    const flushed = this.#writeback.flush(file, offset, until);
    if (flushed !== 0) return flushed;
    this.#pages.dropRange(file, offset, until, true);
    const answer = this.#context.server.fallocate(file.identity, mode, offset, length);
    if (answer === -ENOSYS) return -EOPNOTSUPP;
    if (answer !== 0) return answer;
    file.dropMappings(offset, until - offset);
    if ((mode & keepSize) === 0 && !shifts) file.diskSize = Math.max(file.diskSize, end);
    if (shifts) {
      if (!canShift(file, mode, offset, length)) return this.#lied("that it has moved blocks which cannot be");
      file.size += (mode & insertRange) !== 0 ? length : -length;
      file.diskSize = file.size;
      return 0;
    }
    const zeroed = (mode & (punchHole | zeroRange)) !== 0 ? this.#zeroEdges(file, offset, end) : 0;
    if (zeroed !== 0 || (mode & keepSize) !== 0 || end <= file.size) return zeroed;
    return this.#resize(file, end);
  }

  /** Zeros the parts of blocks at the ends of a range, inside the file: whole blocks are the server's. */
  #zeroEdges(file: FileState<F>, offset: number, end: number): number {
    const { blockSize } = file.limits;
    const limit = Math.min(end, file.size);
    const head = Math.min(Math.ceil(offset / blockSize) * blockSize, limit);
    const tail = Math.max(Math.floor(end / blockSize) * blockSize, head);
    const failure = this.#buffered.zero(file, offset, head);
    return failure !== 0 ? failure : this.#buffered.zero(file, tail, limit);
  }

  unshare(file: FileState<F>, pos: number, length: number): number {
    const end = Math.min(pos + length, file.size);
    return this.#buffered.all(file, pos, end, Operation.unshare | Operation.write);
  }

  copyRange(from: FileState<F>, pos: number, to: FileState<F>, target: number, length: number): number {
    const flushed =
      this.#writeback.flush(from, pos, pos + length) || this.#writeback.flush(to, target, target + length);
    if (flushed !== 0) return flushed;
    if (target > to.size) {
      const failure = this.zeroGap(to, target) || this.#writeback.flush(to);
      to.zeroedUntil = 0;
      if (failure !== 0) return failure;
    }
    const copied = this.#context.server.copyRange(from.identity, pos, to.identity, target, length);
    if (copied === -ENOSYS) return -EOPNOTSUPP;
    if (copied <= 0) return copied;
    this.#pages.dropRange(to, target, target + copied, true);
    to.dropMappings(target, copied);
    to.size = Math.max(to.size, target + copied);
    to.diskSize = Math.max(to.diskSize, to.size);
    return copied;
  }

  #lied(what: string): number {
    return this.#context.refuse(EUCLEAN, `the server answered ${what}`);
  }
}

function checkFallocate<F extends FileIdentity>(
  file: FileState<F>,
  mode: number,
  offset: number,
  length: number,
): number {
  if (!(Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length > 0)) return -EINVAL;
  const known = keepSize | punchHole | collapseRange | zeroRange | insertRange;
  const kind = mode & (punchHole | collapseRange | zeroRange | insertRange);
  if ((mode & ~known) !== 0 || (kind & (kind - 1)) !== 0) return -EOPNOTSUPP;
  if ((mode & punchHole) !== 0 && (mode & keepSize) === 0) return -EOPNOTSUPP;
  const shifts = (mode & (collapseRange | insertRange)) !== 0;
  if (shifts && (mode & keepSize) !== 0) return -EOPNOTSUPP;
  // What a punch finds behind the longest that the file can be, the server says: nothing, or EFBIG.
  return !shifts && kind !== punchHole && offset + length > file.limits.maxBytes ? -EFBIG : 0;
}

/** Whether whole blocks inside a file can be taken out, or put in, there. A server that cannot at all says so first. */
function canShift<F extends FileIdentity>(
  { size, limits }: FileState<F>,
  mode: number,
  offset: number,
  length: number,
): boolean {
  if (offset % limits.blockSize !== 0 || length % limits.blockSize !== 0 || offset >= size) return false;
  return (mode & collapseRange) !== 0 ? offset + length < size : size + length <= limits.maxBytes;
}
