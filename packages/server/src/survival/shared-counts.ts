import type { CountStore, CountTable } from "../lookups.js";

/** Bytes before the tables: which of them counts, and its slots. */
const HEADER = 64;

/** Bytes of the memory for each of the two tables. */
export function countTableBytes(slots: number): number {
  return HEADER + 8 * slots;
}

/** Look-up counts in memory that outlives the process: two tables, so that one is there while the other is filled. */
export class SharedCounts implements CountStore {
  readonly mostSlots: number;
  readonly found: CountTable | undefined;
  readonly #areas: readonly Uint8Array<ArrayBuffer>[];
  /** Slots of the table that counts; negative for the second area's. */
  readonly #current: Float64Array;
  readonly #added: (ino: number) => void;
  #made = 0;

  /**
   * @param areas of the same size, zeros at first
   * @param added is told of each look-up that is added
   */
  constructor(areas: readonly [Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>], added: (ino: number) => void) {
    this.#areas = areas;
    this.#added = added;
    this.mostSlots = 2 ** Math.floor(Math.log2((areas[0].length - HEADER) / 8));
    this.#current = new Float64Array(areas[0].buffer, areas[0].byteOffset, 1);
    const current = this.#current[0]!;
    const slots = Math.abs(current);
    if (slots > 0 && slots <= this.mostSlots) this.found = this.#table(current < 0 ? 1 : 0, slots);
  }

  make(slots: number): CountTable {
    // Not where the table is that counts.
    const area = this.#current[0]! > 0 ? 1 : 0;
    const table = this.#table(area, slots);
    table.inodes.fill(0);
    this.#made = area === 0 ? slots : -slots;
    return table;
  }

  settle(): void {
    this.#current[0] = this.#made;
  }

  added(ino: number): void {
    this.#added(ino);
  }

  #table(area: number, slots: number): CountTable {
    const { buffer, byteOffset } = this.#areas[area]!;
    return {
      inodes: new Uint32Array(buffer, byteOffset + HEADER, slots),
      counts: new Uint32Array(buffer, byteOffset + HEADER + 4 * slots, slots),
    };
  }
}
