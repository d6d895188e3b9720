import { BlockEdges, isFresh } from "./block-edges.js";
import { EFBIG, EIO } from "./errno.js";
import { Mapping, MappingFlag, MappingType, Operation } from "./mapping.js";
import type { HostFile, Upcalls } from "./upcalls.js";

/** Begin calls in a row that may come to nothing: inline data may move out instead of growing, and the next call knows where. */
const MAX_STILL = 4;

/** Bytes of zeros that are written inline at once: what an inode, or a block of one that goes through the journal, takes. */
const ZEROS = 64 * 1024;

/** Where the old data of blocks is that have none. */
const NOWHERE: Readonly<Mapping> = new Mapping();

/**
 * The writing half of the host. What it writes into fresh or unwritten space it writes in whole blocks, zeros around the
 * data, because what the device holds there is anybody's.
 */
export class Writer<F extends HostFile> {
  readonly #upcalls: Upcalls<F>;
  readonly #edges: BlockEdges<F>;
  readonly #blockSize: number;
  /** Made when inline data is first zeroed. */
  #zeros: Uint8Array | undefined;
  /** Bytes of the current mapping that have reached the device. */
  #written = 0;

  constructor(upcalls: Upcalls<F>) {
    const { server, limits, io } = upcalls;
    this.#upcalls = upcalls;
    this.#edges = new BlockEdges(io, (file, _mapping, start, block) =>
      Math.min(server.readInline(file, start, block), 0),
    );
    this.#blockSize = limits.blockSize;
  }

  /** See IomapHost.write. */
  write(file: F, pos: number, source: Uint8Array, operation: number): number {
    const { maxBytes } = this.#upcalls.limits;
    const { length } = source;
    if (length === 0) return 0;
    if (pos >= maxBytes) return -EFBIG;
    const wanted = Math.min(length, maxBytes - pos);
    if (pos > file.size) {
      const failure = this.zeroTail(file, file.size, pos);
      if (failure !== 0) return failure;
    }
    let done = 0;
    for (let still = 0; done < wanted; ) {
      const moved =
        still < MAX_STILL ? this.#writeStep(file, pos + done, source, done, wanted - done, operation) : -EIO;
      if (moved < 0) return done > 0 ? done : moved;
      still = moved === 0 ? still + 1 : 0;
      done += moved;
      if (this.#failed) break;
    }
    return done;
  }

  /** Whether the device refused a part of the last step. */
  #failed = false;

  /** One mapping's worth: at most `count` bytes from `at` of `source` go to `pos`. Bytes written, or a negative errno. */
  #writeStep(file: F, pos: number, source: Uint8Array, at: number, count: number, operation: number): number {
    const upcalls = this.#upcalls;
    this.#failed = false;
    const failure = upcalls.begin(file, pos, count, operation);
    if (failure !== 0) return failure;
    const mapping = upcalls.target;
    let length = Math.min(count, mapping.end - pos);
    // Old data that is merged into copied blocks must be known for the whole range.
    if (mapping !== upcalls.read) length = Math.min(length, upcalls.read.end - pos);
    const end = at + length;
    const window = at === 0 && end === source.length ? source : source.subarray(at, end);
    if (mapping.type === MappingType.inline) {
      const put = upcalls.server.writeInline(file, pos, window);
      return put > length ? -EIO : put;
    }
    if (!mapping.isOnDevice) return -EIO;
    const error = this.#toDevice(file, mapping, pos, window);
    const written = this.#written;
    const grows = pos + written > file.size;
    if (grows) mapping.flags |= MappingFlag.sizeChanged;
    if (isFresh(mapping) || grows || error !== 0 || mapping !== upcalls.read) {
      const answer = upcalls.server.end(file, pos, length, written, operation, mapping);
      if (answer < 0) return answer;
    }
    this.#failed = error !== 0;
    return error !== 0 && written === 0 ? error : written;
  }

  /** Writes `data`, file bytes from `pos` on, where `mapping` says; counts what arrived in `#written`. 0, or a negative errno. */
  #toDevice(file: F, mapping: Mapping, pos: number, data: Uint8Array): number {
    const { io, read } = this.#upcalls;
    const copied = mapping !== read;
    if (copied || isFresh(mapping)) {
      const old = copied ? read : NOWHERE;
      const failure = this.#edges.write(file, this.#blockSize, mapping, old, pos, data);
      this.#written = this.#edges.written;
      return failure;
    }
    const failure = io.write(mapping, pos, data);
    this.#written = failure === 0 ? data.length : 0;
    return failure;
  }

  /** See IomapHost.zero. */
  zero(file: F, pos: number, length: number): number {
    const upcalls = this.#upcalls;
    const end = Math.min(pos + length, upcalls.limits.maxBytes);
    for (let at = pos; at < end; ) {
      const failure = upcalls.begin(file, at, end - at, Operation.zero);
      if (failure !== 0) return failure;
      const mapping = upcalls.target;
      const until = Math.min(end, mapping.end);
      const failed = this.#zeroMapping(file, mapping, at, until);
      if (failed !== 0) return failed;
      at = until;
    }
    return 0;
  }

  #zeroMapping(file: F, mapping: Mapping, from: number, until: number): number {
    switch (mapping.type) {
      case MappingType.hole:
      case MappingType.unwritten:
        return 0;
      case MappingType.inline:
        return this.#zeroInline(file, from, Math.min(until, file.size));
      case MappingType.mapped:
        break;
      default:
        return -EIO;
    }
    return this.#upcalls.io.writeZeros(mapping, from, until);
  }

  /** What lies past the end of inline data reads as zeros anyway. */
  #zeroInline(file: F, from: number, until: number): number {
    this.#zeros ??= new Uint8Array(ZEROS);
    for (let at = from; at < until; ) {
      const put = this.#upcalls.server.writeInline(file, at, this.#zeros.subarray(0, Math.min(until - at, ZEROS)));
      if (put <= 0) return put < 0 ? put : -EIO;
      at += put;
    }
    return 0;
  }

  /** See IomapHost.zeroTail. */
  zeroTail(file: F, size: number, limit: number): number {
    const over = size % this.#blockSize;
    if (over === 0) return 0;
    return this.zero(file, size, Math.min(this.#blockSize - over, limit - size));
  }
}
