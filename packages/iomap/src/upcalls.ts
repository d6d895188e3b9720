import { type DeviceCounters, DeviceIo } from "./device-io.js";
import type { DeviceRegistry } from "./devices.js";
import { type Mapping, type MappingLimits, WRITING } from "./mapping.js";
import { checkDevice, Slots } from "./slots.js";

/** What the host must know of a file. */
export interface HostFile {
  /** Bytes; grows while a server answers `end` and `writeInline`. */
  readonly size: number;
}

/**
 * The side that answers *where*. It never sees file data, inline data aside.
 *
 * @typeParam F what names a file between host and server: an inode, a node id
 */
export interface MappingServer<F extends HostFile> {
  /**
   * Maps at least byte `pos` of `file`; fills both slots. An operation that writes uses the write slot, which may say
   * pureOverwrite: then the read slot says where to write.
   *
   * @param count bytes that the operation still has to do from `pos` on
   * @returns 0, or a negative errno
   */
  begin(file: F, pos: number, count: number, operation: number, read: Mapping, write: Mapping): number;
  /**
   * Data has reached the device, or failed to: unwritten space becomes written, the size grows to what was written, space
   * allocated in vain may be taken back. Called once per mapping written to, unless it was a whole overwrite of mapped space
   * inside the file.
   *
   * @param count bytes that were to be written from `pos` on, all inside `mapping`
   * @param written bytes that were; fewer after an error
   * @returns 0, or a negative errno
   */
  end(file: F, pos: number, count: number, written: number, operation: number, mapping: Mapping): number;
  /**
   * Copies inline data from `pos` on into `target`.
   *
   * @returns bytes copied, or a negative errno
   */
  readInline(file: F, pos: number, target: Uint8Array): number;
  /**
   * Writes inline data, and lets the size grow with it. Nothing of `source` is used after the return.
   *
   * @returns bytes written, or a negative errno; 0 when the data has moved out instead: `begin` now says where
   */
  writeInline(file: F, pos: number, source: Uint8Array): number;
}

/** Begin calls, and the I/O that follows from their answers. */
export class Upcalls<F extends HostFile> {
  readonly server: MappingServer<F>;
  readonly limits: MappingLimits;
  /** So far. */
  begins = 0;
  readonly slots = new Slots();
  readonly io: DeviceIo;
  readonly #devices: DeviceRegistry;

  constructor(
    server: MappingServer<F>,
    devices: DeviceRegistry,
    limits: MappingLimits,
    onDeviceError: (error: unknown) => void,
  ) {
    const counters: DeviceCounters = { deviceReads: 0, deviceWrites: 0, bytesRead: 0, bytesWritten: 0 };
    this.server = server;
    this.limits = limits;
    this.#devices = devices;
    this.io = new DeviceIo(devices, counters, onDeviceError);
  }

  /**
   * Asks for `pos` and checks the answer, which is in the slots afterwards.
   *
   * @returns 0, or a negative errno: what the server answered, EUCLEAN for an answer that breaks the rules, EACCES for a
   *   device that cannot be read, or written, and would have to be
   */
  begin(file: F, pos: number, count: number, operation: number): number {
    const { slots } = this;
    const { read, write } = slots;
    this.begins++;
    slots.clear();
    const answer = this.server.begin(file, pos, count, operation, read, write);
    if (answer !== 0) return answer;
    const failure = slots.check(this.limits, pos, false) || checkDevice(this.#devices, read, false);
    if (failure !== 0) return -failure;
    return (operation & WRITING) === 0 ? 0 : -checkDevice(this.#devices, slots.target, true);
  }

  /** What `begin` said of what is read. */
  get read(): Mapping {
    return this.slots.read;
  }

  /** Where an operation that writes goes. */
  get target(): Mapping {
    return this.slots.target;
  }
}
