import type { Inode } from "@bulkhead/ext4";

/** Names at most, the last ones; who is refused asks again at once. */
export const MOVED_NAMES = 64;

/** The largest prime below 2^44: 257 times that is exact. */
const MODULUS = 17_592_186_044_399;

/**
 * Names that the kernel wanted to move to where it must ask for a name each time, and in which it could believe before: after a rename it
 * believes as long in the new name. It looks names up once more, and asks again, when a rename is refused with ESTALE. From then on it is to
 * ask for them each time.
 */
export class MovedNames {
  /** Hashes; 0 for none. */
  readonly #keys: Float64Array;
  #isEmpty: boolean;
  #next = 0;

  /** @param keys what the server before has left of them, if there was one */
  constructor(keys: Float64Array = new Float64Array(MOVED_NAMES)) {
    this.#keys = keys;
    this.#isEmpty = keys.every((key) => key === 0);
  }

  add(dir: Inode, name: Uint8Array): void {
    this.#keys[this.#next] = keyOf(dir, name);
    this.#next = (this.#next + 1) % this.#keys.length;
    this.#isEmpty = false;
  }

  has(dir: Inode, name: Uint8Array): boolean {
    return !this.#isEmpty && this.#keys.includes(keyOf(dir, name));
  }
}

function keyOf(dir: Inode, name: Uint8Array): number {
  let key = dir.ino;
  for (const byte of name) key = (key * 257 + byte) % MODULUS;
  return key + 1;
}
