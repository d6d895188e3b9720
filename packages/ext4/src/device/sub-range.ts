import { DeviceError } from "../errors.js";
import type { BlockDevice } from "./device.js";

/** A part of another device: a partition, or an image that starts at an offset. Closing it closes the device below. */
export class SubRangeDevice implements BlockDevice {
  readonly size: number;
  readonly readOnly: boolean;
  /** Byte offset on the device below. */
  readonly start: number;
  readonly #base: BlockDevice;

  /**
   * @param start byte offset, inside the device
   * @param length bytes; default: up to the end of the device. A longer range is cut at the end
   * @throws DeviceError when the range does not start inside the device
   */
  constructor(base: BlockDevice, start: number, length = base.size - start) {
    if (!(Number.isSafeInteger(start) && start >= 0 && start <= base.size && length >= 0)) {
      throw new DeviceError("read", start, length, `the device has ${base.size} bytes`);
    }
    this.#base = base;
    this.start = start;
    this.size = Math.min(length, base.size - start);
    this.readOnly = base.readOnly;
  }

  read(offset: number, target: Uint8Array): void {
    this.#check("read", offset, target.length);
    this.#base.read(this.start + offset, target);
  }

  readNow(offset: number, target: Uint8Array): number {
    if (!(offset >= 0 && offset + target.length <= this.size)) return 0;
    return this.#base.readNow?.(this.start + offset, target) ?? 0;
  }

  get file() {
    const file = this.#base.file;
    return file && { fd: file.fd, start: file.start + this.start };
  }

  willRead(offset: number, length: number): void {
    this.#base.willRead?.(this.start + offset, length);
  }

  write(offset: number, source: Uint8Array): void {
    this.#check("write", offset, source.length);
    this.#base.write(this.start + offset, source);
  }

  takeWritten(): number {
    return this.#base.takeWritten?.() ?? 0;
  }

  countWritten(bytes: number): void {
    this.#base.countWritten?.(bytes);
  }

  flush(): void {
    this.#base.flush();
  }

  discard(offset: number, length: number): boolean {
    if (!(offset >= 0 && offset + length <= this.size)) return false;
    return this.#base.discard?.(this.start + offset, length) ?? false;
  }

  close(): void {
    this.#base.close();
  }

  #check(operation: "read" | "write", offset: number, length: number): void {
    if (!(offset >= 0 && offset + length <= this.size)) {
      throw new DeviceError(operation, offset, length, `the range ends at ${this.size}`);
    }
  }
}
