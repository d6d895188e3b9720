import { type BlockCache, type CachedBlock, Verified } from "../cache/block-cache.js";
import { IoAtOnce, type IoSequence } from "../device/io-sequence.js";
import type { LogPosition, TransactionLog } from "./transaction-log.js";

/** A transaction that is durable in the log, and that a recovery would read. */
interface Logged {
  readonly tid: number;
  readonly start: LogPosition;
  /** The blocks that it logged. */
  readonly numbers: readonly number[];
  /** Those of them that may not be home. */
  blocks: CachedBlock[];
}

/** Shares of the log, or of the cache if that is smaller: how much is logged when commits begin to take old transactions home with them, and when they stop. */
const FULL = 1 / 4;
const RELAXED = 1 / 8;

/**
 * The transactions in the log, oldest first, and what of them is not home. A block belongs to the last one that logged it
 * (`CachedBlock.loggedIn`); one that a transaction has changed since which is not durable is not written home, but goes over to that
 * transaction, as in jbd2.
 */
export class Checkpoints {
  readonly #cache: BlockCache;
  readonly #log: TransactionLog;
  readonly #logged: Logged[] = [];
  /** Of each block of which a recovery would find a copy: the last transaction that logged it. */
  readonly #lastLogged = new Map<number, number>();
  /** Blocks that are being written home. */
  #taken: CachedBlock[] = [];
  /** Blocks that are not home: they are kept in the cache. */
  #waiting = 0;
  /** Whether the log goes back from FULL to RELAXED. */
  #draining = false;

  constructor(cache: BlockCache, log: TransactionLog) {
    this.#cache = cache;
    this.#log = log;
  }

  get #most(): number {
    return Math.min(this.#log.length, this.#cache.capacity);
  }

  /** Whether a recovery would find a copy of a block in the log, or soon will. */
  isLogged(block: number): boolean {
    return this.#lastLogged.has(block);
  }

  /** A transaction is being written to the log. @returns the numbers of its blocks */
  logs(tid: number, blocks: readonly CachedBlock[]): number[] {
    const numbers: number[] = [];
    for (const { block } of blocks) {
      this.#lastLogged.set(block, tid);
      numbers.push(block);
    }
    return numbers;
  }

  /** It is durable in the log. */
  add(tid: number, start: LogPosition, numbers: readonly number[], blocks: CachedBlock[]): void {
    for (const block of blocks) {
      if (block.loggedIn === 0) this.#waiting++;
      block.loggedIn = tid;
    }
    this.#logged.push({ tid, start, numbers, blocks });
  }

  /** A block is home, or the transaction that freed it is durable. */
  drop(block: CachedBlock): void {
    if (block.loggedIn === 0) return;
    block.loggedIn = 0;
    this.#waiting--;
  }

  /** Whether log and cache take a whole transaction more, besides one of `committing` blocks. */
  hasRoom(committing: number): boolean {
    const { mostBlocks } = this.#log;
    const fits = this.#log.hasRoom(mostBlocks + (mostBlocks >> 2), this.#lastLogged.size);
    return fits && this.#waiting + committing <= this.#cache.capacity >> 1;
  }

  /**
   * Lays down, where the log is filled so far, that blocks of the oldest transactions are written home.
   *
   * @param most blocks
   * @returns the tail that is right when these writes are durable
   */
  layHome(io: IoSequence, most: number): LogPosition | undefined {
    const { used, end } = this.#log;
    if (used > this.#most * FULL) this.#draining = true;
    if (!this.#draining) return undefined;
    const goal = end.count - this.#most * RELAXED;
    const tail = this.#lay(io, most, goal);
    if (tail.count >= goal) this.#draining = false;
    return tail;
  }

  /** @param goal where to stop, in blocks written to the log since the mount: LogPosition.count */
  #lay(io: IoSequence, most: number, goal: number): LogPosition {
    const { end } = this.#log;
    const taken: CachedBlock[] = [];
    let tail = end;
    for (const logged of this.#logged) {
      tail = logged.start;
      if (tail.count >= goal || taken.length >= most) break;
      logged.blocks = logged.blocks.filter((block) => {
        if (block.loggedIn !== logged.tid) return false;
        if (block.transaction !== 0 || taken.length >= most) return true;
        taken.push(block);
        return false;
      });
      if (logged.blocks.length > 0) break;
      tail = end;
    }
    this.#taken = taken;
    this.#cache.writeHome(taken, io);
    return tail;
  }

  /** What `layHome` laid down is done. */
  home(): void {
    const cache = this.#cache;
    for (const block of this.#taken) {
      this.drop(block);
      if (block.transaction !== 0) continue;
      // File data is not kept: from here on it may be written without the journal.
      if (block.verifiedAs === Verified.data) cache.drop(block);
      else cache.unpin(block);
    }
    this.#taken = [];
  }

  /** A tail is durable: no recovery reads what is before it any more. */
  release(tail: LogPosition): void {
    let count = 0;
    for (const { start, tid, numbers } of this.#logged) {
      if (start.count >= tail.count) break;
      count++;
      for (const number of numbers) if (this.#lastLogged.get(number) === tid) this.#lastLogged.delete(number);
    }
    this.#logged.splice(0, count);
    this.#log.release(tail);
  }

  /** Writes home at once what is needed for `hasRoom`. No transaction is running or committing. */
  makeRoom(): void {
    for (let keep = this.#most >> 1; !this.hasRoom(0); keep >>= 2) {
      this.#bringHome(this.#log.end.count - keep);
      if (keep > 0) continue;
      // There may be room from the log's beginning on only.
      if (!this.hasRoom(0)) this.#log.empty();
      return;
    }
  }

  /** Writes all home at once, and empties the log. No transaction is running or committing. */
  makeEmpty(): void {
    this.#bringHome(Number.POSITIVE_INFINITY);
    this.#log.empty();
  }

  #bringHome(goal: number): void {
    const io = new IoAtOnce();
    const tail = this.#lay(io, Number.POSITIVE_INFINITY, goal);
    this.#log.flush(io);
    this.home();
    this.#log.moveTail(io, tail);
    this.release(tail);
  }
}
