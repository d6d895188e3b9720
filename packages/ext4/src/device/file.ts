import { DeviceError } from "../errors.js";
import type { BlockDevice } from "./device.js";

/** The part of `node:fs` that a file device needs; injected, so that the engine itself imports nothing of Node's. */
export interface FileIo {
  readSync(fd: number, target: Uint8Array, offset: number, length: number, position: number): number;
  writeSync(fd: number, source: Uint8Array, offset: number, length: number, position: number): number;
  fstatSync(fd: number): { readonly size: number };
  fdatasyncSync(fd: number): void;
  closeSync(fd: number): void;
  /** Reads what needs no waiting, as preadv2(2) with RWF_NOWAIT, which `node:fs` lacks: bytes, or a negative errno. */
  readNow?(fd: number, target: Uint8Array, position: number): number;
  /** Starts reading a range into the system's cache and returns at once: readahead(2), which `node:fs` lacks. */
  readahead?(fd: number, offset: number, length: number): void;
  /** Starts writing a range to the disk and returns: sync_file_range(2), which `node:fs` lacks. */
  writeBehind?(fd: number, offset: number, length: number): void;
  /** Gives the space of a range back: fallocate(2) with FALLOC_FL_PUNCH_HOLE, which `node:fs` lacks. */
  punchHole?(fd: number, offset: number, length: number): void;
}

export interface FileDeviceOptions {
  /** Bytes. Needed for block devices, whose size fstat gives as 0. Default: what fstat says. */
  readonly size?: number;
  /** Default true. */
  readonly readOnly?: boolean;
  /** Whether `close` closes the descriptor. Default true. */
  readonly ownsDescriptor?: boolean;
}

/** Bytes written one after another of which the disk is told at a time: so it works before they are flushed. */
const WRITE_BEHIND = 8 * 1024 * 1024;

/** An image file or a block device behind an open file descriptor. */
export class FileDevice implements BlockDevice {
  readonly size: number;
  readonly readOnly: boolean;
  readonly fd: number;
  readonly #io: FileIo;
  readonly #ownsDescriptor: boolean;
  /** Whether something may have been written that was not flushed: also by somebody before, who died. */
  #dirty: boolean;
  #written = 0;
  /** Where the current stream of writes has not been given to the disk, and where it ends. */
  #behind = 0;
  #end = 0;
  #closed = false;

  /**
   * @param io `node:fs`, or something like it
   * @param fd open for reading, and for writing unless the device is read-only
   */
  constructor(io: FileIo, fd: number, options: FileDeviceOptions = {}) {
    this.#io = io;
    this.fd = fd;
    // A sparse file can be larger than what offsets can say exactly.
    this.size = Math.min(options.size ?? io.fstatSync(fd).size, Number.MAX_SAFE_INTEGER);
    this.readOnly = options.readOnly ?? true;
    this.#dirty = !this.readOnly;
    this.#ownsDescriptor = options.ownsDescriptor ?? true;
  }

  read(offset: number, target: Uint8Array): void {
    const length = target.length;
    this.#check("read", offset, length);
    let done = 0;
    while (done < length) {
      let count: number;
      try {
        count = this.#io.readSync(this.fd, target, done, length - done, offset + done);
      } catch (cause) {
        throw new DeviceError("read", offset, length, cause);
      }
      if (count === 0) throw new DeviceError("read", offset, length, `the file ends at ${offset + done}`);
      done += count;
    }
  }

  readNow(offset: number, target: Uint8Array): number {
    if (this.#closed || !(offset >= 0 && offset + target.length <= this.size)) return 0;
    return Math.max(this.#io.readNow?.(this.fd, target, offset) ?? 0, 0);
  }

  get file() {
    return { fd: this.fd, start: 0 };
  }

  willRead(offset: number, length: number): void {
    this.#io.readahead?.(this.fd, offset, length);
  }

  write(offset: number, source: Uint8Array): void {
    const length = source.length;
    if (this.readOnly) throw new DeviceError("write", offset, length, "the device is read-only");
    this.#check("write", offset, length);
    this.#dirty = true;
    this.#written += length;
    let done = 0;
    while (done < length) {
      let count: number;
      try {
        count = this.#io.writeSync(this.fd, source, done, length - done, offset + done);
      } catch (cause) {
        throw new DeviceError("write", offset, length, cause);
      }
      if (count === 0) throw new DeviceError("write", offset, length, "nothing could be written");
      done += count;
    }
    if (offset !== this.#end) this.#behind = offset;
    this.#end = offset + length;
    if (this.#end - this.#behind < WRITE_BEHIND) return;
    this.#io.writeBehind?.(this.fd, this.#behind, this.#end - this.#behind);
    this.#behind = this.#end;
  }

  takeWritten(): number {
    const written = this.#written;
    this.#written = 0;
    return written;
  }

  countWritten(bytes: number): void {
    this.#dirty = true;
    this.#written += bytes;
  }

  /** Costs nothing when nothing was written since the last time. */
  flush(): void {
    if (!this.#dirty) return;
    this.#check("flush", 0, 0);
    try {
      this.#io.fdatasyncSync(this.fd);
    } catch (cause) {
      throw new DeviceError("flush", 0, 0, cause);
    }
    this.#dirty = false;
  }

  discard(offset: number, length: number): boolean {
    if (this.#closed || this.readOnly || !(offset >= 0 && offset + length <= this.size)) return false;
    if (this.#io.punchHole === undefined) return false;
    try {
      this.#io.punchHole(this.fd, offset, length);
      return true;
    } catch (cause) {
      // The file system below, or the device, has no such thing: the bytes stay what they are.
      if (cause instanceof Error && "code" in cause && cause.code === "EOPNOTSUPP") return false;
      throw new DeviceError("discard", offset, length, cause);
    }
  }

  close(): void {
    if (this.#closed || !this.#ownsDescriptor) return;
    this.#closed = true;
    this.#io.closeSync(this.fd);
  }

  /** The number of a closed descriptor is soon somebody else's. */
  #check(operation: "read" | "write" | "flush", offset: number, length: number): void {
    if (this.#closed) throw new DeviceError(operation, offset, length, "the device is closed");
    if (offset >= 0 && offset + length <= this.size) return;
    throw new DeviceError(operation, offset, length, `the device ends at ${this.size}`);
  }
}
