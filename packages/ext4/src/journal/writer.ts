import type { CachedBlock } from "../cache/block-cache.js";
import type { IoSequence } from "../device/io-sequence.js";
import { DeviceError, isEngineError } from "../errors.js";
import type { Volume } from "../volume.js";
import { JournalSuperblock } from "./journal-superblock.js";
import type { JournalLog } from "./log.js";
import { LogStream } from "./log-stream.js";
import type { LogPosition, TransactionLog } from "./transaction-log.js";
import { revokesPerBlock, tagsPerBlock, writeCommit, writeLogged, writeRevokes } from "./write-blocks.js";

export interface JournalWriterOptions {
  /** Whether writes are flushed in the order that a crash needs (mount's `barrier`). Default true. */
  readonly barrier?: boolean;
}

/**
 * Blocks up to which a transaction may take a quarter of the cache. More is an eighth: a commit in the background works on a copy of all of
 * them, and what is kept for another process is a third one.
 */
const FEW_BLOCKS = 256;

/**
 * Writes transactions to a journal, as jbd2 does: revoke blocks, descriptor blocks and logged blocks, a flush, the commit block, a
 * flush. The log is a ring. Its tail is in the journal's superblock, which is written when a tail is given, and when the log was
 * empty: the next one may lie behind the last transaction, which means an empty log as well.
 */
export class JournalWriter implements TransactionLog {
  readonly journalled = true;
  readonly mostBlocks: number;
  readonly #volume: Volume;
  readonly #log: JournalLog;
  readonly #superblock: JournalSuperblock;
  readonly #stream: LogStream;
  readonly #barrier: boolean;
  /** Number of the next transaction, modulo 2^32. */
  #sequence: number;
  /** Whether there are fast commits of the next transaction. */
  #hasFastCommits = false;
  /** Blocks written to the log since the mount, and those of them that may be overwritten. */
  #head = 0;
  #tail = 0;
  /** Where recovery starts, as is known to be safe: after an error, what was laid down last may be true or not. Place 0: the log is empty. */
  #safeTail: { readonly place: number; readonly sequence: number };

  /**
   * @param log an empty log, opened after its features were set
   * @param sequence number of the first transaction
   */
  constructor(volume: Volume, log: JournalLog, sequence: number, options: JournalWriterOptions = {}) {
    this.#volume = volume;
    this.#log = log;
    this.#superblock = new JournalSuperblock(log);
    this.#stream = new LogStream(log, log.first);
    this.#barrier = options.barrier ?? true;
    this.#sequence = sequence >>> 0;
    this.#safeTail = { place: 0, sequence: (sequence - 1) >>> 0 };
    const { capacity } = volume.cache;
    this.mostBlocks = Math.min(log.length >> 2, Math.max(capacity >> 3, Math.min(capacity >> 2, FEW_BLOCKS)));
  }

  /** Number of the next transaction. */
  get sequence(): number {
    return this.#sequence;
  }
  get length(): number {
    return this.#log.length;
  }
  get used(): number {
    return this.#head - this.#tail;
  }
  get #isEmpty(): boolean {
    return this.#safeTail.place === 0;
  }
  get end(): LogPosition {
    return { place: this.#stream.place, sequence: this.#sequence, count: this.#head };
  }

  hasRoom(blocks: number, revoked: number): boolean {
    const needed = this.#needed(blocks, revoked);
    return this.used + needed <= this.#log.length && !this.#isSplit(needed);
  }

  /**
   * Whether a transaction would go round the log's end where none may: with fast commits. The log ends before them, but e2fsck 1.47
   * reads on to the end of the journal, and finds nothing of what follows.
   */
  #isSplit(needed: number): boolean {
    const { last, fastCommitFirst, fastCommitEnd } = this.#log;
    return fastCommitFirst < fastCommitEnd && this.#stream.place + needed > last;
  }

  #needed(blocks: number, revoked: number): number {
    const descriptors = Math.ceil(blocks / tagsPerBlock(this.#log));
    return blocks + descriptors + Math.ceil(revoked / revokesPerBlock(this.#log)) + 1;
  }

  /** Before a fast commit is laid down: has a recovery look behind the log. */
  beginFastCommit(io: IoSequence): void {
    this.#hasFastCommits = true;
    this.#open(io);
  }

  /** Has a recovery look at the log. While there is no transaction, it finds an empty log as before. */
  #open(io: IoSequence): void {
    if (!this.#isEmpty) return;
    this.#safeTail = { place: this.#stream.place, sequence: this.#sequence };
    this.#superblock.setTail(this.#stream.place, this.#sequence, io);
  }

  append(io: IoSequence, blocks: readonly CachedBlock[], revoked: ReadonlySet<number>, tail?: LogPosition): void {
    const log = this.#log;
    const stream = this.#stream;
    const sequence = this.#sequence;
    const needed = this.#needed(blocks.length, revoked.size);
    if (this.used + needed > log.length || this.#isSplit(needed)) {
      throw new DeviceError("write", 0, needed * log.blockSize, "the transaction is larger than the journal");
    }
    this.#open(io);
    this.#head += needed;
    this.#sequence = (sequence + 1) >>> 0;
    stream.begin(io);
    writeRevokes(log, stream, sequence, revoked);
    const crc = writeLogged(log, stream, sequence, blocks);
    if (log.asyncCommit && log.checksum === 1) {
      // File data first. Whether the log's blocks came before the commit block, the CRC of all of them tells; without one for the
      // whole transaction (v2, v3), a recovery takes for damage what was no more than interrupted.
      this.#flush(io, false);
    } else {
      // A commit block says all it has to say in its first sector; the others, when it is torn, are not to say what the log held before.
      stream.clear();
      stream.write();
      this.#flush(io, true);
    }
    writeCommit(log, stream, sequence, crc, this.#volume.environment.clock.now());
    stream.write();
    // All before it is home, whether this transaction will be there or not.
    if (tail !== undefined) this.#superblock.setTail(tail.place, tail.sequence, io);
    if (this.#barrier) io.flush(log.storage.device);
    if (this.#hasFastCommits) this.#endFastCommits(io);
  }

  /**
   * Clears the beginning of the area for fast commits, once they are part of a transaction. They count no more anyhow, by their number;
   * but e2fsck 1.47 gives up (EINVAL) on a log with others before it has read it.
   */
  #endFastCommits(io: IoSequence): void {
    const { storage, blockSize, fastCommitFirst } = this.#log;
    io.write(
      storage.device,
      storage.locate(fastCommitFirst) * blockSize,
      io.take(blockSize).subarray(0, blockSize).fill(0),
    );
    this.#hasFastCommits = false;
  }

  /** @param logToo whether the log is to be durable as well, where it is on another device */
  #flush(io: IoSequence, logToo: boolean): void {
    if (!this.#barrier) return;
    const { device } = this.#log.storage;
    io.flush(this.#volume.device);
    if (logToo && device !== this.#volume.device) io.flush(device);
  }

  flush(io: IoSequence): void {
    this.#flush(io, false);
  }

  moveTail(io: IoSequence, { place, sequence }: LogPosition): void {
    if (this.#isEmpty) return;
    this.#superblock.setTail(place, sequence, io);
    if (this.#barrier) io.flush(this.#log.storage.device);
  }

  release(tail: LogPosition): void {
    if (this.#isEmpty) return;
    this.#tail = tail.count;
    this.#safeTail = tail;
  }

  empty(): void {
    if (this.#isEmpty) return;
    const tail = { place: 0, sequence: (this.#sequence - 1) >>> 0 };
    this.#superblock.setTail(tail.place, tail.sequence);
    if (this.#barrier) this.#log.storage.device.flush();
    this.#safeTail = tail;
    this.#tail = this.#head;
    this.#stream.place = this.#log.first;
  }

  /** Forgets why the journal was aborted, once the file system's superblock says that there was an error. */
  clearError(): void {
    this.#superblock.errno = 0;
    this.#superblock.write();
  }

  noteError(errno: number): void {
    try {
      this.#superblock.errno = errno;
      this.#superblock.setTail(this.#safeTail.place, this.#safeTail.sequence);
      this.#log.storage.device.flush();
    } catch (error) {
      // The file system's superblock says it as well, if that can be written.
      if (!isEngineError(error)) throw error;
    }
  }
}
