import { DeviceError } from "../errors.js";
import type { BlockDevice } from "./device.js";

/** A device in memory, over the caller's bytes. */
export class MemoryDevice implements BlockDevice {
  readonly size: number;
  readonly readOnly: boolean;
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array, options: { readOnly?: boolean } = {}) {
    this.bytes = bytes;
    this.size = bytes.length;
    this.readOnly = options.readOnly ?? false;
  }

  read(offset: number, target: Uint8Array): void {
    if (!(offset >= 0 && offset + target.length <= this.size)) {
      throw new DeviceError("read", offset, target.length, `the device ends at ${this.size}`);
    }
    target.set(this.bytes.subarray(offset, offset + target.length));
  }

  write(offset: number, source: Uint8Array): void {
    if (this.readOnly) throw new DeviceError("write", offset, source.length, "the device is read-only");
    if (!(offset >= 0 && offset + source.length <= this.size)) {
      throw new DeviceError("write", offset, source.length, `the device ends at ${this.size}`);
    }
    this.bytes.set(source, offset);
  }

  flush(): void {}

  close(): void {}
}
