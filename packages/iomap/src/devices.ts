import { EBADF, EBUSY, EINVAL, ENODEV, ENOENT, ENOSPC, EOPNOTSUPP, EPERM } from "./errno.js";

/** A device that the host does file I/O on. */
export interface HostDevice {
  /** Bytes. */
  readonly size: number;
  /** Reads `target.length` bytes at byte `offset`, wholly or not at all: throws when it cannot. */
  read(offset: number, target: Uint8Array): void;
  /**
   * As `read`, without waiting.
   *
   * @param landed is called when it is done, with the error if there is one; not if it is done at once
   * @returns whether it is done at once
   */
  readLater?(offset: number, target: Uint8Array, landed: (error?: unknown) => void): boolean;
  /** As far as that needs no waiting: the bytes read from `offset` on, 0 when none are at hand. Never throws. */
  readNow?(offset: number, target: Uint8Array): number;
  /** A hint that these bytes will be read soon, which do not lie behind what was read last: those a device reads ahead itself. Never throws. */
  willRead?(offset: number, length: number): void;
  /** Writes `source` at byte `offset`, wholly or not at all: throws when it cannot. Absent, or with `readOnly`: nothing is written. */
  write?(offset: number, source: Uint8Array): void;
  /** As `write`, without waiting; see `readLater`. `source` is left alone until it is done. */
  writeLater?(offset: number, source: Uint8Array, landed: (error?: unknown) => void): boolean;
  readonly readOnly?: boolean;
  /** What was opened for writing only is no device for files. Default: readable. */
  readonly writeOnly?: boolean;
  /** Bytes that I/O must be aligned to, a power of two. Default 1: no matter. */
  readonly blockSize?: number;
  /** What stands for a block device is one; false makes registration fail with ENODEV. Default true. */
  readonly isBlockDevice?: boolean;
  /** Opened with O_PATH: no I/O. Default false. */
  readonly pathOnly?: boolean;
  /** Zones that are only written in order: no swap file. Default false. */
  readonly zoned?: boolean;
  /** Returns when all that was written is durable; throws when it cannot. */
  flush?(): void;
  /** Sets its soft block size, where it has one. @returns 0, or a negative errno */
  setBlockSize?(size: number): number;
  /** Forgets, without writing, what it caches of these bytes; never throws. */
  invalidate?(offset: number, length: number): void;
}

/** Types of backing files: the low byte of `BackingMap.flags`. */
export const BackingType = { passthrough: 0, iomap: 1 } as const;

/** What BACKING_OPEN is given. */
export interface BackingMap {
  /** The type in the low byte; other bits are 0. */
  readonly flags: number;
  readonly padding: number;
  /** What the descriptor stands for; undefined when it is not open. */
  readonly device: HostDevice | undefined;
}

const LAST_ID = 1024;
const TYPE_MASK = 0xff;
const SMALLEST_BLOCK = 512;
const LARGEST_BLOCK = 65_536;

/** The devices that mappings may name: ids from 1 to 1024, handed out in a circle, as the kernel does. */
export class DeviceRegistry {
  readonly #devices = new Map<number, HostDevice>();
  readonly #firstIds = new Map<HostDevice, number>();
  #next = 1;
  /** Whether iomap was agreed on: before that, nothing is registered. */
  negotiated = true;
  /** Whether an id may be closed now; a connection forbids it while files are in memory. */
  mayClose: () => boolean = () => true;

  /** Registers a device and returns its id. */
  add(device: HostDevice): number {
    const id = this.#add(device);
    if (id === 0) throw new Error(`no more than ${LAST_ID} devices can be registered`);
    return id;
  }

  /** BACKING_OPEN. @returns the id, or a negative errno */
  open({ flags, padding, device }: BackingMap): number {
    if ((flags & TYPE_MASK) !== BackingType.iomap) return -EOPNOTSUPP;
    if (!this.negotiated) return -EPERM;
    if ((flags & ~TYPE_MASK) !== 0 || padding !== 0) return -EINVAL;
    if (device === undefined || device.pathOnly === true) return -EBADF;
    if (device.isBlockDevice === false) return -ENODEV;
    const id = this.#add(device);
    return id === 0 ? -ENOSPC : id;
  }

  /** BACKING_CLOSE. @returns 0, or a negative errno */
  close(id: number): number {
    if (!(id > 0)) return -EINVAL;
    if (!this.#devices.has(id)) return -ENOENT;
    if (!this.negotiated) return -EPERM;
    if (!this.mayClose()) return -EBUSY;
    this.remove(id);
    return 0;
  }

  /** IOMAP_SET_BLOCKSIZE: the device's soft block size. @returns 0, or a negative errno */
  setBlockSize(id: number, size: number): number {
    if (!this.negotiated) return -EOPNOTSUPP;
    const device = this.#devices.get(id);
    if (device === undefined) return -ENOENT;
    const isPowerOfTwo = Number.isInteger(Math.log2(size));
    if (!isPowerOfTwo || size < Math.max(SMALLEST_BLOCK, device.blockSize ?? 1) || size > LARGEST_BLOCK) return -EINVAL;
    return device.setBlockSize?.(size) ?? 0;
  }

  #add(device: HostDevice): number {
    if (this.#devices.size === LAST_ID) return 0;
    while (this.#devices.has(this.#next)) this.#next = (this.#next % LAST_ID) + 1;
    const id = this.#next;
    this.#devices.set(id, device);
    this.#firstIds.set(device, Math.min(id, this.#firstIds.get(device) ?? id));
    this.#next = (id % LAST_ID) + 1;
    return id;
  }

  get(id: number): HostDevice | undefined {
    return this.#devices.get(id);
  }

  /** The lowest id of a device that may have several: what the server is told. 0 when there is none. */
  firstId(device: HostDevice): number {
    return this.#firstIds.get(device) ?? 0;
  }

  /** Forgets a device; returns whether it was there. */
  remove(id: number): boolean {
    const device = this.#devices.get(id);
    if (device === undefined) return false;
    this.#devices.delete(id);
    this.#firstIds.delete(device);
    for (const [other, same] of this.#devices) {
      if (same === device) this.#firstIds.set(device, Math.min(other, this.#firstIds.get(device) ?? other));
    }
    return true;
  }
}
