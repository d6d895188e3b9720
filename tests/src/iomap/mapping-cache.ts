import { type Slot, Type } from "./rules.js";

interface Entry {
  readonly from: number;
  readonly until: number;
  readonly slot: Slot;
}

/** What a kernel remembers of where files lie: as much of its cache as the server can tell from outside. */
export class MappingCache {
  hits = 0;
  readonly #files = new Map<number, Entry[]>();
  readonly #blockSize: number;

  constructor(blockSize: number) {
    this.#blockSize = blockSize;
  }

  insert(nodeid: number, slot: Slot): void {
    const from = Number(slot.offset);
    const until = from + Number(slot.length);
    this.drop(nodeid, from, until);
    this.#of(nodeid).push({ from, until, slot });
  }

  drop(nodeid: number, from: number, until: number): void {
    const block = this.#blockSize;
    const first = Math.floor(from / block) * block;
    const last = Math.ceil(until / block) * block;
    const kept: Entry[] = [];
    for (const entry of this.#of(nodeid)) {
      if (entry.from < first) kept.push({ ...entry, until: Math.min(entry.until, first) });
      if (entry.until > last) kept.push({ ...entry, from: Math.max(entry.from, last) });
    }
    this.#files.set(nodeid, kept);
  }

  /** A hole does for reading and zeroing only: to write, space has to be asked for. */
  find(nodeid: number, pos: number, writes: boolean, zeroes: boolean): Slot | undefined {
    const entry = this.#of(nodeid).find(({ from, until }) => from <= pos && pos < until);
    if (entry === undefined || (writes && !zeroes && entry.slot.type === Type.hole)) return undefined;
    this.hits++;
    const { from, until, slot } = entry;
    const skipped = BigInt(from) - slot.offset;
    const placed = slot.type === Type.mapped || slot.type === Type.unwritten;
    return {
      ...slot,
      offset: BigInt(from),
      length: BigInt(until - from),
      addr: placed ? slot.addr + skipped : slot.addr,
    };
  }

  #of(nodeid: number): Entry[] {
    const entries = this.#files.get(nodeid);
    if (entries !== undefined) return entries;
    const made: Entry[] = [];
    this.#files.set(nodeid, made);
    return made;
  }
}
