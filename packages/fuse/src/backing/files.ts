import { closeBacking, openBacking } from "./ioctl.js";

/** The two calls that a registry makes; a test may bring its own. */
export interface BackingCalls {
  /** The id of `file` for the connection of `device`. */
  open(device: number, file: number): number;
  close(device: number, id: number): void;
}

const KERNEL: BackingCalls = { open: openBacking, close: closeBacking };

/** The backing files of one connection, by their ids, each with the number of those who need it. */
export class BackingFiles {
  readonly #device: () => number;
  readonly #calls: BackingCalls;
  readonly #references = new Map<number, number>();

  /** `device`: the attached /dev/fuse descriptor, asked for when the first file is opened. */
  constructor(device: () => number, calls: BackingCalls = KERNEL) {
    this.#device = device;
    this.#calls = calls;
  }

  /** How many ids the kernel holds for us. */
  get count(): number {
    return this.#references.size;
  }

  /** Registers `file` (see {@link openBacking}); the caller has the id's first reference. @throws LinuxError */
  open(file: number): number {
    const id = this.#calls.open(this.#device(), file);
    this.#references.set(id, 1);
    return id;
  }

  /** One more needs `id`. @throws {RangeError} for an id that is not registered */
  retain(id: number): void {
    this.#references.set(id, this.#of(id) + 1);
  }

  /** One less needs `id`; the last one gives it back to the kernel. @throws {RangeError} for an id that is not registered */
  release(id: number): void {
    const left = this.#of(id) - 1;
    if (left > 0) {
      this.#references.set(id, left);
      return;
    }
    this.#references.delete(id);
    this.#calls.close(this.#device(), id);
  }

  #of(id: number): number {
    const references = this.#references.get(id);
    if (references === undefined) throw new RangeError(`backing id ${id} is not registered here`);
    return references;
  }
}
