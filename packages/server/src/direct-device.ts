import type { BlockDevice } from "@bulkhead/ext4";
import type { HostDevice } from "@bulkhead/iomap/in-process";
import { addressOf, close, Errno, pwrite } from "@bulkhead/linux";

/** Bytes from which on a write is worth it: shorter ones are collected in the cache. */
const LEAST = 128 * 1024;
/** Bytes that places and lengths are multiples of, and the data's place in memory: the largest that devices ask for. */
const ALIGNMENT = 4096;
const MEMORY_ALIGNMENT = 512;
/** Bytes a millisecond: what a device has to take if it is to be waited for. */
const LEAST_SPEED = 256 * 1024;
/** Writes that go through the cache after a slow one: at first, and at most, doubling in between. */
const PAUSE = 8;
const LONGEST_PAUSE = 4096;

/**
 * A block device for file data: long writes go past its page cache (O_DIRECT). That would hold what the mount's own cache holds already, and
 * Linux writes it back in single blocks, for which whoever fills it waits.
 *
 * The serving thread waits meanwhile. So a device that takes its time is written to through its cache, which takes what comes. The two ways
 * may be mixed: the kernel writes back what it has of a range, and forgets it, before that is written directly.
 */
export class DirectDevice implements HostDevice {
  readonly size: number;
  readonly readOnly: boolean;
  readonly #cached: BlockDevice;
  readonly #fd: number;
  readonly #now: () => number;
  #isUsable = true;
  #isClosed = false;
  /** Writes to come that go through the cache, and how many will after the next slow one. */
  #left = 0;
  #pause = PAUSE;

  /**
   * @param cached all of the device, through its cache: for all else, and for errors
   * @param fd of it, opened with O_DIRECT; closed by `close`
   * @param now milliseconds that only grow
   */
  constructor(cached: BlockDevice, fd: number, now: () => number = () => performance.now()) {
    this.#cached = cached;
    this.#fd = fd;
    this.#now = now;
    this.size = cached.size;
    this.readOnly = cached.readOnly;
  }

  read(offset: number, target: Uint8Array): void {
    this.#cached.read(offset, target);
  }

  readNow(offset: number, target: Uint8Array): number {
    return this.#cached.readNow?.(offset, target) ?? 0;
  }

  willRead(offset: number, length: number): void {
    this.#cached.willRead?.(offset, length);
  }

  write(offset: number, source: Uint8Array): void {
    if (this.#takes(offset, source)) {
      if (this.#left === 0) {
        if (this.#writeDirectly(offset, source)) return;
      } else this.#left--;
    }
    this.#cached.write(offset, source);
  }

  #takes(offset: number, source: Uint8Array): boolean {
    const { length } = source;
    if (length < LEAST || !this.#isUsable || this.readOnly) return false;
    if (length % ALIGNMENT !== 0 || offset % ALIGNMENT !== 0 || offset + length > this.size) return false;
    return addressOf(source, 0, length) % MEMORY_ALIGNMENT === 0;
  }

  /** Whether all of it is written. */
  #writeDirectly(offset: number, source: Uint8Array): boolean {
    const { length } = source;
    // Also what is written in part has to be flushed.
    this.#cached.countWritten?.(length);
    const before = this.#now();
    const written = pwrite(this.#fd, source, 0, length, offset);
    if (written === -Errno.EINVAL || written === -Errno.EOPNOTSUPP) this.#isUsable = false;
    if ((this.#now() - before) * LEAST_SPEED > written) {
      this.#left = this.#pause;
      this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE);
    } else this.#pause = PAUSE;
    return written === length;
  }

  flush(): void {
    this.#cached.flush();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    close(this.#fd);
  }
}
