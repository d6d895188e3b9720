import * as fs from "node:fs";
import { AsyncIo, addressOf, close, Errno, eventfd, pageSize, setNonBlocking } from "@bulkhead/linux";

/** Requests that the kernel has under way; further reads go another way, and further writes wait for one of libuv's threads. */
const DEPTH = 64;
/** Bytes that memory, places and lengths are multiples of: what disks want, or at worst. */
const SECTOR = 512;
const LARGEST_SECTOR = 4096;
const PAGE = 4096;
/** Bytes of a write from memory that is not aligned, which are copied at a time. */
const BOUNCE = 1024 * 1024;

/** Microseconds that this thread waits itself: most disks answer before another thread would have been woken, and woken this one. */
const BRIEF = 100;

type Landed = (result: number) => void;

/** A buffer that begins on a page: what `direct` I/O takes as it is. */
export function alignedBuffer(length: number): Uint8Array {
  const bytes = new Uint8Array(length + PAGE);
  const start = (PAGE - (addressOf(bytes, 0, 0) % PAGE)) % PAGE;
  return bytes.subarray(start, start + length);
}

/** I/O on an image past the system's page cache (O_DIRECT), for what is aligned: reads to the disk's sectors, writes to pages. */
export class DirectIo {
  readonly #fd: number;
  readonly #signals: Uint8Array = new Uint8Array(8);
  readonly #eventFd: number;
  readonly #io: AsyncIo;
  readonly #landed: (Landed | undefined)[] = new Array<Landed | undefined>(DEPTH).fill(undefined);
  #isWaiting = false;
  #bounce: Uint8Array | undefined;
  /** Bytes of the file system's blocks, as soon as they are known. */
  blockSize = 0;
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
    const unit = this.#alignment;
    return bytes.length > 0 && bytes.length % unit === 0 && position % unit === 0 && this.#isAligned(bytes);
  }

  /**
   * Whether something is written so: whole pages, wherever they are in memory; nothing, where blocks are smaller. A page of the cache that
   * another write has made dirty meanwhile would bring back what was there before.
   */
  writes(length: number, position: number): boolean {
    const unit = Math.max(this.#alignment, this.#page);
    return this.blockSize >= unit && length > 0 && length % unit === 0 && position % unit === 0;
  }

  #isAligned(bytes: Uint8Array): boolean {
    return addressOf(bytes, 0, bytes.length) % this.#alignment === 0;
  }

  /** Bytes read, fewer at the end; or -1 where it has to go another way. @throws what fs.readSync throws */
  read(target: Uint8Array, position: number): number {
    return this.#attempt(() => fs.readSync(this.#fd, target, 0, target.length, position));
  }

  /** As `read`; of memory that is not aligned, no more than so many bytes. */
  write(source: Uint8Array, position: number): number {
    let memory = source;
    if (!this.#isAligned(source)) {
      this.#bounce ??= alignedBuffer(BOUNCE);
      memory = this.#bounce.subarray(0, Math.min(source.length, BOUNCE));
      memory.set(source.subarray(0, memory.length));
    }
    return this.#attempt(() => fs.writeSync(this.#fd, memory, 0, memory.length, position));
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
   * Starts a read.
   *
   * @param landed gets its bytes, or a negative errno
   * @returns whether it is under way; if not, it has to go another way
   */
  submitRead(target: Uint8Array, position: number, landed: Landed): boolean {
    return this.#submit(false, target, position, landed);
  }

  /** Starts a write. @param landed gets its bytes, or a negative number where it has to go another way */
  submitWrite(source: Uint8Array, position: number, landed: Landed): void {
    let memory = source;
    if (!this.#isAligned(source)) {
      memory = alignedBuffer(source.length);
      memory.set(source);
    }
    if (this.#submit(true, memory, position, landed)) return;
    fs.write(this.#fd, memory, 0, memory.length, position, (error, put) => landed(error === null ? put : -1));
  }

  #submit(writes: boolean, bytes: Uint8Array, position: number, landed: Landed): boolean {
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
