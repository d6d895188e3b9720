/** A file that e2fsck works on, in memory that this process shares: to put an image there costs what differs from the last one. */
import { closeSync, constants, ftruncateSync, openSync } from "node:fs";
import { sharedBytes } from "@bulkhead/linux";
import { blocksThatDiffer, type Differences, digestOf, type TrackedImage } from "./tracked-image.js";

/** Longest image. */
const MOST_BYTES = 16 * 1024 * 1024;
/** Instead of a digest: it has changed, nobody has looked how. */
const CHANGED = "changed";
const NOTHING: Uint8Array = new Uint8Array(0);

export class Slot {
  readonly name: string;
  readonly #file: number;
  readonly #memory: Uint8Array;
  #base = NOTHING;
  #blockSize = 1;
  /** In what the file differs from the base. */
  #differences: Differences = new Map();

  /** @param name of the file, which is made, relative to the directory that e2fsck is in */
  constructor(directory: string, name: string) {
    this.name = name;
    this.#file = openSync(`${directory}/${name}`, constants.O_RDWR | constants.O_CREAT, 0o600);
    ftruncateSync(this.#file, MOST_BYTES);
    this.#memory = sharedBytes(this.#file, MOST_BYTES);
  }

  close(): void {
    closeSync(this.#file);
  }

  /** The image as it is in the file. */
  get bytes(): Uint8Array {
    return this.#memory.subarray(0, this.#base.length);
  }

  /** Copies an image here. */
  put(image: TrackedImage): void {
    const differences = image.differences();
    if (this.#base === image.base) {
      for (const block of this.#differences.keys()) if (!differences.has(block)) this.#copy(block, this.#base);
    } else this.#begin(image);
    for (const [block, digest] of differences) {
      if (this.#differences.get(block) !== digest) this.#copy(block, image.bytes);
    }
    this.#differences = differences;
  }

  #begin({ base, blockSize }: TrackedImage): void {
    if (base.length > MOST_BYTES) throw new Error(`an image of ${base.length} bytes`);
    ftruncateSync(this.#file, base.length);
    this.#memory.set(base);
    this.#base = base;
    this.#blockSize = blockSize;
    this.#differences = new Map();
  }

  #copy(block: number, from: Uint8Array): void {
    const at = block * this.#blockSize;
    this.#memory.set(from.subarray(at, at + this.#blockSize), at);
  }

  /**
   * Finds out in what the file differs from the base, after e2fsck has changed it.
   *
   * @param skips blocks of which the caller does not want to know
   */
  scan(skips: (block: number) => boolean): Differences {
    const differences = new Map<number, string>();
    const found = new Map<number, string>();
    for (const block of blocksThatDiffer(this.#base, this.bytes, this.#blockSize)) {
      const at = block * this.#blockSize;
      const digest = skips(block) ? CHANGED : digestOf(this.#memory.subarray(at, at + this.#blockSize));
      differences.set(block, digest);
      if (digest !== CHANGED) found.set(block, digest);
    }
    this.#differences = differences;
    return found;
  }
}
