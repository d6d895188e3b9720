import * as fs from "node:fs";
import type { HostDevice } from "@bulkhead/iomap";
import { preadNow, readahead } from "@bulkhead/linux";
import type { DirectIo } from "./direct-io.js";

type Landed = (error?: unknown) => void;

/** Where in a file an image's file system is. */
export interface ImagePlace {
  /** Descriptor of the file; stays the caller's. */
  readonly fd: number;
  /** Byte of the file system's first. */
  readonly start: number;
  /** Bytes. */
  readonly size: number;
  readonly readOnly: boolean;
  /** For what can go past the system's page cache; none: nothing does. */
  readonly direct?: DirectIo | undefined;
}

/** The bytes of an open image, from the file system's first on, as a device for file I/O. */
export class ImageDevice implements HostDevice {
  readonly size: number;
  readonly readOnly: boolean;
  readonly #fd: number;
  readonly #start: number;
  readonly #direct: DirectIo | undefined;

  constructor({ fd, start, size, readOnly, direct }: ImagePlace) {
    this.#fd = fd;
    this.#start = start;
    this.size = size;
    this.readOnly = readOnly;
    this.#direct = direct;
  }

  read(offset: number, target: Uint8Array): void {
    const position = this.#place(offset, target.length);
    let done = this.#direct?.reads(target, position) === true ? Math.max(this.#direct.read(target, position), 0) : 0;
    while (done < target.length) {
      const got = fs.readSync(this.#fd, target, done, target.length - done, position + done);
      if (got === 0) throw endsAt(position + done);
      done += got;
    }
  }

  /** What is in the system's page cache is there at once; the rest is asked for, and then waited for by libuv's threads. */
  readLater(offset: number, target: Uint8Array, landed: Landed): boolean {
    const position = this.#place(offset, target.length);
    if (this.#direct?.reads(target, position) === true) {
      const rest = (got: number) => {
        if (got === target.length) landed();
        else this.#readRest(target, Math.max(got, 0), position, landed);
      };
      if (this.#direct.submitRead(target, position, rest)) return false;
    }
    const got = Math.max(preadNow(this.#fd, target, 0, target.length, position), 0);
    if (got === target.length) return true;
    // There are few threads, and they wait one after another: the disk hears of all that is wanted now.
    readahead(this.#fd, position + got, target.length - got);
    this.#readRest(target, got, position, landed);
    return false;
  }

  #readRest(target: Uint8Array, done: number, position: number, landed: Landed): void {
    fs.read(this.#fd, target, done, target.length - done, position + done, (error, got) => {
      if (error !== null) landed(error);
      else if (got === 0) landed(endsAt(position + done));
      else if (done + got === target.length) landed();
      else this.#readRest(target, done + got, position, landed);
    });
  }

  willRead(offset: number, length: number): void {
    if (this.#direct === undefined) readahead(this.#fd, this.#start + offset, length);
  }

  write(offset: number, source: Uint8Array): void {
    const position = this.#place(offset, source.length);
    for (let done = 0; done < source.length; ) {
      const rest = done === 0 ? source : source.subarray(done);
      const at = position + done;
      const put = this.#direct?.writes(rest.length, at) === true ? this.#direct.write(rest, at) : 0;
      done += put > 0 ? put : fs.writeSync(this.#fd, rest, 0, rest.length, at);
    }
  }

  writeLater(offset: number, source: Uint8Array, landed: Landed): boolean {
    const position = this.#place(offset, source.length);
    if (this.#direct?.writes(source.length, position) === true) {
      this.#direct.submitWrite(source, position, (put) => {
        if (put === source.length) landed();
        else this.#writeRest(source, Math.max(put, 0), position, landed);
      });
    } else {
      this.#writeRest(source, 0, position, landed);
    }
    return false;
  }

  #writeRest(source: Uint8Array, done: number, position: number, landed: Landed): void {
    fs.write(this.#fd, source, done, source.length - done, position + done, (error, put) => {
      if (error !== null) landed(error);
      else if (done + put === source.length) landed();
      else this.#writeRest(source, done + put, position, landed);
    });
  }

  /** As `flush`, in one of libuv's threads. */
  flushLater(landed: Landed): void {
    fs.fdatasync(this.#fd, (error) => landed(error ?? undefined));
  }

  flush(): void {
    fs.fdatasyncSync(this.#fd);
  }

  close(): void {
    this.#direct?.close();
  }

  #place(offset: number, length: number): number {
    if (offset >= 0 && offset + length <= this.size) return this.#start + offset;
    throw new RangeError(`bytes ${offset} to ${offset + length} are outside of the file system's ${this.size}`);
  }
}

function endsAt(position: number): Error {
  return new Error(`the image ends at byte ${position}`);
}
