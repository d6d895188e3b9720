/**
 * Memory that outlives the process that writes it. A death stops a sequence of writes anywhere, in the middle of `write` as well;
 * what was written before is there, in order.
 */
export interface SurvivalRegion {
  /** Bytes. */
  readonly length: number;
  /** Bytes of it; not to be changed, and valid until the next `write` there. */
  bytes(offset: number, length: number): Uint8Array;
  write(offset: number, bytes: Uint8Array): void;
  /** The number at `offset`, a multiple of 8. */
  number(offset: number): number;
  /** Sets a number at once: a death leaves the one before or this one. */
  setNumber(offset: number, value: number): void;
}

/** A region in an array, which may show memory that others have mapped. */
export class ArrayRegion implements SurvivalRegion {
  readonly length: number;
  readonly #bytes: Uint8Array;
  readonly #numbers: Float64Array;

  /** @param bytes its offset in its buffer is a multiple of 8 */
  constructor(bytes: Uint8Array) {
    this.length = bytes.length;
    this.#bytes = bytes;
    this.#numbers = new Float64Array(bytes.buffer, bytes.byteOffset, bytes.length >> 3);
  }

  bytes(offset: number, length: number): Uint8Array {
    return this.#bytes.subarray(offset, offset + length);
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#bytes.set(bytes, offset);
  }

  number(offset: number): number {
    return this.#numbers[offset / 8]!;
  }

  setNumber(offset: number, value: number): void {
    this.#numbers[offset / 8] = value;
  }
}
