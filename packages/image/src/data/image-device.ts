import * as fs from "node:fs";
import type { HostDevice } from "@bulkhead/iomap";
import { preadNow, readahead } from "@bulkhead/linux";

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

  /** What is in the system's page cache is there at once; the rest is asked for, and then waited for by libuv's threads. */
  readLater(offset: number, target: Uint8Array, landed: (error?: unknown) => void): boolean {
    this.#check(offset, target.length);
    const position = this.#start + offset;
    const got = Math.max(preadNow(this.#fd, target, 0, target.length, position), 0);
    if (got === target.length) return true;
    // There are few threads, and they wait one after another: the disk hears of all that is wanted now.
    readahead(this.#fd, position + got, target.length - got);
    this.#readRest(target, got, position, landed);
    return false;
  }

  #readRest(target: Uint8Array, done: number, position: number, landed: (error?: unknown) => void): void {
    fs.read(this.#fd, target, done, target.length - done, position + done, (error, got) => {
      if (error !== null) landed(error);
      else if (got === 0) landed(new Error(`the image ends at byte ${position + done}`));
      else if (done + got === target.length) landed();
      else this.#readRest(target, done + got, position, landed);
    });
  }

  write(offset: number, source: Uint8Array): void {
    this.#check(offset, source.length);
    for (let done = 0; done < source.length; ) {
      done += fs.writeSync(this.#fd, source, done, source.length - done, this.#start + offset + done);
    }
  }

  writeLater(offset: number, source: Uint8Array, landed: (error?: unknown) => void): boolean {
    this.#check(offset, source.length);
    this.#writeRest(source, 0, this.#start + offset, landed);
    return false;
  }

  #writeRest(source: Uint8Array, done: number, position: number, landed: (error?: unknown) => void): void {
    fs.write(this.#fd, source, done, source.length - done, position + done, (error, put) => {
      if (error !== null) landed(error);
      else if (done + put === source.length) landed();
      else this.#writeRest(source, done + put, position, landed);
    });
  }

  /** As `flush`, in one of libuv's threads. */
  flushLater(landed: (error?: unknown) => void): void {
    fs.fdatasync(this.#fd, (error) => landed(error ?? undefined));
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
