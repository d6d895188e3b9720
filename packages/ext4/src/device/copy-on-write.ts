import { DeviceError } from "../errors.js";
import type { BlockDevice } from "./device.js";

/** A device whose changes stay in memory, by whole blocks; the one below is not written. */
export class CopyOnWriteDevice implements BlockDevice {
  readonly size: number;
  readonly #base: BlockDevice;
  readonly #blockSize: number;
  readonly #mostBlocks: number;
  readonly #changed = new Map<number, Uint8Array>();
  #readOnly = false;

  /**
   * @param blockSize bytes; reads and writes may be any part of blocks
   * @param mostBlocks changed blocks that are kept at most
   */
  constructor(base: BlockDevice, blockSize: number, mostBlocks: number) {
    this.size = base.size;
    this.#base = base;
    this.#blockSize = blockSize;
    this.#mostBlocks = mostBlocks;
  }

  get readOnly(): boolean {
    return this.#readOnly;
  }

  /** Changed blocks. */
  get count(): number {
    return this.#changed.size;
  }

  /** Nothing changes from here on. */
  freeze(): void {
    this.#readOnly = true;
  }

  /** The changed blocks, ascending. */
  changes(): [block: number, data: Uint8Array][] {
    return [...this.#changed].sort(([a], [b]) => a - b);
  }

  read(offset: number, target: Uint8Array): void {
    this.#base.read(offset, target);
    if (this.#changed.size === 0) return;
    this.#forBlocks(offset, target.length, (block, inBlock, at, length) => {
      const data = this.#changed.get(block);
      if (data !== undefined) target.set(data.subarray(inBlock, inBlock + length), at);
    });
  }

  willRead(offset: number, length: number): void {
    this.#base.willRead?.(offset, length);
  }

  /** @throws DeviceError also when more would change than is kept */
  write(offset: number, source: Uint8Array): void {
    const { length } = source;
    if (this.#readOnly) throw new DeviceError("write", offset, length, "the device is read-only");
    if (!(offset >= 0 && offset + length <= this.size)) {
      throw new DeviceError("write", offset, length, `the device ends at ${this.size}`);
    }
    this.#forBlocks(offset, length, (block, inBlock, at, count) => {
      this.#forWriting(block, count).set(source.subarray(at, at + count), inBlock);
    });
  }

  #forWriting(block: number, count: number): Uint8Array {
    const changed = this.#changed.get(block);
    if (changed !== undefined) return changed;
    const blockSize = this.#blockSize;
    const offset = block * blockSize;
    if (this.#changed.size >= this.#mostBlocks) {
      throw new DeviceError("write", offset, count, `more than ${this.#mostBlocks} blocks would be changed in memory`);
    }
    const data = new Uint8Array(blockSize);
    if (count < blockSize) this.#base.read(offset, data.subarray(0, Math.min(blockSize, this.size - offset)));
    this.#changed.set(block, data);
    return data;
  }

  #forBlocks(
    offset: number,
    length: number,
    visit: (block: number, inBlock: number, at: number, count: number) => void,
  ): void {
    const blockSize = this.#blockSize;
    for (let at = 0; at < length; ) {
      const block = Math.floor((offset + at) / blockSize);
      const inBlock = offset + at - block * blockSize;
      const count = Math.min(blockSize - inBlock, length - at);
      visit(block, inBlock, at, count);
      at += count;
    }
  }

  flush(): void {}

  close(): void {
    this.#base.close();
  }
}
