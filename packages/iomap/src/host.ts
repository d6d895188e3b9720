import type { DeviceRegistry } from "./devices.js";
import { EIO, ENXIO } from "./errno.js";
import { LookAhead } from "./look-ahead.js";
import { type Mapping, type MappingLimits, MappingType, Operation } from "./mapping.js";
import { isSmallFile, Surroundings } from "./surroundings.js";
import { type HostFile, type MappingServer, Upcalls } from "./upcalls.js";
import { Writer } from "./writer.js";

/** Operations that would need more begin calls than this without moving on are broken off: the server makes no progress. */
const MAX_STEPS = 1 << 20;

/** Bytes that a copy moves at a time. */
const COPY_BUFFER = 1024 * 1024;

/**
 * The host's half of iomap: asks where, does the I/O itself. Every mapping is validated as the kernel validates it, the
 * ones of a server in this process too.
 */
export class IomapHost<F extends HostFile> {
  readonly #upcalls: Upcalls<F>;
  readonly #writer: Writer<F>;
  /** Through which `copy` moves bytes; made when it is first called. */
  #buffer: Uint8Array | undefined;
  readonly #lookAhead: LookAhead<F>;
  readonly #surroundings = new Surroundings();

  /** @param onDeviceError is told what a device threw, of which the caller sees no more than EIO or a short answer */
  constructor(
    server: MappingServer<F>,
    devices: DeviceRegistry,
    limits: MappingLimits,
    onDeviceError: (error: unknown) => void = () => {},
  ) {
    this.#upcalls = new Upcalls(server, devices, limits, onDeviceError);
    this.#writer = new Writer(this.#upcalls);
    this.#lookAhead = new LookAhead(this.#upcalls);
  }

  /**
   * Reads up to `target.length` bytes of `file` at byte `pos` into `target`; the end of the file makes it shorter.
   *
   * @returns bytes read (what was read before an error counts), or a negative errno: what the server answered, EUCLEAN for
   *   a mapping that breaks the rules, EIO for a device that fails or is too short
   */
  read(file: F, pos: number, target: Uint8Array): number {
    this.#waits = true;
    return this.#read(file, pos, target);
  }

  /** As {@link read}, up to where the device would have to be waited for: 0 when nothing is at hand. */
  readNow(file: F, pos: number, target: Uint8Array): number {
    this.#waits = false;
    return this.#read(file, pos, target);
  }

  #read(file: F, pos: number, target: Uint8Array): number {
    const wanted = Math.min(target.length, file.size - pos);
    let done = 0;
    this.#starved = false;
    if (wanted > 0) this.#lookAhead.beforeRead(file, pos, wanted);
    for (let step = 0; done < wanted && !this.#starved; step++) {
      const moved = step < MAX_STEPS ? this.#readStep(file, pos + done, target, done, wanted - done) : -EIO;
      if (moved < 0) return done > 0 ? done : moved;
      done += moved;
    }
    return Math.max(done, 0);
  }

  /** Whether the current read may wait for the device, and whether it would have had to. */
  #waits = true;
  #starved = false;

  /** One mapping's worth of a read: at most `count` bytes at `pos` go to `target` from `at` on. */
  #readStep(file: F, pos: number, target: Uint8Array, at: number, count: number): number {
    const failure = this.begin(file, pos, count, Operation.read);
    if (failure !== 0) return failure;
    const mapping = this.#upcalls.read;
    const length = Math.min(count, mapping.end - pos);
    const window = at === 0 && length === target.length ? target : target.subarray(at, at + length);
    switch (mapping.type) {
      case MappingType.mapped:
        return this.#fromDevice(mapping, pos, window, isSmallFile(length, file.size));
      case MappingType.inline: {
        const got = this.#upcalls.server.readInline(file, pos, window);
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

  #fromDevice(mapping: Mapping, pos: number, window: Uint8Array, isSmall: boolean): number {
    const { io } = this.#upcalls;
    const { length } = window;
    const device = io.deviceFor(mapping, pos, length);
    if (device === undefined) return -EIO;
    const addr = mapping.addr + (pos - mapping.offset);
    if (!this.#waits && device.readNow !== undefined) {
      const got = device.readNow(addr, window);
      this.#starved = got < length;
      if (this.#starved && isSmall) this.#surroundings.beforeRead(device, addr);
      return got;
    }
    if (isSmall) this.#surroundings.beforeRead(device, addr);
    const failure = io.readAt(device, addr, window);
    if (isSmall) this.#surroundings.afterRead();
    return failure || length;
  }

  /**
   * Upcalls for `pos` and validates the answer, which is in `mapping` afterwards.
   *
   * @returns 0 or a negative errno
   */
  begin(file: F, pos: number, count: number, operation: number): number {
    return this.#upcalls.begin(file, pos, count, operation);
  }

  /** Upcalls so far. */
  get begins(): number {
    return this.#upcalls.begins;
  }

  /** The read mapping of the last successful `begin`; the next call changes it. */
  get mapping(): Readonly<Mapping> {
    return this.#upcalls.read;
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
      const { type, end } = this.#upcalls.read;
      const isHole = type === MappingType.hole || type === MappingType.unwritten;
      if (isHole === (wanted === "hole")) return at;
      at = end;
    }
    return wanted === "hole" ? file.size : -ENXIO;
  }

  /**
   * Writes `source` to byte `pos` of `file`, past its end too: then what lies between reads as zeros.
   *
   * @param operation what the begin is for: `Operation.write`, with further flags
   * @returns bytes written (fewer when the space, the largest size or the device ends), or a negative errno: what the server
   *   answered, EFBIG, EUCLEAN for a mapping that breaks the rules, EACCES for a read-only device, EIO for a device that fails
   */
  write(file: F, pos: number, source: Uint8Array, operation: number = Operation.write): number {
    return this.#writer.write(file, pos, source, operation);
  }

  /**
   * Makes a range read as zeros where it has space: holes and unwritten ranges stay what they are. Neither size nor
   * allocation changes.
   *
   * @returns 0, or a negative errno
   */
  zero(file: F, pos: number, length: number): number {
    return this.#writer.zero(file, pos, length);
  }

  /**
   * Zeros from byte `size`, an old or a new end of the file, to the end of its block or to `limit`: so that a file that grows
   * shows zeros there.
   *
   * @returns 0, or a negative errno
   */
  zeroTail(file: F, size: number, limit: number = Number.MAX_SAFE_INTEGER): number {
    return this.#writer.zeroTail(file, size, limit);
  }

  /**
   * Copies bytes of one file into another, or into the same where the ranges do not overlap.
   *
   * @returns bytes copied, fewer than `length` at the end of `from` or after an error with progress; or a negative errno
   */
  copy(from: F, pos: number, to: F, target: number, length: number, operation: number = Operation.write): number {
    this.#buffer ??= new Uint8Array(COPY_BUFFER);
    let done = 0;
    while (done < length) {
      const wanted = Math.min(length - done, COPY_BUFFER);
      const window = wanted === COPY_BUFFER ? this.#buffer : this.#buffer.subarray(0, wanted);
      const got = this.read(from, pos + done, window);
      if (got <= 0) return done > 0 ? done : got;
      const put = this.write(to, target + done, got === wanted ? window : window.subarray(0, got), operation);
      if (put < 0) return done > 0 ? done : put;
      done += put;
      if (put < wanted) break;
    }
    return done;
  }
}
