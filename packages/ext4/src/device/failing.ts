import { DeviceError } from "../errors.js";
import type { BlockDevice } from "./device.js";

/**
 * A device whose writes and flushes fail when it is told to, and what is left of it then: as behind a system's cache, what was
 * written is read again at once, is on the disk after a flush that succeeds, and never comes there after one that fails.
 */
export class FailingDevice implements BlockDevice {
  readonly readOnly = false;
  /** Writes and flushes so far. */
  steps = 0;
  readonly #cache: BlockDevice;
  readonly #disk: BlockDevice;
  readonly #fails: (step: number, kind: "write" | "flush") => boolean;
  #written: { readonly offset: number; readonly bytes: Uint8Array }[] = [];

  /**
   * @param cache what is read and written
   * @param disk holds the same, and gets what is flushed
   * @param fails asked of each write and flush, from step 1 on
   */
  constructor(cache: BlockDevice, disk: BlockDevice, fails: (step: number, kind: "write" | "flush") => boolean) {
    this.#cache = cache;
    this.#disk = disk;
    this.#fails = fails;
  }

  get size(): number {
    return this.#cache.size;
  }

  read(offset: number, target: Uint8Array): void {
    this.#cache.read(offset, target);
  }

  write(offset: number, source: Uint8Array): void {
    if (this.#fails(++this.steps, "write")) throw new DeviceError("write", offset, source.length, "injected");
    this.#cache.write(offset, source);
    this.#written.push({ offset, bytes: source.slice() });
  }

  flush(): void {
    const written = this.#written;
    this.#written = [];
    if (this.#fails(++this.steps, "flush")) throw new DeviceError("flush", 0, 0, "injected");
    for (const { offset, bytes } of written) this.#disk.write(offset, bytes);
    this.#disk.flush();
  }

  close(): void {
    this.#cache.close();
  }
}
