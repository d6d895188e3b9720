import { CorruptionError } from "../errors.js";

/** More blocks than this are not replayed: 8 GiB of distinct metadata blocks of 4 KiB, far above what any journal holds. */
const MAX_BLOCKS = 2 ** 21;

/**
 * The last logged copy of each block: block → place in the journal and number of the transaction. Open addressing over
 * typed arrays, because a hostile journal may name millions of blocks.
 */
export class BlockTable {
  #keys = new Float64Array(256).fill(-1);
  #places = new Uint32Array(256);
  #sequences = new Uint32Array(256);
  #flags = new Uint8Array(256);
  #used = 0;
  #shift = 24;
  readonly #multiplier: number;

  /** @param secret any 32-bit number that an image's maker cannot know, so that no image makes all blocks collide */
  constructor(secret: number) {
    this.#multiplier = secret | 1;
  }

  /** Notes a copy of `block` that replaces all copies noted so far. */
  set(block: number, place: number, sequence: number, escaped: boolean): void {
    let slot = this.#slot(block);
    if (this.#keys[slot] === -1) {
      if (this.#used >= MAX_BLOCKS) {
        throw new CorruptionError("journal-block", { fileBlock: place }, `more than ${MAX_BLOCKS} blocks to replay`);
      }
      if (++this.#used * 2 > this.#keys.length) {
        this.#grow();
        slot = this.#slot(block);
      }
      this.#keys[slot] = block;
    }
    this.#places[slot] = place;
    this.#sequences[slot] = sequence;
    this.#flags[slot] = escaped ? 3 : 1;
  }

  /**
   * Takes back the copy of `block`, if it was logged in transaction `sequence` or before: a revoke record also covers the
   * transaction that it stands in.
   *
   * @returns whether there was such a copy
   */
  revoke(block: number, sequence: number): boolean {
    const slot = this.#slot(block);
    if (this.#flags[slot] === 0 || ((sequence - this.#sequences[slot]!) | 0) < 0) return false;
    this.#flags[slot] = 0;
    return true;
  }

  /** Whether the copy at `place` is the one that counts for `block`. */
  isCurrent(block: number, place: number): boolean {
    const slot = this.#slot(block);
    return this.#keys[slot] === block && this.#flags[slot] !== 0 && this.#places[slot] === place;
  }

  /** The blocks that are to be replayed, ascending, with their places in the journal. */
  sorted(): { blocks: Float64Array; places: Float64Array; escaped: Uint8Array } {
    let count = 0;
    for (const flag of this.#flags) if (flag !== 0) count++;
    const blocks = new Float64Array(count);
    let at = 0;
    for (let slot = 0; slot < this.#keys.length; slot++) if (this.#flags[slot] !== 0) blocks[at++] = this.#keys[slot]!;
    blocks.sort();
    const places = new Float64Array(count);
    const escaped = new Uint8Array(count);
    for (let index = 0; index < count; index++) {
      const slot = this.#slot(blocks[index]!);
      places[index] = this.#places[slot]!;
      escaped[index] = this.#flags[slot]! >> 1;
    }
    return { blocks, places, escaped };
  }

  /** The slot of `block`, or the free one where it belongs. */
  #slot(block: number): number {
    const mask = this.#keys.length - 1;
    let slot = Math.imul(block | 0, this.#multiplier) >>> this.#shift;
    while (this.#keys[slot] !== block && this.#keys[slot] !== -1) slot = (slot + 1) & mask;
    return slot;
  }

  #grow(): void {
    this.#shift--;
    const [keys, places, sequences, flags] = [this.#keys, this.#places, this.#sequences, this.#flags];
    this.#keys = new Float64Array(keys.length * 2).fill(-1);
    this.#places = new Uint32Array(keys.length * 2);
    this.#sequences = new Uint32Array(keys.length * 2);
    this.#flags = new Uint8Array(keys.length * 2);
    for (let old = 0; old < keys.length; old++) {
      if (keys[old] === -1) continue;
      const slot = this.#slot(keys[old]!);
      this.#keys[slot] = keys[old]!;
      this.#places[slot] = places[old]!;
      this.#sequences[slot] = sequences[old]!;
      this.#flags[slot] = flags[old]!;
    }
  }
}
