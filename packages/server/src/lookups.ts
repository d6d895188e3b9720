/** Slots at first, a power of two. */
const LEAST_SLOTS = 1024;
const MOST_COUNT = 0xffff_ffff;

/**
 * How often the kernel was told of each inode and has not said that it forgot: as long as that is not 0, the inode may be in
 * use and its number must not become another's. A hash table with open addressing in two typed arrays: 8 bytes a slot, at most
 * three quarters of them taken.
 */
export class LookupCounts {
  /** Inode numbers, 0 for an empty slot. */
  #inodes = new Uint32Array(LEAST_SLOTS);
  #counts = new Uint32Array(LEAST_SLOTS);
  #mask = LEAST_SLOTS - 1;
  #used = 0;

  /** Inodes that the kernel knows. */
  get size(): number {
    return this.#used;
  }

  /** One look-up more of `ino`, which is not 0. */
  add(ino: number): void {
    const at = this.#find(ino);
    if (this.#inodes[at] === ino) {
      // A count that has reached the end of its range stays: the inode is kept until the unmount.
      if (this.#counts[at]! < MOST_COUNT) this.#counts[at]!++;
      return;
    }
    this.#inodes[at] = ino;
    this.#counts[at] = 1;
    this.#used++;
    if (this.#used * 4 > this.#inodes.length * 3) this.#resize(this.#inodes.length * 2);
  }

  /**
   * `count` look-ups less.
   *
   * @returns whether the kernel does not know the inode any more
   */
  forget(ino: number, count: number): boolean {
    const at = this.#find(ino);
    if (this.#inodes[at] !== ino) return true;
    const had = this.#counts[at]!;
    if (had === MOST_COUNT) return false;
    if (had > count) {
      this.#counts[at] = had - count;
      return false;
    }
    this.#remove(at);
    return true;
  }

  get(ino: number): number {
    const at = this.#find(ino);
    return this.#inodes[at] === ino ? this.#counts[at]! : 0;
  }

  /** The inode's slot, or the empty one where it would go. */
  #find(ino: number): number {
    const inodes = this.#inodes;
    const mask = this.#mask;
    let at = home(ino) & mask;
    while (inodes[at] !== 0 && inodes[at] !== ino) at = (at + 1) & mask;
    return at;
  }

  /** Empties a slot; those after it that were pushed on by it move up, so that no search ends too early. */
  #remove(slot: number): void {
    const inodes = this.#inodes;
    const counts = this.#counts;
    const mask = this.#mask;
    let hole = slot;
    for (let at = (hole + 1) & mask; inodes[at] !== 0; at = (at + 1) & mask) {
      const distance = (at - home(inodes[at]!)) & mask;
      if (distance < ((at - hole) & mask)) continue;
      inodes[hole] = inodes[at]!;
      counts[hole] = counts[at]!;
      hole = at;
    }
    inodes[hole] = 0;
    this.#used--;
    if (inodes.length > LEAST_SLOTS && this.#used * 8 < inodes.length) this.#resize(inodes.length / 2);
  }

  #resize(slots: number): void {
    const inodes = this.#inodes;
    const counts = this.#counts;
    this.#inodes = new Uint32Array(slots);
    this.#counts = new Uint32Array(slots);
    this.#mask = slots - 1;
    for (let from = 0; from < inodes.length; from++) {
      if (inodes[from] === 0) continue;
      const at = this.#find(inodes[from]!);
      this.#inodes[at] = inodes[from]!;
      this.#counts[at] = counts[from]!;
    }
  }
}

/** Spreads inode numbers, which come in runs, by Fibonacci hashing. */
function home(ino: number): number {
  const hash = Math.imul(ino, 0x9e37_79b1);
  return (hash ^ (hash >>> 15)) >>> 0;
}
