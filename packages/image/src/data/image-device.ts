import * as fs from "node:fs";
import type { HostDevice } from "@bulkhead/iomap";

/** The bytes of an open image, from the file system's first on, as a device for file I/O. */
export class ImageDevice implements HostDevice {
  readonly size: number;
  readonly readOnly: boolean;
  readonly #fd: number;
  readonly #start: number;

  /**
   * @param fd stays the caller's
   * @param start byte of the file system's first
   * @param size bytes
   */
  constructor(fd: number, start: number, size: number, readOnly: boolean) {
    this.#fd = fd;
    this.#start = start;
    this.size = size;
    this.readOnly = readOnly;
  }

  read(offset: number, target: Uint8Array): void {
    this.#check(offset, target.length);
    for (let done = 0; done < target.length; ) {
      const got = fs.readSync(this.#fd, target, done, target.length - done, this.#start + offset + done);
      if (got === 0) throw new Error(`the image ends at byte ${this.#start + offset + done}`);
      done += got;
    }
  }

  write(offset: number, source: Uint8Array): void {
    this.#check(offset, source.length);
    for (let done = 0; done < source.length; ) {
      done += fs.writeSync(this.#fd, source, done, source.length - done, this.#start + offset + done);
    }
  }

  flush(): void {
    fs.fdatasyncSync(this.#fd);
  }

  #check(offset: number, length: number): void {
    if (!(offset >= 0 && offset + length <= this.size)) {
      throw new RangeError(`bytes ${offset} to ${offset + length} are outside of the file system's ${this.size}`);
    }
  }
}
