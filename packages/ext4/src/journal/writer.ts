import type { CachedBlock } from "../cache/block-cache.js";
import { DeviceError, isEngineError } from "../errors.js";
import type { Volume } from "../volume.js";
import { JournalSuperblock } from "./journal-superblock.js";
import type { JournalLog } from "./log.js";
import { LogStream } from "./log-stream.js";
import type { TransactionLog } from "./transactions.js";
import { revokesPerBlock, tagsPerBlock, writeCommit, writeLogged, writeRevokes } from "./write-blocks.js";

export interface JournalWriterOptions {
  /** Whether writes are flushed in the order that a crash needs (mount's `barrier`). Default true. */
  readonly barrier?: boolean;
}

/**
 * Writes transactions to a journal, as jbd2 does: revoke blocks, descriptor blocks and logged blocks, a flush, the commit block, a
 * flush. The log is a ring; its start is in the journal's superblock from the first transaction after it was empty until it is
 * empty again.
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
  /** Blocks of the log in use; 0 when it is empty. */
  #used = 0;

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
    this.mostBlocks = Math.min(log.length >> 2, volume.cache.capacity >> 1);
  }

  /** Number of the next transaction. */
  get sequence(): number {
    return this.#sequence;
  }

  hasRoom(blocks: number, revoked: number): boolean {
    return this.#used + this.#needed(blocks, revoked) <= this.#log.length;
  }

  #needed(blocks: number, revoked: number): number {
    const descriptors = Math.ceil(blocks / tagsPerBlock(this.#log));
    return blocks + descriptors + Math.ceil(revoked / revokesPerBlock(this.#log)) + 1;
  }

  write(blocks: readonly CachedBlock[], revoked: ReadonlySet<number>): void {
    const log = this.#log;
    const stream = this.#stream;
    const sequence = this.#sequence;
    const needed = this.#needed(blocks.length, revoked.size);
    if (this.#used + needed > log.length) {
      throw new DeviceError("write", 0, needed * log.blockSize, "the transaction is larger than the journal");
    }
    // Without the transaction that it leads to, the new start means an empty log as well.
    if (this.#used === 0) this.#superblock.setTail(stream.place, sequence);
    this.#used += needed;
    this.#sequence = (sequence + 1) >>> 0;
    writeRevokes(log, stream, sequence, revoked);
    const crc = writeLogged(log, stream, sequence, blocks);
    const { device } = log.storage;
    if (log.asyncCommit && log.checksum === 1) {
      // File data first. Whether the log's blocks came before the commit block, the CRC of all of them tells; without one for the
      // whole transaction (v2, v3), a recovery takes for damage what was no more than interrupted.
      this.#flush(false);
    } else {
      // A commit block says all it has to say in its first sector; the others, when it is torn, are not to say what the log held before.
      stream.clear();
      stream.write();
      this.#flush(true);
    }
    writeCommit(log, stream, sequence, crc, this.#volume.environment.clock.now());
    stream.write();
    if (this.#barrier) device.flush();
  }

  /** @param logToo whether the log is to be durable as well, where it is on another device */
  #flush(logToo: boolean): void {
    if (!this.#barrier) return;
    const { device } = this.#log.storage;
    this.#volume.device.flush();
    if (logToo && device !== this.#volume.device) device.flush();
  }

  flush(): void {
    this.#flush(false);
  }

  empty(): void {
    if (this.#used === 0) return;
    // The next transactions may overwrite the log only when no recovery reads it any more.
    this.#superblock.setTail(0, (this.#sequence - 1) >>> 0);
    if (this.#barrier) this.#log.storage.device.flush();
    this.#used = 0;
  }

  noteError(errno: number): void {
    try {
      this.#superblock.errno = errno;
      this.#superblock.write();
      this.#log.storage.device.flush();
    } catch (error) {
      // The file system's superblock says it as well, if that can be written.
      if (!isEngineError(error)) throw error;
    }
  }
}
