import { errno, type Inode } from "@bulkhead/ext4";

/** Milliseconds at most between the loss and the next write that is told. */
const MEMORY = 10_000;
/** Milliseconds from the first answer on in which all writes to the file are told: Linux 6.18 asks twice for one, and takes no notice of the first error. */
const TELLING = 100;

interface Loss {
  /** A negative errno. */
  readonly error: number;
  /** The inode's: its number may be another file's by now. */
  readonly generation: number;
  /** When the last write is told; Infinity before the first. */
  until: number;
}

/**
 * Files of which something that the kernel's cache held could not be written, as there was no room, or the file cannot be so long: write(2)
 * had said that all is well. fsync(2) and close(2) tell, but what writes until there is no space left (`dd if=/dev/zero`) would go on for ever. Its next write is
 * refused, as on NFS: the kernel asks for the attributes of a file that is written to, by its handle, once they have expired.
 */
export class LostWrites {
  /** By inode number. */
  readonly #losses = new Map<number, Loss>();
  readonly #after: (milliseconds: number, run: () => void) => void;
  /** Whether there is a call to come that ends the memory. */
  #ends = false;

  /** @param after calls back between two requests */
  constructor(after: (milliseconds: number, run: () => void) => void) {
    this.#after = after;
  }

  /** @returns whether the attributes have to expire, so that somebody is told */
  note(inode: Inode, error: number): boolean {
    if (error !== -errno.ENOSPC && error !== -errno.EDQUOT && error !== -errno.EFBIG) return false;
    if (!this.#ends) this.#after(MEMORY, () => this.#end());
    this.#ends = true;
    this.#losses.set(inode.ino, { error, generation: inode.generation, until: Number.POSITIVE_INFINITY });
    return true;
  }

  #end(): void {
    this.#ends = false;
    this.#losses.clear();
  }

  /** What somebody who is about to write has to be told: a negative errno, or 0. */
  tell(inode: Inode): number {
    const loss = this.#losses.get(inode.ino);
    if (loss === undefined) return 0;
    const now = performance.now();
    if (loss.until === Number.POSITIVE_INFINITY) loss.until = now + TELLING;
    if (now <= loss.until && loss.generation === inode.generation) return loss.error;
    this.#losses.delete(inode.ino);
    return 0;
  }

  /** Whether something of a file is missing of which nobody has been told yet. */
  has(inode: Inode): boolean {
    return this.#losses.has(inode.ino);
  }

  /** Nothing is missing from the file any more. */
  forget(inode: Inode): void {
    this.#losses.delete(inode.ino);
  }
}
