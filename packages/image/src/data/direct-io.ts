import * as fs from "node:fs";
import { AsyncIo, addressOf, close, Errno, eventfd, pageSize, setNonBlocking } from "@bulkhead/linux";

/** Requests under way; further ones go another way. */
const DEPTH = 64;
/** Bytes that memory, places and lengths are multiples of: what disks want, or at worst. */
const SECTOR = 512;
const LARGEST_SECTOR = 4096;

/** Microseconds that this thread waits itself: most disks answer before another thread would have been woken, and woken this one. */
const BRIEF = 100;

type Landed = (result: number) => void;

/** I/O on an image past the system's page cache (O_DIRECT), for what is aligned: reads to the disk's sectors, writes to pages. */
export class DirectIo {
  readonly #fd: number;
  readonly #signals: Uint8Array = new Uint8Array(8);
  readonly #eventFd: number;
  readonly #io: AsyncIo;
  readonly #landed: (Landed | undefined)[] = new Array<Landed | undefined>(DEPTH).fill(undefined);
  #isWaiting = false;
  /** Bytes of a page of the system's cache. */
  readonly #page = pageSize();
  #alignment = SECTOR;

  /**
   * @param fd of the image; stays the caller's
   * @throws where the file system that the image is on, or the system, cannot
   */
  constructor(fd: number, writable: boolean) {
    const { O_RDWR, O_RDONLY, O_DIRECT } = fs.constants;
    this.#fd = fs.openSync(`/proc/self/fd/${fd}`, (writable ? O_RDWR : O_RDONLY) | O_DIRECT);
    this.#eventFd = eventfd();
    try {
      // One of libuv's threads waits in read(2).
      setNonBlocking(this.#eventFd, false);
      this.#io = new AsyncIo(DEPTH, this.#eventFd);
    } catch (error) {
      fs.closeSync(this.#fd);
      close(this.#eventFd);
      throw error;
    }
  }

  /** Whether something can be read so. */
  reads(bytes: Uint8Array, position: number): boolean {
    return this.#takes(bytes, position, this.#alignment);
  }

  /**
   * Whether something can be written so: whole pages. One of the cache that another write has made dirty meanwhile, because it holds a
   * neighbour's blocks as well, would bring back what was there before.
   */
  writes(bytes: Uint8Array, position: number): boolean {
    return this.#takes(bytes, position, Math.max(this.#alignment, this.#page));
  }

  #takes(bytes: Uint8Array, position: number, unit: number): boolean {
    const { length } = bytes;
    if (length === 0 || length % unit !== 0 || position % unit !== 0) return false;
    return addressOf(bytes, 0, length) % this.#alignment === 0;
  }

  /** Bytes read, fewer at the end; or -1 where it has to go another way. @throws what fs.readSync throws */
  read(target: Uint8Array, position: number): number {
    return this.#attempt(() => fs.readSync(this.#fd, target, 0, target.length, position));
  }

  /** As `read`. */
  write(source: Uint8Array, position: number): number {
    return this.#attempt(() => fs.writeSync(this.#fd, source, 0, source.length, position));
  }

  #attempt(move: () => number): number {
    try {
      return move();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EINVAL") throw error;
      this.#alignment = this.#alignment === LARGEST_SECTOR ? Number.POSITIVE_INFINITY : LARGEST_SECTOR;
      return -1;
    }
  }

  /**
   * Starts a read or write.
   *
   * @param landed gets its bytes, or a negative errno
   * @returns whether it is under way; if not, it has to go another way
   */
  submit(writes: boolean, bytes: Uint8Array, position: number, landed: Landed): boolean {
    const slot = this.#io.submit(writes, this.#fd, bytes, 0, bytes.length, position);
    if (slot === -Errno.EINVAL) this.#alignment = LARGEST_SECTOR;
    if (slot < 0) return false;
    this.#landed[slot] = landed;
    if (!this.#isWaiting) this.#waitBriefly();
    return true;
  }

  #waitBriefly(): void {
    this.#isWaiting = true;
    setImmediate(this.#look);
  }

  readonly #look = (): void => {
    const some = this.#io.harvest(this.#land, BRIEF) > 0;
    if (this.#io.inFlight === 0) this.#isWaiting = false;
    else if (some) this.#waitBriefly();
    else fs.read(this.#eventFd, this.#signals, 0, this.#signals.length, null, this.#signalled);
  };

  readonly #signalled = (): void => {
    this.#io.harvest(this.#land);
    if (this.#io.inFlight > 0) this.#waitBriefly();
    else this.#isWaiting = false;
  };

  readonly #land = (slot: number, result: number): void => {
    const landed = this.#landed[slot];
    this.#landed[slot] = undefined;
    landed?.(result);
  };

  /** Nothing may be under way. */
  close(): void {
    this.#io.close();
    fs.closeSync(this.#fd);
    close(this.#eventFd);
  }
}
