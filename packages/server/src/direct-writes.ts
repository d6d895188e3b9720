import { addressOf, close, Errno, pwrite } from "@bulkhead/linux";

/** Bytes from which on a write is worth it, and that places and lengths are multiples of. */
const LEAST = 128 * 1024;
const ALIGNMENT = 4096;
/** Bytes that the data's place in memory is a multiple of: the largest that devices ask for. */
const MEMORY_ALIGNMENT = 512;
/** Bytes a millisecond, below which the device is slower than the writer has to wait for. */
const LEAST_SPEED = 256 * 1024;
/** Writes that go through the cache after a slow one: at first, and at most, doubling in between. */
const PAUSE = 8;
const LONGEST_PAUSE = 4096;

/**
 * Long writes to a block device, past its page cache (O_DIRECT). The cache would hold what the mount's own cache holds already, and Linux
 * writes it back in single blocks, of several of which it makes whoever writes wait.
 *
 * A device that takes its time is better written to through the cache, which takes what the serving thread would wait for. The two ways
 * may be mixed: the kernel writes back and forgets what it has of a range before that is written directly.
 */
export class DirectWrites {
  readonly #fd: number;
  #isUsable = true;
  /** Writes to come that go through the cache, and how many will after the next slow one. */
  #left = 0;
  #pause = PAUSE;

  /** @param fd of the device, opened with O_DIRECT; closed by `close` */
  constructor(fd: number) {
    this.#fd = fd;
  }

  /** @returns bytes written; 0: they have to go through the cache, which has the error if there is one */
  write(source: Uint8Array, offset: number, length: number, position: number): number {
    if (length < LEAST || !this.#isUsable) return 0;
    if (length % ALIGNMENT !== 0 || position % ALIGNMENT !== 0) return 0;
    if (addressOf(source, offset, length) % MEMORY_ALIGNMENT !== 0) return 0;
    if (this.#left > 0) {
      this.#left--;
      return 0;
    }
    const before = performance.now();
    const written = pwrite(this.#fd, source, offset, length, position);
    if (written < 0) {
      if (written === -Errno.EINVAL || written === -Errno.EOPNOTSUPP) this.#isUsable = false;
      return 0;
    }
    if (written < (performance.now() - before) * LEAST_SPEED) {
      this.#left = this.#pause;
      this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE);
    } else this.#pause = PAUSE;
    return written;
  }

  close(): void {
    close(this.#fd);
  }
}
