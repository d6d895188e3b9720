import type { RangeRecord } from "../journal/fast-commit-scan.js";
import { MAX_FILE_BLOCKS } from "../map/mapping.js";

/** File blocks as fast commits leave them: a hole, or mapped from `block` on. */
export interface FinalRange {
  readonly fileBlock: number;
  /** Blocks. */
  readonly length: number;
  /** 0 for a hole. */
  readonly block: number;
  readonly unwritten: boolean;
}

/**
 * The file blocks of one inode that fast commits changed: disjoint ranges, in order; of records that overlap the last counts.
 * Takes n log n steps, whatever the records say: they are laid down last first, each only where nothing lies yet.
 */
export function finalRanges(records: readonly RangeRecord[]): FinalRange[] {
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
  const ranges: FinalRange[] = [];
  for (let at = 0; at + 1 < edges.length; ) {
    const index = owner[at]!;
    const start = edges[at]!;
    while (at + 1 < edges.length && owner[at] === index) at++;
    if (index !== -1 && edges[at]! > start) ranges.push(partOf(records[index]!, start, edges[at]!));
  }
  return ranges;
}

function partOf({ fileBlock, block, unwritten }: RangeRecord, start: number, end: number): FinalRange {
  return { fileBlock: start, length: end - start, block: block === 0 ? 0 : block + start - fileBlock, unwritten };
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
