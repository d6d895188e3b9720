/** Slots at first, a power of two. */
const LEAST_SLOTS = 1024;
const MOST_COUNT = 0xffff_ffff;

/** Inode numbers, 0 for an empty slot, and how often the kernel was told of each. */
export interface CountTable {
  readonly inodes: Uint32Array;
  readonly counts: Uint32Array;
}

/** Where counts are kept. */
export interface CountStore {
  /** Slots of the largest table, a power of two. */
  readonly mostSlots: number;
  /** The table of whoever kept counts here before, as his death left it: an inode may be in two slots. */
  readonly found: CountTable | undefined;
  /** A table of zeros. */
  make(slots: number): CountTable;
  /** The table that was made last is filled: it counts from here on. */
  settle(): void;
  /** A look-up was added. */
  added(ino: number): void;
}

const inProcess: CountStore = {
  mostSlots: 2 ** 30,
  found: undefined,
  make: (slots) => ({ inodes: new Uint32Array(slots), counts: new Uint32Array(slots) }),
  settle() {},
  added() {},
};

/**
 * How often the kernel was told of each inode and has not said that it forgot: as long as that is not 0, the inode may be in
 * use and its number must not become another's. A hash table with open addressing in two typed arrays: 8 bytes a slot, at most
 * three quarters of them taken. A store that has no room for more stops counting, and no inode is ever unknown then.
 *
 * A death in the middle of a change leaves a table in which nothing is counted too low.
 */
export class LookupCounts {
  readonly #store: CountStore;
  #inodes: Uint32Array;
  #counts: Uint32Array;
  #mask: number;
  #used = 0;
  #isFull = false;

  constructor(store: CountStore = inProcess) {
    this.#store = store;
    const { found } = store;
    const used = found?.inodes.reduce((sum, ino) => sum + (ino === 0 ? 0 : 1), 0) ?? 0;
    let slots = LEAST_SLOTS;
    while (used * 2 > slots && slots < store.mostSlots) slots *= 2;
    const table = store.make(slots);
    this.#inodes = table.inodes;
    this.#counts = table.counts;
    this.#mask = slots - 1;
    found?.inodes.forEach((ino, slot) => {
      if (ino !== 0) this.#raise(ino, found.counts[slot]!);
    });
    store.settle();
  }

  /** Inodes that the kernel knows. */
  get size(): number {
    return this.#used;
  }

  /** One look-up more of `ino`, which is not 0. */
  add(ino: number): void {
    const at = this.#find(ino);
    // A count that has reached the end of its range stays: the inode is kept until the unmount.
    if (this.#inodes[at] !== ino) this.#insert(at, ino, 1);
    else if (this.#counts[at]! < MOST_COUNT) this.#counts[at]!++;
    this.#store.added(ino);
  }

  /** Sees to it that an inode's count is not below `count`. */
  #raise(ino: number, count: number): void {
    const at = this.#find(ino);
    if (this.#inodes[at] !== ino) this.#insert(at, ino, count);
    else if (this.#counts[at]! < count) this.#counts[at] = count;
  }

  #insert(at: number, ino: number, count: number): void {
    if (this.#isFull) return;
    this.#counts[at] = count;
    this.#inodes[at] = ino;
    this.#used++;
    if (this.#used * 4 <= this.#inodes.length * 3) return;
    if (this.#inodes.length < this.#store.mostSlots) this.#resize(this.#inodes.length * 2);
    else this.#isFull = true;
  }

  /** Whether the kernel may know an inode. */
  mayBeKnown(ino: number): boolean {
    return this.#isFull || this.get(ino) > 0;
  }

  /**
   * `count` look-ups less.
   *
   * @returns whether the kernel does not know the inode any more
   */
  forget(ino: number, count: number): boolean {
    const at = this.#find(ino);
    if (this.#inodes[at] !== ino) return !this.#isFull;
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
      inodes[hole] = 0;
      counts[hole] = counts[at]!;
      inodes[hole] = inodes[at]!;
      hole = at;
    }
    inodes[hole] = 0;
    this.#used--;
    if (inodes.length > LEAST_SLOTS && this.#used * 8 < inodes.length) this.#resize(inodes.length / 2);
  }

  #resize(slots: number): void {
    const inodes = this.#inodes;
    const counts = this.#counts;
    const table = this.#store.make(slots);
    this.#inodes = table.inodes;
    this.#counts = table.counts;
    this.#mask = slots - 1;
    for (let from = 0; from < inodes.length; from++) {
      if (inodes[from] === 0) continue;
      const at = this.#find(inodes[from]!);
      this.#inodes[at] = inodes[from]!;
      this.#counts[at] = counts[from]!;
    }
    this.#store.settle();
  }
}

/** Spreads inode numbers, which come in runs, by Fibonacci hashing. */
function home(ino: number): number {
  const hash = Math.imul(ino, 0x9e37_79b1);
  return (hash ^ (hash >>> 15)) >>> 0;
}
