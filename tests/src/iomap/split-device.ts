/**
 * A block device as its two users see it: a server through a page cache, which keeps what it read and writes back when it is told
 * to flush, and a kernel with fuse-iomap, which reads and writes file data past that cache. Whatever the server leaves in its cache
 * for blocks that are a file's by now is read stale, or written over the file.
 */
import { type BlockDevice, DeviceError } from "@bulkhead/ext4";

interface CachedPage {
  readonly bytes: Uint8Array;
  /** Of each block of the page. */
  readonly states: BlockState[];
}

/** What a page has of a block: nothing, what it was when it was read or written back, or what is to be written. */
type BlockState = "absent" | "clean" | "dirty";

/** Bytes of a page of the system's cache, which holds several blocks where these are smaller. */
const PAGE = 4096;

export class SplitDevice implements BlockDevice {
  readonly readOnly = false;
  /** What is on the device itself. */
  readonly platter: Uint8Array;
  /** Ranges whose cached pages were dropped, in order. */
  readonly invalidated: { readonly offset: number; readonly length: number }[] = [];
  /** Asked before the server's writes and flushes; false: the device fails. */
  serverWorks: () => boolean = () => true;
  readonly #pages = new Map<number, CachedPage>();
  readonly #blockSize: number;
  readonly #pageSize: number;

  /** @param blockSize of the page cache: what is written back and kept apart */
  constructor(image: Uint8Array, blockSize: number) {
    this.platter = image;
    this.#blockSize = blockSize;
    this.#pageSize = Math.max(PAGE, blockSize);
  }

  get size(): number {
    return this.platter.length;
  }

  /** Where it has to be read, a page is read whole. */
  read(offset: number, target: Uint8Array): void {
    this.#eachBlock(offset, target.length, (page, number, block, from, at, length) => {
      if (page.states[block] === "absent") {
        for (let other = 0; other < page.states.length; other++) this.#load(page, number, other);
      }
      target.set(page.bytes.subarray(from, from + length), at);
    });
  }

  write(offset: number, source: Uint8Array): void {
    this.#mayFail("write", offset, source.length);
    this.#eachBlock(offset, source.length, (page, number, block, from, at, length) => {
      if (length < this.#blockSize) this.#load(page, number, block);
      page.bytes.set(source.subarray(at, at + length), from);
      page.states[block] = "dirty";
    });
  }

  flush(): void {
    this.#mayFail("flush", 0, 0);
    this.writeBack(() => true);
  }

  /** What a system does with its cache of its own accord, at any time. @param chosen whether a page is written back */
  writeBack(chosen: (page: number) => boolean): void {
    for (const [number, { bytes, states }] of this.#pages) {
      if (!chosen(number)) continue;
      for (const [block, state] of states.entries()) {
        if (state !== "dirty") continue;
        const from = block * this.#blockSize;
        this.platter.set(bytes.subarray(from, from + this.#blockSize), number * this.#pageSize + from);
        states[block] = "clean";
      }
    }
  }

  close(): void {}

  /** What DEV_INVAL does: pages are dropped, and not written; of a page that stays, the range reads as zeros. */
  invalidate(offset: number, length: number): void {
    this.invalidated.push({ offset, length });
    const end = offset + length;
    for (const [number, { bytes, states }] of this.#pages) {
      const start = number * this.#pageSize;
      if (start >= end || start + this.#pageSize <= offset) continue;
      if (offset <= start && start + this.#pageSize <= end) {
        this.#pages.delete(number);
        continue;
      }
      const from = Math.max(offset - start, 0);
      const until = Math.min(end - start, this.#pageSize);
      bytes.fill(0, from, until);
      for (let block = Math.ceil(from / this.#blockSize); (block + 1) * this.#blockSize <= until; block++) {
        if (states[block] === "dirty") states[block] = "clean";
      }
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

  #mayFail(operation: "write" | "flush", offset: number, length: number): void {
    if (!this.serverWorks()) throw new DeviceError(operation, offset, length, "injected");
  }

  #load({ bytes, states }: CachedPage, number: number, block: number): void {
    if (states[block] !== "absent") return;
    const from = block * this.#blockSize;
    const start = number * this.#pageSize + from;
    bytes.set(this.platter.subarray(start, start + this.#blockSize), from);
    states[block] = "clean";
  }

  #eachBlock(
    offset: number,
    length: number,
    visit: (page: CachedPage, number: number, block: number, from: number, at: number, length: number) => void,
  ): void {
    for (let at = 0; at < length; ) {
      const number = Math.floor((offset + at) / this.#pageSize);
      const from = offset + at - number * this.#pageSize;
      const block = Math.floor(from / this.#blockSize);
      const count = Math.min(length - at, (block + 1) * this.#blockSize - from);
      let page = this.#pages.get(number);
      if (page === undefined) {
        const states = new Array<BlockState>(this.#pageSize / this.#blockSize).fill("absent");
        page = { bytes: new Uint8Array(this.#pageSize), states };
        this.#pages.set(number, page);
      }
      visit(page, number, block, from, at, count);
      at += count;
    }
  }
}
