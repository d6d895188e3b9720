/**
 * A block device as its two users see it: a server through a page cache, which keeps what it read and writes back when it is told
 * to flush, and a kernel with fuse-iomap, which reads and writes file data past that cache. Whatever the server leaves in its cache
 * for blocks that are a file's by now is read stale, or written over the file.
 */
import type { BlockDevice } from "@bulkhead/ext4";

interface CachedPage {
  readonly bytes: Uint8Array;
  dirty: boolean;
}

export class SplitDevice implements BlockDevice {
  readonly readOnly = false;
  /** What is on the device itself. */
  readonly platter: Uint8Array;
  /** Ranges whose cached pages were dropped, in order. */
  readonly invalidated: { readonly offset: number; readonly length: number }[] = [];
  readonly #pages = new Map<number, CachedPage>();
  readonly #pageSize: number;

  constructor(image: Uint8Array, pageSize: number) {
    this.platter = image;
    this.#pageSize = pageSize;
  }

  get size(): number {
    return this.platter.length;
  }

  read(offset: number, target: Uint8Array): void {
    this.#eachPage(offset, target.length, (page, from, at, length) => {
      target.set(page.bytes.subarray(from, from + length), at);
    });
  }

  write(offset: number, source: Uint8Array): void {
    this.#eachPage(offset, source.length, (page, from, at, length) => {
      page.bytes.set(source.subarray(at, at + length), from);
      page.dirty = true;
    });
  }

  flush(): void {
    for (const [number, page] of this.#pages) {
      if (page.dirty) this.platter.set(page.bytes, number * this.#pageSize);
      page.dirty = false;
    }
  }

  close(): void {}

  /** What DEV_INVAL does: pages are dropped, and not written. */
  invalidate(offset: number, length: number): void {
    this.invalidated.push({ offset, length });
    for (let page = Math.floor(offset / this.#pageSize); page * this.#pageSize < offset + length; page++) {
      this.#pages.delete(page);
    }
  }

  /** Past the cache. */
  readDirect(offset: number, target: Uint8Array): void {
    target.set(this.platter.subarray(offset, offset + target.length));
  }

  /** Past the cache. */
  writeDirect(offset: number, source: Uint8Array): void {
    this.platter.set(source, offset);
  }

  #eachPage(
    offset: number,
    length: number,
    visit: (page: CachedPage, from: number, at: number, length: number) => void,
  ): void {
    for (let at = 0; at < length; ) {
      const number = Math.floor((offset + at) / this.#pageSize);
      const from = offset + at - number * this.#pageSize;
      const count = Math.min(length - at, this.#pageSize - from);
      let page = this.#pages.get(number);
      if (page === undefined) {
        const start = number * this.#pageSize;
        page = { bytes: this.platter.slice(start, start + this.#pageSize), dirty: false };
        this.#pages.set(number, page);
      }
      visit(page, from, at, count);
      at += count;
    }
  }
}
