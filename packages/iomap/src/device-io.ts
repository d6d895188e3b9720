import type { DeviceRegistry, HostDevice } from "./devices.js";
import type { Counters } from "./door.js";
import { EIO } from "./errno.js";
import type { Mapping } from "./mapping.js";

/** What has gone to and from devices. */
export type DeviceCounters = Pick<Counters, "deviceReads" | "deviceWrites" | "bytesRead" | "bytesWritten">;

/** Bytes of zeros that one write of zeros takes. */
const ZEROS = 64 * 1024;

/** All that the host reads and writes on devices goes through here: never outside the mapping, never outside the device. */
export class DeviceIo {
  readonly #devices: DeviceRegistry;
  readonly #counters: DeviceCounters;
  readonly #onError: (error: unknown) => void;
  #zeros: Uint8Array | undefined;

  constructor(devices: DeviceRegistry, counters: DeviceCounters, onError: (error: unknown) => void) {
    this.#devices = devices;
    this.#counters = counters;
    this.#onError = onError;
  }

  /** Reads file bytes from `pos` on, which lie in `mapping`. @returns 0, or -EIO */
  read(mapping: Readonly<Mapping>, pos: number, target: Uint8Array): number {
    const device = this.deviceFor(mapping, pos, target.length);
    return device === undefined ? -EIO : this.readAt(device, mapping.addr + (pos - mapping.offset), target);
  }

  /** Reads from byte `addr` of a device on, where {@link deviceFor} has found that to be. @returns 0, or -EIO */
  readAt(device: HostDevice, addr: number, target: Uint8Array): number {
    this.#counters.deviceReads++;
    try {
      device.read(addr, target);
    } catch (error) {
      this.#onError(error);
      return -EIO;
    }
    this.#counters.bytesRead += target.length;
    return 0;
  }

  /** Writes file bytes from `pos` on, which lie in `mapping`. @returns 0, or -EIO */
  write(mapping: Readonly<Mapping>, pos: number, source: Uint8Array): number {
    const device = this.deviceFor(mapping, pos, source.length);
    if (device?.write === undefined || device.readOnly === true) return -EIO;
    this.#counters.deviceWrites++;
    try {
      device.write(mapping.addr + (pos - mapping.offset), source);
    } catch (error) {
      this.#onError(error);
      return -EIO;
    }
    this.#counters.bytesWritten += source.length;
    return 0;
  }

  /** Writes zeros to file bytes [pos, end). @returns 0, or -EIO */
  writeZeros(mapping: Readonly<Mapping>, pos: number, end: number): number {
    this.#zeros ??= new Uint8Array(ZEROS);
    for (let at = pos; at < end; ) {
      const length = Math.min(end - at, ZEROS);
      const failure = this.write(mapping, at, length === ZEROS ? this.#zeros : this.#zeros.subarray(0, length));
      if (failure !== 0) return failure;
      at += length;
    }
    return 0;
  }

  /** Makes durable what was written to a device. @returns 0, or -EIO; undefined when the device cannot */
  flush(dev: number): number | undefined {
    const device = this.#devices.get(dev);
    if (device?.flush === undefined) return undefined;
    try {
      device.flush();
      return 0;
    } catch (error) {
      this.#onError(error);
      return -EIO;
    }
  }

  /** Bytes that I/O through `mapping` is aligned to. */
  alignment(mapping: Readonly<Mapping>): number {
    return this.#devices.get(mapping.dev)?.blockSize ?? 1;
  }

  /** Tells the device that `length` file bytes from `pos` on, which lie in `mapping`, will be read soon. What is wrong there is said when they are. */
  willRead(mapping: Readonly<Mapping>, pos: number, length: number): void {
    this.#find(mapping, pos, length)?.willRead?.(mapping.addr + (pos - mapping.offset), length);
  }

  /** The device of file bytes that lie in `mapping`; undefined, and told, when they are not inside of both. */
  deviceFor(mapping: Readonly<Mapping>, pos: number, length: number): HostDevice | undefined {
    const device = this.#find(mapping, pos, length);
    if (device !== undefined) return device;
    const addr = mapping.addr + (pos - mapping.offset);
    const size = this.#devices.get(mapping.dev)?.size ?? 0;
    this.#onError(
      new Error(`${length} bytes at ${addr} of device ${mapping.dev} are outside of it, which has ${size}`),
    );
    return undefined;
  }

  #find(mapping: Readonly<Mapping>, pos: number, length: number): HostDevice | undefined {
    const device = this.#devices.get(mapping.dev);
    const addr = mapping.addr + (pos - mapping.offset);
    const inMapping = mapping.isOnDevice && pos >= mapping.offset && pos + length <= mapping.end;
    return device !== undefined && inMapping && addr >= 0 && addr + length <= device.size ? device : undefined;
  }
}
