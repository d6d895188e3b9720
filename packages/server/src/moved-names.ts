import type { Inode } from "@bulkhead/ext4";

/** Names at most; who is refused asks again at once. */
export const MOVED_NAMES = 64;

/** The largest prime below 2^44: 257 times that is exact. */
const MODULUS = 17_592_186_044_399;

/**
 * Names that the kernel wants to move to where case does not matter, and that it must not go on believing in as it does where case matters:
 * after a rename it believes as long in the new name. It looks names up once more, and asks again, when a rename is refused with ESTALE.
 */
export class MovedNames {
  /** Hashes; 0 for none. */
  readonly #keys: Float64Array;
  #isEmpty: boolean;
  #next = 0;
  readonly #moved: number[] = [];

  /** @param keys what the server before has left of them, if there was one */
  constructor(keys: Float64Array = new Float64Array(MOVED_NAMES)) {
    this.#keys = keys;
    this.#isEmpty = keys.every((key) => key === 0);
  }

  /** Whether a move of `name` has to be refused: the kernel was not asked to look it up. */
  refuses(dir: Inode, name: Uint8Array): boolean {
    if (this.has(dir, name)) return false;
    this.#keys[this.#next] = keyOf(dir, name);
    this.#next = (this.#next + 1) % this.#keys.length;
    this.#isEmpty = false;
    return true;
  }

  /** Whether a name is one of them: what the kernel is told of it must not be believed for long. */
  has(dir: Inode, name: Uint8Array): boolean {
    if (this.#isEmpty) return false;
    this.#forgetMoved();
    return this.#keys.includes(keyOf(dir, name));
  }

  /** A rename has taken a name, or given it. That is not forgotten before the request after: should the server die now, it may come again. */
  moved(dir: Inode, name: Uint8Array): void {
    if (!this.#isEmpty) this.#moved.push(keyOf(dir, name));
  }

  #forgetMoved(): void {
    for (let key = this.#moved.pop(); key !== undefined; key = this.#moved.pop()) {
      const at = this.#keys.indexOf(key);
      if (at >= 0) this.#keys[at] = 0;
    }
  }
}

function keyOf(dir: Inode, name: Uint8Array): number {
  let key = dir.ino;
  for (const byte of name) key = (key * 257 + byte) % MODULUS;
  return key + 1;
}
