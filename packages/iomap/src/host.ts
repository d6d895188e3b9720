import type { DeviceRegistry, HostDevice } from "./devices.js";
import {
  EIO,
  ENXIO,
  EUCLEAN,
  Mapping,
  type MappingLimits,
  MappingType,
  NULL_ADDR,
  Operation,
  validateMapping,
} from "./mapping.js";

/** What the host must know of a file. */
export interface HostFile {
  /** Bytes. */
  readonly size: number;
}

/**
 * The side that answers *where*. It never sees file data, inline data aside.
 *
 * @typeParam F what names a file between host and server: an inode, a node id
 */
export interface MappingServer<F extends HostFile> {
  /**
   * Maps at least byte `pos` of `file`; fills both slots.
   *
   * @param count bytes that the operation still has to do from `pos` on
   * @returns 0, or a negative errno
   */
  begin(file: F, pos: number, count: number, operation: number, read: Mapping, write: Mapping): number;
  /**
   * Copies inline data from `pos` on into `target`.
   *
   * @returns bytes copied, or a negative errno
   */
  readInline(file: F, pos: number, target: Uint8Array): number;
}

/** Bytes that are asked of the device ahead of a file that is read from front to back. */
const LOOK_AHEAD = 8 * 1024 * 1024;

/** Operations that would need more begin calls than this without moving on are broken off: the server makes no progress. */
const MAX_STEPS = 1 << 20;

/**
 * The host's half of iomap: asks where, does the I/O itself. Every mapping is validated as the kernel validates it, the
 * ones of a server in this process too.
 */
export class IomapHost<F extends HostFile> {
  /** Upcalls so far. */
  begins = 0;
  readonly #server: MappingServer<F>;
  readonly #devices: DeviceRegistry;
  readonly #limits: MappingLimits;
  readonly #onDeviceError: (error: unknown) => void;
  readonly #read = new Mapping();
  readonly #write = new Mapping();
  /** Address at which the last read ended: a read that begins there continues a stream. */
  #streamAt = NULL_ADDR;
  /** Address up to which the device was told what comes. */
  #toldUntil = 0;

  /** @param onDeviceError is told what a device threw, of which the reader sees no more than EIO or a short read */
  constructor(
    server: MappingServer<F>,
    devices: DeviceRegistry,
    limits: MappingLimits,
    onDeviceError: (error: unknown) => void = () => {},
  ) {
    this.#server = server;
    this.#devices = devices;
    this.#limits = limits;
    this.#onDeviceError = onDeviceError;
  }

  /**
   * Reads up to `target.length` bytes of `file` at byte `pos` into `target`; the end of the file makes it shorter.
   *
   * @returns bytes read (what was read before an error counts), or a negative errno: what the server answered, EUCLEAN for
   *   a mapping that breaks the rules, EIO for a device that fails or is too short
   */
  read(file: F, pos: number, target: Uint8Array): number {
    const wanted = Math.min(target.length, file.size - pos);
    let done = 0;
    for (let step = 0; done < wanted; step++) {
      const moved = step < MAX_STEPS ? this.#readStep(file, pos + done, target, done, wanted - done) : -EIO;
      if (moved < 0) return done > 0 ? done : moved;
      done += moved;
    }
    return Math.max(done, 0);
  }

  /** One mapping's worth of a read: at most `count` bytes at `pos` go to `target` from `at` on. */
  #readStep(file: F, pos: number, target: Uint8Array, at: number, count: number): number {
    const failure = this.begin(file, pos, count, Operation.read);
    if (failure !== 0) return failure;
    const mapping = this.#read;
    const length = Math.min(count, mapping.end - pos);
    const window = at === 0 && length === target.length ? target : target.subarray(at, at + length);
    switch (mapping.type) {
      case MappingType.mapped: {
        const device = this.#devices.get(mapping.dev)!;
        const addr = mapping.addr + (pos - mapping.offset);
        if (addr + length > device.size) return -EIO;
        try {
          if (device.willRead !== undefined) this.#lookAhead(device, addr, length, mapping.addr + mapping.length);
          device.read(addr, window);
        } catch (error) {
          this.#onDeviceError(error);
          return -EIO;
        }
        return length;
      }
      case MappingType.inline: {
        const got = this.#server.readInline(file, pos, window);
        if (got <= 0) return got < 0 ? got : -EIO;
        if (got > length) return -EIO;
        window.fill(0, got);
        return length;
      }
      case MappingType.delalloc:
        return -EIO;
      default:
        window.fill(0);
        return length;
    }
  }

  /**
   * Tells the device what a stream will want next, half a window at a time: the disk works while these bytes are copied.
   *
   * @param limit end of the mapping: what lies behind it is not known
   */
  #lookAhead(device: HostDevice, addr: number, length: number, limit: number): void {
    const next = addr + length;
    if (addr !== this.#streamAt) {
      this.#toldUntil = next;
    } else {
      const from = Math.max(next, this.#toldUntil);
      const until = Math.min(next + LOOK_AHEAD, limit, device.size);
      if (until - from >= LOOK_AHEAD / 2 || (from < until && until === limit)) {
        device.willRead?.(from, until - from);
        this.#toldUntil = until;
      }
    }
    this.#streamAt = next;
  }

  /**
   * Upcalls for `pos` and validates the answer, which is in `mapping` afterwards.
   *
   * @returns 0 or a negative errno
   */
  begin(file: F, pos: number, count: number, operation: number): number {
    this.begins++;
    // What an earlier request left in the slots must not pass for an answer.
    this.#read.set(MappingType.hole, 0, 0, NULL_ADDR, 0);
    this.#write.set(MappingType.pureOverwrite, 0, 0, NULL_ADDR, 0);
    const answer = this.#server.begin(file, pos, count, operation, this.#read, this.#write);
    if (answer !== 0) return answer;
    if (validateMapping(this.#read, this.#limits, false, pos) !== 0) return -EUCLEAN;
    if (validateMapping(this.#write, this.#limits, true, pos) !== 0) return -EUCLEAN;
    const { type, dev } = this.#read;
    const onDevice = type === MappingType.mapped || type === MappingType.unwritten;
    if (onDevice && this.#devices.get(dev) === undefined) return -EUCLEAN;
    return 0;
  }

  /** The read mapping of the last successful `begin`; the next call changes it. */
  get mapping(): Readonly<Mapping> {
    return this.#read;
  }

  /**
   * SEEK_DATA and SEEK_HOLE: unwritten ranges are holes, everything else that has data is data, and the end of the file
   * is a hole.
   *
   * @param offset bytes, not negative
   * @returns the offset found, or a negative errno: ENXIO at or past the end, or when no data follows
   */
  seek(file: F, offset: number, wanted: "data" | "hole"): number {
    if (offset >= file.size || offset < 0) return -ENXIO;
    let at = offset;
    for (let step = 0; at < file.size; step++) {
      if (step === MAX_STEPS) return -EIO;
      const failure = this.begin(file, at, file.size - at, Operation.report);
      if (failure !== 0) return failure;
      const { type } = this.#read;
      const isHole = type === MappingType.hole || type === MappingType.unwritten;
      if (isHole === (wanted === "hole")) return at;
      at = this.#read.end;
    }
    return wanted === "hole" ? file.size : -ENXIO;
  }
}
