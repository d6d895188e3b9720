import { DeviceError } from "../errors.js";
import type { BlockDevice } from "./device.js";

/** The part of a browser's Blob or File that is needed. */
export interface BlobLike {
  readonly size: number;
  slice(start: number, end: number): BlobLike;
}

/** The part of a worker's FileReaderSync that is needed. */
export interface BlobReader {
  readAsArrayBuffer(blob: BlobLike): ArrayBuffer;
}

/** A file that a browser's user picked, read-only. For workers: FileReaderSync exists only there. */
export class BlobDevice implements BlockDevice {
  readonly size: number;
  readonly readOnly = true;
  readonly #blob: BlobLike;
  readonly #reader: BlobReader;

  /** @param reader `new FileReaderSync()` */
  constructor(blob: BlobLike, reader: BlobReader) {
    this.#blob = blob;
    this.#reader = reader;
    this.size = blob.size;
  }

  read(offset: number, target: Uint8Array): void {
    const { length } = target;
    if (!(offset >= 0 && offset + length <= this.size)) {
      throw new DeviceError("read", offset, length, `the file ends at ${this.size}`);
    }
    let bytes: ArrayBuffer;
    try {
      bytes = this.#reader.readAsArrayBuffer(this.#blob.slice(offset, offset + length));
    } catch (cause) {
      throw new DeviceError("read", offset, length, cause);
    }
    if (bytes.byteLength !== length) throw new DeviceError("read", offset, length, `got ${bytes.byteLength} bytes`);
    target.set(new Uint8Array(bytes));
  }

  write(offset: number, source: Uint8Array): void {
    throw new DeviceError("write", offset, source.length, "the device is read-only");
  }

  flush(): void {}

  close(): void {}
}
