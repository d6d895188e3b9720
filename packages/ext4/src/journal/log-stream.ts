import type { JournalLog } from "./log.js";

/** Bytes that are gathered at most before they are written. */
const BUFFER_SIZE = 512 * 1024;

/** Writes blocks to a log one after the other, in as few device writes as they lie in runs: around the log's end, and from extent to extent. */
export class LogStream {
  readonly data: Uint8Array;
  readonly view: DataView;
  readonly #log: JournalLog;
  readonly #capacity: number;
  #place: number;
  #count = 0;
  /** Block of the device where the gathered blocks go. */
  #home = 0;

  /** @param place where the first block goes */
  constructor(log: JournalLog, place: number) {
    this.#log = log;
    this.#place = place;
    this.#capacity = Math.max(2, Math.floor(BUFFER_SIZE / log.blockSize));
    this.data = new Uint8Array(this.#capacity * log.blockSize);
    this.view = new DataView(this.data.buffer);
  }

  /** Place of the next block. */
  get place(): number {
    return this.#place;
  }

  /** Offset in `data` of the next block's bytes, which the caller fills before it asks for another. They may hold anything. */
  next(): number {
    const home = this.#log.locate(this.#place);
    if (this.#count > 0 && (this.#count === this.#capacity || home !== this.#home + this.#count)) this.write();
    if (this.#count === 0) this.#home = home;
    this.#place = this.#log.after(this.#place, 1);
    return this.#count++ * this.#log.blockSize;
  }

  /** Puts zeros where the next block goes. */
  clear(): void {
    const place = this.#place;
    const at = this.next();
    this.data.fill(0, at, at + this.#log.blockSize);
    this.#place = place;
  }

  /** Writes what was gathered. */
  write(): void {
    const { blockSize, storage } = this.#log;
    if (this.#count === 0) return;
    const bytes = this.data.subarray(0, this.#count * blockSize);
    this.#count = 0;
    storage.device.write(this.#home * blockSize, bytes);
  }
}
