import { DeviceError } from "../errors.js";
import type { BlockDevice } from "./device.js";

/**
 * A read-only device on which some blocks are read from other places of the device below, or of another one: what a journal replay leaves
 * behind when the source must not be written. It keeps block numbers, not contents, and costs a read that touches none of
 * its blocks one binary search.
 */
export class OverlayDevice implements BlockDevice {
  readonly size: number;
  readonly readOnly = true;
  readonly #base: BlockDevice;
  readonly #from: BlockDevice;
  readonly #blockSize: number;
  readonly #blocks: Float64Array;
  readonly #sources: Float64Array;
  readonly #escaped: Uint8Array;
  readonly #prefix: Uint8Array;

  /**
   * @param blockSize bytes
   * @param blocks numbers of the overlaid blocks, ascending, none twice
   * @param sources for each, the block of `from` that holds its contents; checked by the caller
   * @param escaped for each, 1 if the contents start with `prefix` instead of what the source block starts with
   * @param from the device that has the contents; default `base`
   */
  constructor(
    base: BlockDevice,
    blockSize: number,
    blocks: Float64Array,
    sources: Float64Array,
    escaped: Uint8Array,
    prefix: Uint8Array,
    from: BlockDevice = base,
  ) {
    this.size = base.size;
    this.#base = base;
    this.#from = from;
    this.#blockSize = blockSize;
    this.#blocks = blocks;
    this.#sources = sources;
    this.#escaped = escaped;
    this.#prefix = prefix;
  }

  /** Overlaid blocks. */
  get count(): number {
    return this.#blocks.length;
  }

  read(offset: number, target: Uint8Array): void {
    const blockSize = this.#blockSize;
    const blocks = this.#blocks;
    const end = offset + target.length;
    let index = this.#firstFrom(Math.floor(offset / blockSize));
    if (index === blocks.length || blocks[index]! * blockSize >= end || target.length === 0) {
      this.#base.read(offset, target);
      return;
    }
    if (!(offset >= 0 && end <= this.size)) {
      throw new DeviceError("read", offset, target.length, `the device ends at ${this.size}`);
    }
    let at = offset;
    while (at < end) {
      const start = index < blocks.length ? blocks[index]! * blockSize : end;
      if (start > at) {
        const stop = Math.min(start, end);
        this.#base.read(at, target.subarray(at - offset, stop - offset));
        at = stop;
        continue;
      }
      // A run of overlaid blocks whose sources lie in a row as well is one read.
      let last = index;
      while (
        last + 1 < blocks.length &&
        blocks[last + 1] === blocks[last]! + 1 &&
        this.#sources[last + 1] === this.#sources[last]! + 1 &&
        blocks[last + 1]! * blockSize < end
      ) {
        last++;
      }
      const stop = Math.min((blocks[last]! + 1) * blockSize, end);
      this.#from.read(this.#sources[index]! * blockSize + (at - start), target.subarray(at - offset, stop - offset));
      for (; index <= last; index++) {
        if (this.#escaped[index] !== 0) this.#unescape(blocks[index]! * blockSize, offset, target);
      }
      at = stop;
    }
  }

  /** Overlaid blocks are few: what lies beneath them is asked for as well. */
  willRead(offset: number, length: number): void {
    this.#base.willRead?.(offset, length);
  }

  write(offset: number, source: Uint8Array): void {
    throw new DeviceError("write", offset, source.length, "the device is read-only");
  }

  flush(): void {}

  close(): void {
    this.#base.close();
  }

  /** Index of the first overlaid block that is `block` or comes after it. */
  #firstFrom(block: number): number {
    const blocks = this.#blocks;
    let low = 0;
    let high = blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (blocks[middle]! < block) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Puts the prefix where it belongs, as much of it as `target` (bytes from `offset` on) shows. */
  #unescape(start: number, offset: number, target: Uint8Array): void {
    const prefix = this.#prefix;
    for (let n = 0; n < prefix.length; n++) {
      const at = start + n - offset;
      if (at >= 0 && at < target.length) target[at] = prefix[n]!;
    }
  }
}
