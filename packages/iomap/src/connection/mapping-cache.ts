import { type Mapping, type MappingLimits, MappingType, Operation, WRITING } from "../mapping.js";
import { advance, MappingFork } from "./mapping-fork.js";

/** Bytes that a record counts for. */
const RECORD_BYTES = 32;

/** What a lookup came to. */
export const Lookup = { miss: 0, hit: 1, hitWithSource: 2 } as const;

/** Mappings of one file that its server has upserted: what saves asking again. */
export class MappingCache {
  readonly read: MappingFork;
  /** Unused until the first record that says something: until then all writes are pure overwrites. */
  #write: MappingFork | undefined;
  readonly #limits: MappingLimits;
  readonly #mostBytes: () => number;
  /** Changes with every change: a mapping that was looked up is good as long as this is what it was. Never 0. */
  cookie = 1;

  /** @param mostBytes bytes that one fork may hold, 32 for each record */
  constructor(limits: MappingLimits, mostBytes: () => number) {
    this.#limits = limits;
    this.#mostBytes = mostBytes;
    this.read = new MappingFork(this.#changed);
  }

  readonly #changed = (): void => {
    this.cookie = this.cookie === Number.MAX_SAFE_INTEGER ? 1 : this.cookie + 1;
  };

  get write(): MappingFork | undefined {
    return this.#write;
  }

  /** Puts a validated mapping in the place of what a fork says of its range. */
  upsert(fork: "read" | "write", mapping: Readonly<Mapping>): void {
    const { type } = mapping;
    if (type === MappingType.noCache || type === MappingType.retryCache) return;
    if (fork === "write" && this.#write === undefined) {
      if (type === MappingType.pureOverwrite) return;
      this.#write = new MappingFork(this.#changed);
    }
    const records = fork === "read" ? this.read : this.#write!;
    records.remove(mapping.offset, mapping.end);
    if ((records.count + 1) * RECORD_BYTES > this.#mostBytes()) records.clear();
    records.insert(mapping);
  }

  /** Forgets a fork's mappings of a range in whole blocks; TO_EOF as length for all that follows. */
  remove(fork: "read" | "write", offset: number, length: number): void {
    const records = fork === "read" ? this.read : this.#write;
    if (records === undefined || length <= 0) return;
    const { maxBytes } = this.#limits;
    if (offset === 0 && length >= maxBytes) records.clear();
    else records.remove(offset, Math.min(offset + length, Number.MAX_SAFE_INTEGER));
  }

  /** Forgets both forks' mappings of all blocks that the range touches. */
  invalidate(pos: number, length: number): void {
    if (length <= 0) return;
    const { blockSize } = this.#limits;
    const offset = pos - (pos % blockSize);
    const end = Math.min(Math.ceil(Math.min(pos + length, Number.MAX_SAFE_INTEGER) / blockSize) * blockSize, Infinity);
    this.remove("read", offset, end - offset);
    this.remove("write", offset, end - offset);
  }

  clear(): void {
    this.read.clear();
    this.#write?.clear();
  }

  /**
   * Looks up what an operation at `pos` needs; trimmed to the blocks of [pos, pos + count).
   *
   * @param target where the operation goes
   * @param source where the old data is, after `hitWithSource`
   */
  lookup(pos: number, count: number, operation: number, target: Mapping, source: Mapping): number {
    const writes = (operation & WRITING) !== 0;
    const old = this.read.find(pos);
    if (old === undefined) return Lookup.miss;
    let found: number = Lookup.hit;
    let mapping = old;
    if (writes && this.#write !== undefined) {
      const own = this.#write.find(pos);
      if (own === undefined) return Lookup.miss;
      if (own.type !== MappingType.pureOverwrite) {
        mapping = own;
        found = Lookup.hitWithSource;
        this.#trim(old, pos, count, source);
      }
    }
    if (writes && mapping.type === MappingType.hole && (operation & (Operation.zero | Operation.unshare)) === 0) {
      return Lookup.miss;
    }
    const needsSpace = Operation.direct | Operation.writeback;
    if (writes && mapping.type === MappingType.delalloc && (operation & needsSpace) !== 0) return Lookup.miss;
    this.#trim(mapping, pos, count, target);
    return found;
  }

  #trim(record: Readonly<Mapping>, pos: number, count: number, out: Mapping): void {
    const { blockSize } = this.#limits;
    out.copy(record);
    const from = Math.max(record.offset, pos - (pos % blockSize));
    const asked = pos + count;
    const end = Number.isSafeInteger(asked) ? Math.ceil(asked / blockSize) * blockSize : record.end;
    advance(out, from - record.offset);
    out.length = Math.min(record.end, end) - from;
  }
}
