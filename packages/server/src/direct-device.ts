import type { BlockDevice } from "@bulkhead/ext4";
import type { HostDevice } from "@bulkhead/iomap/in-process";
import { addressOf, close, Errno, pread, pwrite } from "@bulkhead/linux";

/** Bytes that places and lengths are multiples of, and the data's place in memory: the largest that devices ask for. */
const ALIGNMENT = 4096;
const MEMORY_ALIGNMENT = 512;
/** Bytes from which on a write is worth it: shorter ones are collected in the cache. */
const LEAST_WRITE = 128 * 1024;

/** Milliseconds that a request may take, whatever its length, and bytes that are moved in each further one. */
interface Patience {
  readonly start: number;
  readonly speed: number;
}
const READ: Patience = { start: 0.06, speed: 1024 * 1024 };
const WRITE: Patience = { start: 0, speed: 256 * 1024 };

/** Requests that go through the cache after a slow one: at first, and at most, doubling in between. */
const PAUSE = 8;
const LONGEST_PAUSE = 4096;

/**
 * A block device for file data, past its page cache (O_DIRECT). That would hold what the mount's own cache holds already, costs more than a
 * fast device does, and Linux writes it back in single blocks, for which whoever fills it waits.
 *
 * The serving thread waits meanwhile. So a device that takes its time is used through its cache, which takes what is written, and says what
 * it does not have. The two ways may be mixed: the kernel writes back what it has of a range before that is read directly, and forgets it
 * before that is written.
 */
export class DirectDevice implements HostDevice {
  readonly size: number;
  readonly readOnly: boolean;
  readonly #cached: BlockDevice;
  readonly #fd: number;
  #isUsable = true;
  readonly #reads: Pace;
  readonly #writes: Pace;

  /**
   * @param cached all of the device, through its cache: for what is short or not aligned, and for errors
   * @param fd of it, opened with O_DIRECT; closed by `close`
   * @param now milliseconds that only grow
   */
  constructor(cached: BlockDevice, fd: number, now: () => number = () => performance.now()) {
    this.#cached = cached;
    this.#fd = fd;
    this.#reads = new Pace(READ, now);
    this.#writes = new Pace(WRITE, now);
    this.size = cached.size;
    this.readOnly = cached.readOnly;
  }

  read(offset: number, target: Uint8Array): void {
    if (!this.#read(offset, target)) this.#cached.read(offset, target);
  }

  readNow(offset: number, target: Uint8Array): number {
    return this.#read(offset, target) ? target.length : (this.#cached.readNow?.(offset, target) ?? 0);
  }

  #read(offset: number, target: Uint8Array): boolean {
    if (!this.#takes(offset, target) || !this.#reads.begin()) return false;
    return this.#isDone(pread(this.#fd, target, 0, target.length, offset), target.length, this.#reads);
  }

  /** Ahead of time, there is only the cache to read into. */
  willRead(offset: number, length: number): void {
    if (!this.#isUsable || this.#reads.isPausing) this.#cached.willRead?.(offset, length);
  }

  write(offset: number, source: Uint8Array): void {
    const { length } = source;
    if (length >= LEAST_WRITE && !this.readOnly && this.#takes(offset, source) && this.#writes.begin()) {
      // Also what is written in part has to be flushed.
      this.#cached.countWritten?.(length);
      if (this.#isDone(pwrite(this.#fd, source, 0, length, offset), length, this.#writes)) return;
    }
    this.#cached.write(offset, source);
  }

  #takes(offset: number, bytes: Uint8Array): boolean {
    const { length } = bytes;
    if (!this.#isUsable || length % ALIGNMENT !== 0 || offset % ALIGNMENT !== 0) return false;
    return offset + length <= this.size && addressOf(bytes, 0, length) % MEMORY_ALIGNMENT === 0;
  }

  /** @param moved bytes, or a negative errno */
  #isDone(moved: number, length: number, pace: Pace): boolean {
    if (moved === -Errno.EINVAL || moved === -Errno.EOPNOTSUPP) this.#isUsable = false;
    pace.end(Math.max(moved, 0));
    return moved === length;
  }

  flush(): void {
    this.#cached.flush();
  }

  close(): void {
    close(this.#fd);
  }
}

/** Whether the device is fast enough to be waited for. */
class Pace {
  readonly #patience: Patience;
  readonly #now: () => number;
  #began = 0;
  /** Requests to come that go through the cache, and how many will after the next slow one. */
  #left = 0;
  #pause = PAUSE;

  constructor(patience: Patience, now: () => number) {
    this.#patience = patience;
    this.#now = now;
  }

  get isPausing(): boolean {
    return this.#left > 0;
  }

  /** Whether a request is to go to the device. */
  begin(): boolean {
    if (this.#left > 0) {
      this.#left--;
      return false;
    }
    this.#began = this.#now();
    return true;
  }

  /** A request has moved so many bytes. */
  end(moved: number): void {
    const { start, speed } = this.#patience;
    if (this.#now() - this.#began > start + moved / speed) {
      this.#left = this.#pause;
      this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE);
    } else this.#pause = PAUSE;
  }
}
