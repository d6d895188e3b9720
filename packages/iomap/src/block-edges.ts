import type { DeviceIo } from "./device-io.js";
import { type Mapping, MappingFlag, MappingType } from "./mapping.js";

/** Copies what a block at byte `start` of a file holds inline into `block`, zeros behind it. 0, or a negative errno. */
export type LoadInline<F> = (file: F, mapping: Readonly<Mapping>, start: number, block: Uint8Array) => number;

/** Writes in whole blocks, where the blocks hold nothing yet, are copies, or are all that a device takes. */
export class BlockEdges<F extends { readonly size: number }> {
  /** Bytes of the last write that have reached the device. */
  written = 0;
  readonly #io: DeviceIo;
  readonly #loadInline: LoadInline<F>;
  #block = new Uint8Array(0);

  constructor(io: DeviceIo, loadInline: LoadInline<F>) {
    this.#io = io;
    this.#loadInline = loadInline;
  }

  /**
   * Writes `data` at byte `pos` of `file`, inside `target`. What it leaves of its first and last block becomes what that block held
   * in the file, as `old` has it, or zeros; behind the end of the file, zeros.
   *
   * @returns 0, or a negative errno
   */
  write(
    file: F,
    blockSize: number,
    target: Readonly<Mapping>,
    old: Readonly<Mapping>,
    pos: number,
    data: Uint8Array,
  ): number {
    const { length } = data;
    const head = pos % blockSize;
    this.written = 0;
    if (this.#block.length !== blockSize) this.#block = new Uint8Array(blockSize);
    if (head !== 0 || length < blockSize) {
      const part = data.subarray(0, Math.min(blockSize - head, length));
      const failure = this.#part(file, target, old, pos - head, head, part);
      if (failure !== 0) return failure;
    }
    const left = length - this.written;
    const whole = left - (left % blockSize);
    if (whole > 0) {
      const body = whole === length ? data : data.subarray(this.written, this.written + whole);
      const failure = this.#io.write(target, pos + this.written, body);
      if (failure !== 0) return failure;
      this.written += whole;
    }
    if (this.written === length) return 0;
    return this.#part(file, target, old, pos + this.written, 0, data.subarray(this.written));
  }

  /** Writes the block at `start` with `data` at its byte `from`. */
  #part(
    file: F,
    target: Readonly<Mapping>,
    old: Readonly<Mapping>,
    start: number,
    from: number,
    data: Uint8Array,
  ): number {
    const block = this.#block;
    const failure = this.#fill(file, old, start);
    if (failure !== 0) return failure;
    const end = Math.max(file.size, start + from + data.length);
    if (end < start + block.length) block.fill(0, end - start);
    block.set(data, from);
    const failed = this.#io.write(target, start, block);
    if (failed === 0) this.written += data.length;
    return failed;
  }

  /** Puts into the block what the one at `start` holds. */
  #fill(file: F, old: Readonly<Mapping>, start: number): number {
    const block = this.#block;
    block.fill(0);
    if (start >= file.size) return 0;
    if (old.type === MappingType.inline) return this.#loadInline(file, old, start, block);
    if (old.type !== MappingType.mapped || (old.flags & MappingFlag.new) !== 0) return 0;
    const failure = this.#io.read(old, start, block);
    // What lies behind the end of the file there is none of its data.
    if (file.size < start + block.length) block.fill(0, file.size - start);
    return failure;
  }
}

/** Whether what the blocks of a mapping hold is no data of the file: they are written whole. */
export function isFresh({ type, flags }: Readonly<Mapping>): boolean {
  return type !== MappingType.mapped || (flags & MappingFlag.new) !== 0;
}
