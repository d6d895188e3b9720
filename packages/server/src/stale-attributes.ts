/** Milliseconds that the kernel may show an old count: du(1) sees the truth soon, and a stream of writes does not tell each time. */
const PATIENCE = 500;

/**
 * Inodes whose attributes changed by what the kernel's cache wrote. It keeps size and times of those files itself, and does not
 * ask for the count of blocks again.
 */
export class StaleAttributes {
  readonly #inodes = new Set<number>();
  readonly #expire: (ino: number) => void;
  readonly #after: (milliseconds: number, run: () => void) => void;
  #waiting = false;

  /**
   * @param expire has the kernel drop the attributes; called between requests, or by `tellNow`
   * @param after calls back between two requests
   */
  constructor(expire: (ino: number) => void, after: (milliseconds: number, run: () => void) => void) {
    this.#expire = expire;
    this.#after = after;
  }

  add(ino: number): void {
    this.#inodes.add(ino);
    if (this.#waiting) return;
    this.#waiting = true;
    this.#after(PATIENCE, () => {
      this.#waiting = false;
      this.#tellAll();
    });
  }

  /** For the kernel's caller waits to see what became of the file, and holds the inode meanwhile. */
  tellNow(ino: number): void {
    if (this.#inodes.delete(ino)) this.#expire(ino);
  }

  #tellAll(): void {
    const inodes = [...this.#inodes];
    this.#inodes.clear();
    for (const ino of inodes) this.#expire(ino);
  }
}
