import type { DeviceRegistry, HostDevice } from "./devices.js";
import { EACCES, EUCLEAN } from "./errno.js";
import { Mapping, type MappingLimits, MappingType, NULL_ADDR, validateMapping, WRITING } from "./mapping.js";

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

/** Begin calls: both slots, and the checks that every answer goes through. */
export class Upcalls<F extends HostFile> {
  readonly server: MappingServer<F>;
  readonly limits: MappingLimits;
  /** So far. */
  begins = 0;
  readonly read = new Mapping();
  readonly write = new Mapping();
  readonly #devices: DeviceRegistry;

  constructor(server: MappingServer<F>, devices: DeviceRegistry, limits: MappingLimits) {
    this.server = server;
    this.limits = limits;
    this.#devices = devices;
  }

  /**
   * Asks for `pos` and validates the answer, which is in the slots afterwards.
   *
   * @returns 0, or a negative errno: what the server answered, EUCLEAN for an answer that breaks the rules, EACCES for a
   *   device that cannot be written and would have to be
   */
  begin(file: F, pos: number, count: number, operation: number): number {
    this.begins++;
    // What an earlier request left in the slots must not pass for an answer.
    this.read.set(MappingType.hole, 0, 0, NULL_ADDR, 0);
    this.write.set(MappingType.pureOverwrite, 0, 0, NULL_ADDR, 0);
    const answer = this.server.begin(file, pos, count, operation, this.read, this.write);
    if (answer !== 0) return answer;
    if (validateMapping(this.read, this.limits, false, pos) !== 0) return -EUCLEAN;
    if (validateMapping(this.write, this.limits, true, pos) !== 0) return -EUCLEAN;
    if (isOnDevice(this.read) && this.#devices.get(this.read.dev) === undefined) return -EUCLEAN;
    return (operation & WRITING) === 0 ? 0 : this.#checkWritable();
  }

  #checkWritable(): number {
    const target = this.target;
    if (!isOnDevice(target)) return 0;
    const device = this.#devices.get(target.dev);
    if (device === undefined) return -EUCLEAN;
    return device.write === undefined || device.readOnly === true ? -EACCES : 0;
  }

  /** Where an operation that writes goes. */
  get target(): Mapping {
    return this.write.type === MappingType.pureOverwrite ? this.read : this.write;
  }

  /** The device of a mapping that was validated. */
  deviceOf(mapping: Mapping): HostDevice {
    return this.#devices.get(mapping.dev)!;
  }
}

export function isOnDevice({ type }: Mapping): boolean {
  return type === MappingType.mapped || type === MappingType.unwritten;
}
