import { type BlockMapping, MAX_FILE_BLOCKS, MappingType } from "../map/mapping.js";
import type { RangeRecord } from "./fast-commit-scan.js";

/** The file blocks of one inode that fast commits changed: disjoint ranges, in order; of records that overlap the last counts. */
export class RangeList {
  readonly #starts: Float64Array;
  readonly #ends: Float64Array;
  readonly #records: readonly RangeRecord[];

  /** Takes n log n steps, whatever the records say: they are laid down last first, each only where nothing lies yet. */
  constructor(records: readonly RangeRecord[]) {
    const edges = new Float64Array(records.length * 2);
    records.forEach((record, index) => {
      edges[index * 2] = record.fileBlock;
      edges[index * 2 + 1] = endOf(record);
    });
    edges.sort();
    const owner = new Int32Array(edges.length).fill(-1);
    // free[i] leads to the first edge from i on whose piece (up to the next edge) is not owned yet.
    const free = Uint32Array.from({ length: edges.length + 1 }, (_, index) => index);
    const firstFree = (index: number): number => {
      let at = index;
      while (free[at] !== at) {
        free[at] = free[free[at]!]!;
        at = free[at]!;
      }
      return at;
    };
    for (let index = records.length - 1; index >= 0; index--) {
      const end = endOf(records[index]!);
      const first = lowerBound(edges, records[index]!.fileBlock);
      for (let at = firstFree(first); at < edges.length && edges[at]! < end; at = firstFree(at + 1)) {
        owner[at] = index;
        free[at] = at + 1;
      }
    }
    const starts: number[] = [];
    const ends: number[] = [];
    const owners: RangeRecord[] = [];
    for (let at = 0; at + 1 < edges.length; at++) {
      if (owner[at] === -1 || edges[at] === edges[at + 1]) continue;
      const record = records[owner[at]!]!;
      if (owners.at(-1) === record && ends.at(-1) === edges[at]) {
        ends[ends.length - 1] = edges[at + 1]!;
        continue;
      }
      starts.push(edges[at]!);
      ends.push(edges[at + 1]!);
      owners.push(record);
    }
    this.#starts = Float64Array.from(starts);
    this.#ends = Float64Array.from(ends);
    this.#records = owners;
  }

  /** Fills `out` from `fileBlock` on if a fast commit changed that block; false if the inode's own map has the answer. */
  map(fileBlock: number, out: BlockMapping): boolean {
    const at = lowerBound(this.#starts, fileBlock + 1) - 1;
    if (at < 0 || fileBlock >= this.#ends[at]!) return false;
    const { block, unwritten, fileBlock: start } = this.#records[at]!;
    const length = this.#ends[at]! - fileBlock;
    if (block === 0) out.set(MappingType.hole, fileBlock, length, 0);
    else out.set(unwritten ? MappingType.unwritten : MappingType.mapped, fileBlock, length, block + fileBlock - start);
    return true;
  }

  /** Ends a mapping from the inode's own map where the next changed range starts. */
  clip(out: BlockMapping): void {
    const next = lowerBound(this.#starts, out.fileBlock);
    if (next < this.#starts.length) out.length = Math.min(out.length, this.#starts[next]! - out.fileBlock);
  }
}

function endOf(record: RangeRecord): number {
  return Math.min(record.fileBlock + record.length, MAX_FILE_BLOCKS);
}

/** Index of the first element that is `value` or more. */
function lowerBound(sorted: Float64Array, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
