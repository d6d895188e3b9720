import type { IoSequence } from "../device/io-sequence.js";
import type { JournalLog } from "./log.js";

/** Bytes that are gathered at most before they are written. */
const BUFFER_SIZE = 512 * 1024;

/** Writes blocks to a log one after the other, in as few device writes as they lie in runs: around the log's end, and from extent to extent. */
export class LogStream {
  /** Where the next blocks are gathered, and the same as a view: from one `next` to the following. */
  data: Uint8Array = new Uint8Array(0);
  view: DataView = new DataView(this.data.buffer);
  readonly #log: JournalLog;
  #io: IoSequence | undefined = undefined;
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
  }

  /** Where the writes go from here on. */
  begin(io: IoSequence): void {
    this.#io = io;
    this.#count = 0;
  }

  /** Place of the next block. To be changed while nothing is gathered. */
  get place(): number {
    return this.#place;
  }
  set place(place: number) {
    this.#place = place;
  }

  /** Offset in `data` of the next block's bytes, which the caller fills before it asks for another. They may hold anything. */
  next(): number {
    const home = this.#log.locate(this.#place);
    if (this.#count > 0 && (this.#count === this.#capacity || home !== this.#home + this.#count)) this.write();
    if (this.#count === 0) {
      this.#home = home;
      this.#take();
    }
    this.#place = this.#log.after(this.#place, 1);
    return this.#count++ * this.#log.blockSize;
  }

  #take(): void {
    const data = this.#io!.take(this.#capacity * this.#log.blockSize);
    if (data === this.data) return;
    this.data = data;
    this.view = new DataView(data.buffer, data.byteOffset, data.length);
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
    this.#io!.write(storage.device, this.#home * blockSize, bytes);
  }
}
