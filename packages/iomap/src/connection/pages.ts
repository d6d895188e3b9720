import type { PageCacheOptions } from "../door.js";
import type { FileIdentity } from "../server.js";
import type { FileState } from "./file-state.js";

const DEFAULT_BYTES = 64 * 1024 * 1024;
const DEFAULT_PAGE = 64 * 1024;
const SMALLEST_PAGE = 4096;
const DEFAULT_READ_AHEAD = 1024 * 1024;
/** Fewer pages than these, and an operation would evict what it works on. */
const FEWEST_PAGES = 8;
/** Buffers of dropped pages that wait for the next. */
const MOST_SPARE = 64;

const UP_TO_DATE = 1;
const DIRTY = 2;

/** A piece of a file in memory. Each of its blocks is up to date or not, and dirty or not. */
export class Page {
  readonly file: FileState<FileIdentity>;
  readonly index: number;
  /** Byte in the file of the first byte. */
  readonly start: number;
  readonly data: Uint8Array;
  readonly #state: Uint8Array;
  readonly #blockSize: number;
  dirtyBlocks = 0;
  /** Somebody works on it: it stays. */
  isPinned = false;
  /** Neighbours in the order of use; the cache's. */
  older: Page | undefined;
  newer: Page | undefined;

  constructor(file: FileState<FileIdentity>, index: number, data: Uint8Array) {
    this.file = file;
    this.index = index;
    this.data = data;
    this.start = index * data.length;
    this.#blockSize = file.limits.blockSize;
    this.#state = new Uint8Array(data.length / this.#blockSize);
  }

  get end(): number {
    return this.start + this.data.length;
  }

  #at(pos: number): number {
    return Math.floor((pos - this.start) / this.#blockSize);
  }

  isUpToDate(pos: number): boolean {
    return (this.#state[this.#at(pos)]! & UP_TO_DATE) !== 0;
  }

  isDirty(pos: number): boolean {
    return (this.#state[this.#at(pos)]! & DIRTY) !== 0;
  }

  setUpToDate(pos: number): void {
    this.#state[this.#at(pos)]! |= UP_TO_DATE;
  }

  /** Of the blocks that [from, end) touches, all are valid now, and dirty. @returns blocks that were not */
  setDirty(from: number, end: number): number {
    let more = 0;
    const last = this.#at(end - 1);
    for (let block = this.#at(from); block <= last; block++) {
      if ((this.#state[block]! & DIRTY) === 0) more++;
      this.#state[block] = UP_TO_DATE | DIRTY;
    }
    this.dirtyBlocks += more;
    return more;
  }

  /** @returns blocks that were dirty */
  setClean(from: number, end: number): number {
    let fewer = 0;
    const last = this.#at(Math.min(end, this.end) - 1);
    for (let block = this.#at(Math.max(from, this.start)); block <= last; block++) {
      if ((this.#state[block]! & DIRTY) !== 0) fewer++;
      this.#state[block]! &= ~DIRTY;
    }
    this.dirtyBlocks -= fewer;
    return fewer;
  }

  /** Blocks from `pos`'s on hold nothing any more. They are clean. */
  forgetFrom(pos: number): void {
    this.#state.fill(0, this.#at(pos));
  }
}

/** File data in memory: a bounded number of bytes, of all files together; who was used last stays longest. */
export class PageCache {
  readonly pageBytes: number;
  readonly readAhead: number;
  readonly #mostPages: number;
  readonly #mostDirty: number;
  readonly #spare: Uint8Array[] = [];
  #oldest: Page | undefined;
  #newest: Page | undefined;
  #count = 0;
  /** Bytes of all files. */
  dirtyBytes = 0;
  /** Writes a file's dirty pages back; all of them are clean afterwards. */
  writeBack: (file: FileState<FileIdentity>) => void = () => {};

  constructor(options: PageCacheOptions = {}) {
    const asked = options.pageBytes ?? DEFAULT_PAGE;
    if (!(Number.isInteger(Math.log2(asked)) && asked >= SMALLEST_PAGE)) {
      throw new Error(`pageCache.pageBytes is ${asked}; it has to be a power of two from ${SMALLEST_PAGE} on`);
    }
    this.pageBytes = asked;
    const bytes = Math.max(options.bytes ?? DEFAULT_BYTES, FEWEST_PAGES * asked);
    this.#mostPages = Math.floor(bytes / asked);
    this.#mostDirty = Math.min(options.dirtyBytes ?? bytes / 4, bytes / 2);
    this.readAhead = Math.min(options.readAhead ?? DEFAULT_READ_AHEAD, bytes / 4);
  }

  /** Bytes in memory. */
  get bytes(): number {
    return this.#count * this.pageBytes;
  }

  /** The most that one step reads into the cache. */
  get mostAtOnce(): number {
    return Math.floor(this.#mostPages / 4) * this.pageBytes;
  }

  find(file: FileState<FileIdentity>, pos: number): Page | undefined {
    return file.pages.get(Math.floor(pos / this.pageBytes));
  }

  /** The page of byte `pos`, made when there is none. Others may be written back and dropped for it. */
  obtain(file: FileState<FileIdentity>, pos: number): Page {
    const index = Math.floor(pos / this.pageBytes);
    const there = file.pages.get(index);
    if (there !== undefined) {
      this.touch(there);
      return there;
    }
    while (this.#count >= this.#mostPages && this.#evictOne());
    const page = new Page(file, index, this.#spare.pop() ?? new Uint8Array(this.pageBytes));
    file.pages.set(index, page);
    this.#count++;
    this.#link(page);
    return page;
  }

  touch(page: Page): void {
    if (page === this.#newest) return;
    this.#unlink(page);
    this.#link(page);
  }

  #evictOne(): boolean {
    for (let page = this.#oldest; page !== undefined; page = page.newer) {
      if (page.isPinned) continue;
      if (page.dirtyBlocks > 0) this.writeBack(page.file);
      // While it was written back, the server may have had it dropped.
      if (page.file.pages.get(page.index) !== page) return true;
      if (page.dirtyBlocks > 0) continue;
      this.drop(page);
      return true;
    }
    return false;
  }

  markDirty(page: Page, from: number, end: number): void {
    const bytes = page.setDirty(from, end) * page.file.limits.blockSize;
    page.file.dirtyPages.add(page);
    page.file.dirtyBytes += bytes;
    this.dirtyBytes += bytes;
  }

  markClean(page: Page, from: number, end: number): void {
    const bytes = page.setClean(from, end) * page.file.limits.blockSize;
    if (page.dirtyBlocks === 0) page.file.dirtyPages.delete(page);
    page.file.dirtyBytes -= bytes;
    this.dirtyBytes -= bytes;
  }

  /** Writes back while more is dirty than may be: the file that is being written, or who has waited longest. */
  balance(file: FileState<FileIdentity>): void {
    if (this.dirtyBytes <= this.#mostDirty) return;
    if (file.dirtyBytes * 2 >= this.dirtyBytes) this.writeBack(file);
    for (let page = this.#oldest; page !== undefined && this.dirtyBytes > this.#mostDirty; page = page.newer) {
      if (page.dirtyBlocks > 0) this.writeBack(page.file);
    }
  }

  /** Drops a page, and with it what was dirty in it. */
  drop(page: Page): void {
    this.markClean(page, page.start, page.end);
    page.file.pages.delete(page.index);
    this.#unlink(page);
    this.#count--;
    if (this.#spare.length < MOST_SPARE) this.#spare.push(page.data);
  }

  /** Drops the pages that [pos, end) touches; dirty ones only when told so. */
  dropRange(file: FileState<FileIdentity>, pos: number, end: number, dirtyToo = false): void {
    const first = Math.floor(pos / this.pageBytes);
    const last = Math.ceil(end / this.pageBytes) - 1;
    if (last - first < file.pages.size) {
      for (let index = first; index <= last; index++) this.#dropIf(file.pages.get(index), dirtyToo);
      return;
    }
    for (const page of file.pages.values()) {
      if (page.index >= first && page.index <= last) this.#dropIf(page, dirtyToo);
    }
  }

  #dropIf(page: Page | undefined, dirtyToo: boolean): void {
    if (page !== undefined && !page.isPinned && (dirtyToo || page.dirtyBlocks === 0)) this.drop(page);
  }

  /** Cuts a file's pages at `size`: what lies behind it is neither dirty nor there. */
  cut(file: FileState<FileIdentity>, size: number): void {
    const { blockSize } = file.limits;
    const edge = this.find(file, size);
    const boundary = Math.ceil(size / this.pageBytes) * this.pageBytes;
    this.dropRange(file, boundary, Number.MAX_SAFE_INTEGER, true);
    if (edge === undefined || size === boundary) return;
    edge.data.fill(0, size - edge.start);
    const next = Math.ceil(size / blockSize) * blockSize;
    if (next >= edge.end) return;
    this.markClean(edge, next, edge.end);
    edge.forgetFrom(next);
  }

  #link(page: Page): void {
    page.older = this.#newest;
    page.newer = undefined;
    if (this.#newest === undefined) this.#oldest = page;
    else this.#newest.newer = page;
    this.#newest = page;
  }

  #unlink(page: Page): void {
    if (page.older === undefined) this.#oldest = page.newer;
    else page.older.newer = page.newer;
    if (page.newer === undefined) this.#newest = page.older;
    else page.newer.older = page.older;
    page.older = undefined;
    page.newer = undefined;
  }
}
