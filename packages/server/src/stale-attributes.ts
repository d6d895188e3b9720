/** Milliseconds that the kernel may show an old count: du(1) sees the truth soon, and a stream of writes does not tell each time. */
const PATIENCE = 500;
/** Milliseconds between two looks whether nobody waits for an answer any more, and how many looks there are. */
const PAUSE = 1;
const MOST_PAUSES = 500;

/**
 * Inodes whose attributes changed by what the kernel's cache wrote. It keeps size and times of those files itself, and does not
 * ask for the count of blocks again.
 *
 * The kernel takes no attributes from an answer that was under way when they expired, and goes on with what it had: with the mode of
 * before an ACL, which lets nobody in. So requests come first, and what they ask for need not expire.
 */
export class StaleAttributes {
  readonly #inodes = new Set<number>();
  readonly #expire: (ino: number) => void;
  readonly #after: (milliseconds: number, run: () => void) => void;
  readonly #othersWait: () => boolean;
  #waiting = false;

  /**
   * @param expire has the kernel drop the attributes; called between requests, or by `tellNow`
   * @param after calls back between two requests
   * @param othersWait whether there are requests
   */
  constructor(
    expire: (ino: number) => void,
    after: (milliseconds: number, run: () => void) => void,
    othersWait: () => boolean,
  ) {
    this.#expire = expire;
    this.#after = after;
    this.#othersWait = othersWait;
  }

  add(ino: number): void {
    this.#inodes.add(ino);
    if (this.#waiting) return;
    this.#waiting = true;
    this.#after(PATIENCE, () => {
      this.#waiting = false;
      const inodes = [...this.#inodes].reverse();
      this.#tell(inodes, MOST_PAUSES);
    });
  }

  /** The kernel has asked for an inode's attributes. */
  asked(ino: number): void {
    if (this.#inodes.size > 0) this.#inodes.delete(ino);
  }

  /** For the kernel's caller waits to see what became of the file, and holds the inode meanwhile. */
  tellNow(ino: number): void {
    if (this.#inodes.delete(ino)) this.#expire(ino);
  }

  /** Tells of those that have not been asked for meanwhile, from the end: what changed first is there. */
  #tell(inodes: number[], pauses: number): void {
    for (let ino = inodes.at(-1); ino !== undefined; ino = inodes.at(-1)) {
      if (pauses > 0 && this.#othersWait()) {
        this.#after(PAUSE, () => this.#tell(inodes, pauses - 1));
        return;
      }
      inodes.pop();
      this.tellNow(ino);
    }
  }
}
