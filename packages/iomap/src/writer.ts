import type { HostDevice } from "./devices.js";
import { EFBIG, EIO } from "./errno.js";
import { type Mapping, MappingFlag, MappingType, Operation } from "./mapping.js";
import { type HostFile, isOnDevice, type Upcalls } from "./upcalls.js";

/** Begin calls in a row that may come to nothing: inline data may move out instead of growing, and the next call knows where. */
const MAX_STILL = 4;

/** Bytes of zeros that one write of zeros takes. */
const ZEROS = 64 * 1024;

/**
 * The writing half of the host. What it writes into fresh or unwritten space it writes in whole blocks, zeros around the
 * data, because what the device holds there is anybody's.
 */
export class Writer<F extends HostFile> {
  readonly #upcalls: Upcalls<F>;
  readonly #onDeviceError: (error: unknown) => void;
  readonly #blockSize: number;
  /** One block, for those that are written in part. */
  readonly #block: Uint8Array;
  readonly #zeros: Uint8Array;
  /** Bytes of the current mapping that have reached the device. */
  #written = 0;

  constructor(upcalls: Upcalls<F>, onDeviceError: (error: unknown) => void) {
    this.#upcalls = upcalls;
    this.#onDeviceError = onDeviceError;
    this.#blockSize = upcalls.limits.blockSize;
    this.#block = new Uint8Array(this.#blockSize);
    this.#zeros = new Uint8Array(Math.max(ZEROS, this.#blockSize));
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
    if (!isOnDevice(mapping)) return -EIO;
    this.#written = 0;
    const error = this.#toDevice(mapping, pos, window);
    const written = this.#written;
    const grows = pos + written > file.size;
    if (grows) mapping.flags |= MappingFlag.sizeChanged;
    const overwrite = mapping.type === MappingType.mapped && (mapping.flags & MappingFlag.new) === 0;
    if (!overwrite || grows || error !== 0 || mapping !== upcalls.read) {
      const answer = upcalls.server.end(file, pos, length, written, operation, mapping);
      if (answer < 0) return answer;
    }
    this.#failed = error !== 0;
    return error !== 0 && written === 0 ? error : written;
  }

  /** Writes `data`, file bytes from `pos` on, where `mapping` says; counts what arrived in `#written`. 0, or a negative errno. */
  #toDevice(mapping: Mapping, pos: number, data: Uint8Array): number {
    const device = this.#upcalls.deviceOf(mapping);
    const addr = mapping.addr + (pos - mapping.offset);
    const { length } = data;
    if (addr + length > device.size) return -EIO;
    const copied = mapping !== this.#upcalls.read;
    try {
      if (mapping.type === MappingType.mapped && (mapping.flags & MappingFlag.new) === 0 && !copied) {
        device.write!(addr, data);
        this.#written = length;
      } else {
        this.#wholeBlocks(device, mapping, pos, data);
      }
    } catch (error) {
      this.#onDeviceError(error);
      return -EIO;
    }
    return 0;
  }

  /** Writes into blocks that hold nothing yet: the first and the last are completed. */
  #wholeBlocks(device: HostDevice, mapping: Mapping, pos: number, data: Uint8Array): void {
    const blockSize = this.#blockSize;
    const { length } = data;
    const head = pos % blockSize;
    let done = 0;
    if (head !== 0 || length < blockSize) {
      done = Math.min(blockSize - head, length);
      this.#partBlock(device, mapping, pos - head, head, data, 0, done);
      this.#written = done;
    }
    const whole = Math.floor((length - done) / blockSize) * blockSize;
    if (whole > 0) {
      const body = done === 0 && whole === length ? data : data.subarray(done, done + whole);
      device.write!(mapping.addr + (pos + done - mapping.offset), body);
      done += whole;
      this.#written = done;
    }
    if (done < length) {
      this.#partBlock(device, mapping, pos + done, 0, data, done, length);
      this.#written = length;
    }
  }

  /** Writes the block at file byte `start` with `data[from, until)` at its byte `at`, around it zeros or the old data. */
  #partBlock(
    device: HostDevice,
    mapping: Mapping,
    start: number,
    at: number,
    data: Uint8Array,
    from: number,
    until: number,
  ): void {
    const block = this.#block;
    const { read } = this.#upcalls;
    if (mapping !== read && read.type === MappingType.mapped) {
      this.#upcalls.deviceOf(read).read(read.addr + (start - read.offset), block);
    } else {
      block.fill(0);
    }
    block.set(from === 0 && until === data.length ? data : data.subarray(from, until), at);
    device.write!(mapping.addr + (start - mapping.offset), block);
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
    const device = this.#upcalls.deviceOf(mapping);
    const shift = mapping.addr - mapping.offset;
    if (until + shift > device.size) return -EIO;
    try {
      for (let at = from; at < until; ) {
        const length = Math.min(until - at, this.#zeros.length);
        device.write!(at + shift, length === this.#zeros.length ? this.#zeros : this.#zeros.subarray(0, length));
        at += length;
      }
    } catch (error) {
      this.#onDeviceError(error);
      return -EIO;
    }
    return 0;
  }

  /** What lies past the end of inline data reads as zeros anyway. */
  #zeroInline(file: F, from: number, until: number): number {
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
