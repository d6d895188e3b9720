import type { CachedBlock } from "../cache/block-cache.js";
import type { IoSequence } from "../device/io-sequence.js";

/** A place between two transactions of a log. */
export interface LogPosition {
  /** Block of the journal where the next transaction begins. */
  readonly place: number;
  /** Number of that transaction in the log, modulo 2^32. */
  readonly sequence: number;
  /** Blocks that were written to the log before it, since the mount. */
  readonly count: number;
}

/** Where transactions are kept until their blocks are home. */
export interface TransactionLog {
  /** Most blocks that one transaction should have. */
  readonly mostBlocks: number;
  /** Whether a crash replays the log: freed metadata then has to be revoked, and freed blocks may not be used again before the commit. */
  readonly journalled: boolean;
  /** Blocks that it has. */
  readonly length: number;
  /** Those that hold transactions which a recovery would read. */
  readonly used: number;
  /** Behind the last transaction. */
  readonly end: LogPosition;
  /** Whether a transaction of so many blocks and revocations fits behind those that are there. */
  hasRoom(blocks: number, revoked: number): boolean;
  /**
   * Lays down what writes a transaction: when all of it is done, the transaction and all that was written to the device before are
   * durable. Without a journal, its blocks are home then.
   *
   * @param tail where recovery is to start from then on, when all that this sequence has written home before is durable
   */
  append(io: IoSequence, blocks: readonly CachedBlock[], revoked: ReadonlySet<number>, tail?: LogPosition): void;
  /** Lays down what makes file data durable that was written to the device. */
  flush(io: IoSequence): void;
  /** Lays down a new tail alone. All transactions before it are home and durable. */
  moveTail(io: IoSequence, tail: LogPosition): void;
  /** A tail that was laid down is durable: what is before it may be overwritten. */
  release(tail: LogPosition): void;
  /** Says at once that the log holds nothing. All transactions are home and durable. */
  empty(): void;
  /** Notes for the next mount that something went wrong, as far as that can be done; `errno` is negative. Does not throw. */
  noteError(errno: number): void;
}
