import type { AnyStruct, View } from "@bulkhead/linux/struct";

/** An array of structures in a request, read through one reused view. */
export class StructList<S extends AnyStruct> {
  /** Entries; checked against the bytes that arrived. */
  length = 0;
  readonly #stride: number;
  readonly #entry: View<S>;
  #view: DataView | undefined;
  #start = 0;

  constructor(struct: S) {
    this.#stride = struct.size;
    // View<S> is by definition what S's own `view()` makes.
    this.#entry = struct.view() as View<S>;
  }

  position(view: DataView, start: number, length: number): void {
    this.#view = view;
    this.#start = start;
    this.length = length;
  }

  /** The entry, valid until the next call of `get`. Throws RangeError outside 0 … length − 1. */
  get(index: number): View<S> {
    if (this.#view === undefined || !(index >= 0 && index < this.length)) throw new RangeError(`entry ${index}`);
    this.#entry.at(this.#view, this.#start + index * this.#stride);
    return this.#entry;
  }
}
