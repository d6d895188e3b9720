import { addressOf } from "./libc.js";

const SIZE = 16;
const TWO_32 = 0x1_0000_0000;

/**
 * A reusable `struct iovec[]`: several spans of memory for one call. It keeps the buffers it names alive.
 */
export class IoVector {
  readonly capacity: number;
  readonly #table: Uint32Array;
  readonly #bytes: Uint8Array;
  readonly #held: (Uint8Array | undefined)[];

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#table = new Uint32Array((capacity * SIZE) / 4);
    this.#bytes = new Uint8Array(this.#table.buffer);
    this.#held = new Array<Uint8Array | undefined>(capacity).fill(undefined);
  }

  /** Makes entry `index` the span `[offset, offset + length)` of `bytes`. */
  set(index: number, bytes: Uint8Array, offset: number, length: number): void {
    if (!(index >= 0 && index < this.capacity)) throw new RangeError(`no entry ${index} in ${this.capacity}`);
    const address = addressOf(bytes, offset, length);
    const table = this.#table;
    const at = index * 4;
    table[at] = address;
    table[at + 1] = address / TWO_32;
    table[at + 2] = length;
    table[at + 3] = length / TWO_32;
    this.#held[index] = bytes;
  }

  /** The address of the first `count` entries. */
  address(count: number): number {
    return addressOf(this.#bytes, 0, count * SIZE);
  }
}
