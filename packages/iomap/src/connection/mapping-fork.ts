import { Mapping, NULL_ADDR } from "../mapping.js";

/** Longest range that merging makes: what 63 bits hold in the kernel, and what a number holds here. */
const LONGEST = Number.MAX_SAFE_INTEGER;

/** Mappings of one fork: in the order of the file, disjoint, as few as their kinds allow. */
export class MappingFork {
  readonly #records: Mapping[] = [];
  /** Called at every insertion, change and removal of a record. */
  readonly #changed: () => void;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  get count(): number {
    return this.#records.length;
  }

  /** The records in order; for tests and debugging. */
  get records(): readonly Readonly<Mapping>[] {
    return this.#records;
  }

  /** The record that covers `pos`. */
  find(pos: number): Readonly<Mapping> | undefined {
    const record = this.#records[this.#endingAfter(pos)];
    return record !== undefined && record.offset <= pos ? record : undefined;
  }

  /** Index of the first record that ends after `pos`. */
  #endingAfter(pos: number): number {
    const records = this.#records;
    let low = 0;
    let high = records.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (records[middle]!.end > pos) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  clear(): void {
    if (this.#records.length === 0) return;
    this.#records.length = 0;
    this.#changed();
  }

  /** Removes [offset, end): records go, or lose an end, or their middle. */
  remove(offset: number, end: number): void {
    if (end <= offset) return;
    const records = this.#records;
    let first = this.#endingAfter(offset);
    const head = records[first];
    if (head === undefined || head.offset >= end) return;
    this.#changed();
    if (head.offset < offset) {
      if (head.end > end) {
        const right = new Mapping();
        right.copy(head);
        advance(right, end - head.offset);
        head.length = offset - head.offset;
        records.splice(first + 1, 0, right);
        return;
      }
      head.length = offset - head.offset;
      first++;
    }
    let last = first;
    while (last < records.length && records[last]!.end <= end) last++;
    const tail = records[last];
    if (tail !== undefined && tail.offset < end) advance(tail, end - tail.offset);
    records.splice(first, last - first);
  }

  /** Inserts a copy of `mapping`, whose range is free, and merges it with its neighbours where that says the same. */
  insert(mapping: Readonly<Mapping>): void {
    const records = this.#records;
    this.#changed();
    const at = this.#endingAfter(mapping.offset);
    const left = records[at - 1];
    const right = records[at];
    const joinsLeft = left !== undefined && continues(left, mapping);
    const joinsRight = right !== undefined && continues(mapping, right);
    if (joinsLeft && joinsRight && left.length + mapping.length + right.length <= LONGEST) {
      left.length += mapping.length + right.length;
      records.splice(at, 1);
    } else if (joinsLeft) {
      left.length += mapping.length;
    } else if (joinsRight) {
      right.offset = mapping.offset;
      right.addr = mapping.addr;
      right.length += mapping.length;
    } else {
      const record = new Mapping();
      record.copy(mapping);
      records.splice(at, 0, record);
    }
  }
}

/** Cuts `by` bytes from the front. */
export function advance(mapping: Mapping, by: number): void {
  mapping.offset += by;
  mapping.length -= by;
  if (mapping.isOnDevice) mapping.addr += by;
}

/** Whether `right` goes on where `left` ends, in the file and on the device, and says the same. */
function continues(left: Readonly<Mapping>, right: Readonly<Mapping>): boolean {
  if (left.dev !== right.dev || left.type !== right.type || left.flags !== right.flags) return false;
  if (left.end !== right.offset || left.length + right.length > LONGEST) return false;
  return left.isOnDevice ? left.addr + left.length === right.addr : left.addr === NULL_ADDR && right.addr === NULL_ADDR;
}
