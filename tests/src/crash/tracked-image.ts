/** A device in memory that knows in which blocks it differs from the image it began as, and that can go back. */
import { hash } from "node:crypto";
import { type BlockDevice, DeviceError } from "@bulkhead/ext4";

/** Blocks that are not the base's, each with a digest of its bytes. */
export type Differences = ReadonlyMap<number, string>;

/** The digest of a block's bytes. */
export function digestOf(bytes: Uint8Array): string {
  return hash("sha1", bytes, "base64");
}

/** A name for all images that differ from their base in the same way. @param skips whether a block is left out */
export function nameOf(differences: Differences, skips: (block: number) => boolean = () => false): string {
  const blocks: number[] = [];
  for (const block of differences.keys()) if (!skips(block)) blocks.push(block);
  blocks.sort((a, b) => a - b);
  let text = "";
  for (const block of blocks) text += `${block}:${differences.get(block)!}`;
  return hash("sha1", text, "base64");
}

/** Blocks at a time that are compared first: mostly, all are equal. */
const STRIDE = 64;

/** Blocks of `bytes` that are not those of `base`, ascending. */
export function blocksThatDiffer(base: Uint8Array, bytes: Uint8Array, blockSize: number): number[] {
  const found: number[] = [];
  const one = Buffer.from(base.buffer, base.byteOffset, base.length);
  const other = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const visit = (first: number, count: number): void => {
    const start = first * blockSize;
    const end = Math.min(start + count * blockSize, one.length);
    if (start >= end || one.compare(other, start, end, start, end) === 0) return;
    if (count === 1) {
      found.push(first);
      return;
    }
    const part = count / 4;
    for (let n = 0; n < 4; n++) visit(first + n * part, part);
  };
  for (let first = 0; first * blockSize < base.length; first += STRIDE) visit(first, STRIDE);
  return found;
}

/** Instead of a digest: of a block that was written since it was looked at, of one that is the base's, and of one that nobody has touched. */
const STALE = "stale";
const SAME = "same";
const UNTOUCHED = "untouched";
const FIRST_UNDO_BYTES = 256 * 1024;

export class TrackedImage implements BlockDevice {
  readonly size: number;
  readonly readOnly = false;
  readonly bytes: Uint8Array;
  readonly base: Uint8Array;
  readonly blockSize: number;
  /** Of blocks that were written; one that is not here is the base's. */
  readonly #digests = new Map<number, string>();
  /** Of each write since the first mark, block by block: what was there. */
  readonly #undone: { readonly block: number; readonly digest: string }[] = [];
  #saved = new Uint8Array(FIRST_UNDO_BYTES);
  #differences: Differences | undefined;
  #marks = 0;

  /** @param base is copied, and must not change */
  constructor(base: Uint8Array, blockSize: number) {
    this.base = base;
    this.blockSize = blockSize;
    this.bytes = base.slice();
    this.size = base.length;
  }

  read(offset: number, target: Uint8Array): void {
    if (!(offset >= 0 && offset + target.length <= this.size)) {
      throw new DeviceError("read", offset, target.length, `the device ends at ${this.size}`);
    }
    target.set(this.bytes.subarray(offset, offset + target.length));
  }

  write(offset: number, source: Uint8Array): void {
    if (!(offset >= 0 && offset + source.length <= this.size)) {
      throw new DeviceError("write", offset, source.length, `the device ends at ${this.size}`);
    }
    this.#differences = undefined;
    const last = Math.floor((offset + source.length - 1) / this.blockSize);
    for (let block = Math.floor(offset / this.blockSize); block <= last; block++) {
      if (this.#marks > 0) this.#save(block);
      this.#digests.set(block, STALE);
    }
    this.bytes.set(source, offset);
  }

  flush(): void {}

  close(): void {}

  #save(block: number): void {
    const at = this.#undone.length * this.blockSize;
    if (at + this.blockSize > this.#saved.length) {
      const larger = new Uint8Array(2 * this.#saved.length);
      larger.set(this.#saved);
      this.#saved = larger;
    }
    this.#saved.set(this.#block(block), at);
    this.#undone.push({ block, digest: this.#digests.get(block) ?? UNTOUCHED });
  }

  #block(block: number): Uint8Array {
    return this.bytes.subarray(block * this.blockSize, (block + 1) * this.blockSize);
  }

  /** What is written from here on can be undone. */
  mark(): number {
    this.#marks++;
    return this.#undone.length;
  }

  /** Undoes what was written since `mark` returned this; marks are given back in the opposite order. */
  rollback(mark: number): void {
    for (let n = this.#undone.length - 1; n >= mark; n--) {
      const { block, digest } = this.#undone[n]!;
      this.bytes.set(this.#saved.subarray(n * this.blockSize, (n + 1) * this.blockSize), block * this.blockSize);
      if (digest === UNTOUCHED) this.#digests.delete(block);
      else this.#digests.set(block, digest);
    }
    if (this.#undone.length > mark) this.#differences = undefined;
    this.#undone.length = mark;
    this.#marks--;
  }

  /** In what it differs from the base now. */
  differences(): Differences {
    this.#differences ??= this.#compare();
    return this.#differences;
  }

  #compare(): Differences {
    const found = new Map<number, string>();
    for (const [block, known] of this.#digests) {
      let digest = known;
      if (digest === STALE) {
        const bytes = this.#block(block);
        const before = this.base.subarray(block * this.blockSize, (block + 1) * this.blockSize);
        digest = Buffer.compare(bytes, before) === 0 ? SAME! : digestOf(bytes);
        this.#digests.set(block, digest);
      }
      if (digest !== SAME) found.set(block, digest);
    }
    return found;
  }
}
