import { MappingType, Operation } from "./mapping.js";
import type { HostFile, Upcalls } from "./upcalls.js";

/** Bytes that are asked of the device ahead of a file that is read from front to back. */
const WINDOW = 8 * 1024 * 1024;
/** Bytes that the device is told of at a time, at least, except at the end of the file. */
const STEP = WINDOW / 2;
/** Mappings that are asked for before one read: of a file in small pieces, the next reads tell the rest. */
const MOST_BEGINS = 64;

/**
 * Tells devices where a file that is read from front to back goes on: they work while what is wanted now is copied. What lies behind
 * what was read they read ahead themselves, and better.
 */
export class LookAhead<F extends HostFile> {
  readonly #upcalls: Upcalls<F>;
  /** The file that was read last, where that ended, and up to where its device was told what comes. */
  #file: F | undefined;
  #end = 0;
  #told = 0;
  /** Where on its device what lies before that ends; −1: not known. */
  #addr = -1;

  constructor(upcalls: Upcalls<F>) {
    this.#upcalls = upcalls;
  }

  /** To be called before `length` bytes are read from `pos` on; what `begin` answered last is gone then. */
  beforeRead(file: F, pos: number, length: number): void {
    const next = pos + length;
    const end = this.#end;
    const isSame = this.#file === file;
    this.#end = next;
    if (isSame && next === end) return; // again, and it may wait now
    if (isSame && pos === end) {
      if (this.#told < pos) {
        this.#told = pos;
        this.#addr = -1;
      }
      this.#tell(file, Math.min(next + WINDOW, file.size));
      return;
    }
    this.#file = file;
    this.#told = 0;
  }

  #tell(file: F, until: number): void {
    let from = this.#told;
    if (until - from < STEP && until < file.size) return;
    const { io, read } = this.#upcalls;
    for (let begins = 0; from < until && begins < MOST_BEGINS; begins++) {
      // Whatever is wrong there is said when it is read.
      if (!this.#begins(file, from, until - from)) break;
      const end = Math.min(read.end, file.size);
      if (read.type === MappingType.mapped) {
        const addr = read.addr + (from - read.offset);
        if (this.#addr !== -1 && this.#addr !== addr) io.willRead(read, from, Math.min(end - from, WINDOW));
        this.#addr = addr + (end - from);
      }
      from = end;
    }
    this.#told = from;
  }

  #begins(file: F, pos: number, count: number): boolean {
    try {
      return this.#upcalls.begin(file, pos, count, Operation.read) === 0;
    } catch {
      return false;
    }
  }
}
