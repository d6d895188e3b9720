import type { Inode } from "./inode.js";

/** An operation holds some inodes at a time, four in a rename, and each of them has to be the one that all others see. */
const LEAST = 16;

/**
 * A bounded cache of decoded inodes. Two generations instead of a list in order of use: what is used moves to the young one,
 * and when that is full it becomes the old one and the old one is dropped. A hit costs one or two look-ups in a Map.
 */
export class InodeCache {
  /** Most inodes that are kept. */
  readonly capacity: number;
  #young = new Map<number, Inode>();
  #old = new Map<number, Inode>();
  /** Inodes without links that are still in use: no entry leads to them, and on disk they are as good as deleted. */
  readonly #kept = new Map<number, Inode>();

  /** @param capacity inodes; at least LEAST are kept */
  constructor(capacity: number) {
    this.capacity = Math.max(LEAST, Math.floor(capacity));
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  get(ino: number): Inode | undefined {
    const young = this.#young.get(ino);
    if (young !== undefined) return young;
    const old = this.#old.get(ino);
    if (old === undefined) return this.#kept.size === 0 ? undefined : this.#kept.get(ino);
    this.#old.delete(ino);
    this.add(old);
    return old;
  }

  /** Adds an inode that is not cached. */
  add(inode: Inode): void {
    if (this.#young.size >= this.capacity >> 1) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(inode.ino, inode);
  }

  /** Adds an inode in the place of what the cache may have for its number. */
  replace(inode: Inode): void {
    this.#young.delete(inode.ino);
    this.#old.delete(inode.ino);
    this.add(inode);
  }

  /** Keeps an inode until it is deleted from here. */
  keep(inode: Inode): void {
    this.#kept.set(inode.ino, inode);
  }

  /** Numbers of the inodes that are kept. */
  kept(): number[] {
    return [...this.#kept.keys()];
  }

  delete(ino: number): void {
    this.#young.delete(ino);
    this.#old.delete(ino);
    this.#kept.delete(ino);
  }

  clear(): void {
    this.#kept.clear();
    this.#young.clear();
    this.#old.clear();
  }
}
