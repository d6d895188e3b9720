/** The bytes of a regular file of the model: sparse, so that a file may be large and its holes cost nothing. */

/** Bytes that are kept together; every block size is a multiple of it. */
const UNIT = 1024;
const ZEROS = Buffer.alloc(UNIT);
/** Bytes that are read at once. */
const PIECE = 1 << 20;

/** A range of bytes: start and end, the end not included. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

export class Contents {
  /** Bytes. */
  size = 0;
  /** Unit number to its bytes; what is missing is zeros, and so is everything beyond `size`. */
  #units = new Map<number, Buffer>();

  write(offset: number, bytes: Buffer): void {
    if (bytes.length === 0) return;
    for (let done = 0; done < bytes.length; ) {
      const at = offset + done;
      const number = Math.floor(at / UNIT);
      const within = at - number * UNIT;
      let unit = this.#units.get(number);
      if (unit === undefined) {
        unit = Buffer.alloc(UNIT);
        this.#units.set(number, unit);
      }
      done += bytes.copy(unit, within, done, Math.min(bytes.length, done + UNIT - within));
    }
    this.size = Math.max(this.size, offset + bytes.length);
  }

  /** What read(2) gives: short at the end of the file. */
  read(offset: number, length: number): Buffer {
    const out = Buffer.alloc(Math.max(0, Math.min(length, this.size - offset)));
    for (let done = 0; done < out.length; ) {
      const at = offset + done;
      const number = Math.floor(at / UNIT);
      const within = at - number * UNIT;
      const count = Math.min(UNIT - within, out.length - done);
      this.#units.get(number)?.copy(out, done, within, within + count);
      done += count;
    }
    return out;
  }

  truncate(size: number): void {
    if (size < this.size) this.zero(size, this.size - size);
    this.size = size;
  }

  /** Zeros a range, as far as it lies inside the file. */
  zero(offset: number, length: number): void {
    const end = Math.min(offset + length, this.size);
    for (const [number, unit] of this.#units) {
      const start = number * UNIT;
      if (start >= end || start + UNIT <= offset) continue;
      if (start >= offset && start + UNIT <= end) this.#units.delete(number);
      else unit.fill(0, Math.max(0, offset - start), Math.min(UNIT, end - start));
    }
  }

  /** FALLOC_FL_COLLAPSE_RANGE: offset and length are multiples of the block size. */
  collapse(offset: number, length: number): void {
    this.zero(offset, length);
    this.#shift(offset + length, -length);
    this.size -= length;
  }

  /** FALLOC_FL_INSERT_RANGE: offset and length are multiples of the block size. */
  insert(offset: number, length: number): void {
    this.#shift(offset, length);
    this.size += length;
  }

  #shift(from: number, delta: number): void {
    const shifted = new Map<number, Buffer>();
    for (const [number, unit] of this.#units) {
      shifted.set(number * UNIT >= from ? number + delta / UNIT : number, unit);
    }
    this.#units = shifted;
  }

  /**
   * Compares with what a subject reads. Where it calls gigabytes data that were never written (a mount whose cache is not
   * written back yet cannot tell), it is asked for what is near to what was, and for the ends: whoever looks at the image
   * later knows the holes, and reads the rest.
   *
   * @param data the ranges that the subject calls data; all else it calls a hole
   * @param read reads a range of the subject's file
   * @returns what differs first, undefined when nothing does
   */
  difference(data: readonly Range[], read: (offset: number, length: number) => Buffer): string | undefined {
    const unseen = new Set<number>();
    for (const [number, unit] of this.#units) if (!unit.equals(ZEROS)) unseen.add(number);
    const written = new Set<number>();
    for (const number of this.#units.keys()) written.add(Math.floor((number * UNIT) / PIECE));
    for (const { start, end } of data) {
      const last = Math.min(end, this.size) - 2 * PIECE;
      for (let at = start; at < end; at += PIECE) {
        const length = Math.min(PIECE, end - at, this.size - at);
        if (length <= 0) break;
        const piece = Math.floor(at / PIECE);
        const near = [-1, 0, 1, 2].some((distance) => written.has(piece + distance));
        if (!near && at > start && at < last) continue;
        const found = read(at, length);
        const wanted = this.read(at, length);
        if (!found.equals(wanted)) return describe(at, wanted, found);
      }
      for (let number = Math.ceil(start / UNIT); number < Math.ceil(end / UNIT); number++) unseen.delete(number);
    }
    for (const number of unseen) {
      const start = number * UNIT;
      if (data.some((range) => range.start < start + UNIT && range.end > start)) continue;
      const there = read(start, UNIT).equals(this.read(start, UNIT));
      return `a hole at ${start}, where there is data${there ? " that can be read" : ""}`;
    }
    return undefined;
  }
}

function describe(at: number, wanted: Buffer, found: Buffer): string {
  if (found.length !== wanted.length) return `${found.length} bytes at ${at}, not ${wanted.length}`;
  let first = 0;
  while (wanted[first] === found[first]) first++;
  const show = (bytes: Buffer): string => bytes.subarray(first, first + 8).toString("hex");
  return `at ${at + first}: ${show(found)} instead of ${show(wanted)}`;
}

/** Bytes that tell where they belong: no two writes look alike, and none is zero. */
export function pattern(seed: number, length: number): Buffer {
  const out = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i++) out[i] = (Math.imul(seed + i, 0x9e3779b1) >>> 24) | 1;
  return out;
}
