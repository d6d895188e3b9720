import type { HostDevice } from "./devices.js";

/** Browsers have it as well as Node. */
declare const performance: { now(): number };

/** Bytes of a file that is small: what lies around it is likely to be other files, and those of the same directory. */
const SMALL_FILE = 64 * 1024;
/** Bytes that are read at once, from a multiple of them on. */
const REGION = 256 * 1024;
/** Regions that are remembered: those of 256 MiB in a row. */
const REGIONS = 1024;
/** For the number of files that were read from a region: the rest of it was asked for. */
const ASKED = 255;
/** Files that have to come from a region that was asked for, if that is to have been worth it. */
const COST = 2;
/** What is saved up, in files, at least and at most. */
const LEAST_GAIN = -8;
const MOST_GAIN = 32;
/** Milliseconds that a small file takes on average from a disk that has to seek. Others are left to the system, which reads ahead in larger pages. */
const SLOW = 0.5;
/** How much the last file counts in that, and what it counts for at most: that a thread was not woken once says nothing. */
const WEIGHT = 0.25;
const LONGEST = 2 * SLOW;

/** Whether so many bytes are all of a small file. */
export function isSmallFile(length: number, size: number): boolean {
  return length === size && length <= SMALL_FILE;
}

/**
 * Has small files read together with what lies around them: they are made one after another and lie so, but are read in the order of
 * their names' hashes, and a disk has to seek for each.
 *
 * Where two were read from a region, the others there are likely to be wanted as well. Once that has come true often enough, the first
 * one will do; where it does not, more are waited for.
 */
export class Surroundings {
  /** By a region's number modulo REGIONS: the number of the last one that was here, plus one, and the files that were read from it. */
  readonly #numbers = new Float64Array(REGIONS);
  readonly #files = new Uint8Array(REGIONS);
  /** Files that came from regions which were asked for, less what those cost. */
  #gain = 0;
  #last = -1;
  /** Milliseconds that a small file took lately of which the device had not been told; and whether the current one is such, and since when. */
  #wait = 0;
  #isAlone = false;
  #since = 0;

  /**
   * To be called before a small file is waited for that lies at byte `addr` of a device, all of it. Whatever is wrong there is said when it
   * is read.
   */
  beforeRead(device: HostDevice | undefined, addr: number): void {
    this.#isAlone = false;
    if (device?.willRead === undefined || !(addr >= 0 && addr < device.size)) return;
    const number = Math.floor(addr / REGION);
    const slot = number % REGIONS;
    const files = this.#numbers[slot] === number + 1 ? this.#files[slot]! : 0;
    this.#isAlone = files !== ASKED;
    if (this.#isAlone) this.#since = performance.now();
    if (addr === this.#last) return;
    this.#last = addr;
    if (!this.#isAlone) this.#gain = Math.min(this.#gain + 1, MOST_GAIN);
    else if (this.#wait >= SLOW) this.#count(device, number, slot, files + 1);
  }

  /** To be called when it is there. */
  afterRead(): void {
    if (!this.#isAlone) return;
    const took = Math.min(performance.now() - this.#since, LONGEST);
    this.#wait += WEIGHT * (took - this.#wait);
  }

  #count(device: HostDevice, number: number, slot: number, files: number): void {
    this.#numbers[slot] = number + 1;
    this.#files[slot] = files;
    if (files < this.#wanted) return;
    this.#files[slot] = ASKED;
    this.#gain = Math.max(this.#gain - COST, LEAST_GAIN);
    const from = number * REGION;
    device.willRead?.(from, Math.min(REGION, device.size - from));
  }

  /** Files that are read from a region before the rest is asked for. */
  get #wanted(): number {
    if (this.#gain < 0) return 4;
    return this.#gain < MOST_GAIN / 4 ? 2 : 1;
  }
}
