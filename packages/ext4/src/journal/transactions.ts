import { type CachedBlock, Verified } from "../cache/block-cache.js";
import { errno, FileSystemError } from "../errors.js";
import type { Inode } from "../inode/inode.js";
import { inodeTableBlock } from "../inode/inode-table.js";
import { sealSuperblock, superblockHome } from "../superblock/write-superblock.js";
import type { Volume } from "../volume.js";
import type { FastCommitChanges } from "./fast-commit/changes.js";
import { Handle } from "./handle.js";
import { RetryAfterCommit } from "./retry-after-commit.js";

const DEFAULT_COMMIT_INTERVAL = 5000;

/** Where a transaction is kept until its blocks are home. */
export interface TransactionLog {
  /** Most blocks that one transaction should have. */
  readonly mostBlocks: number;
  /** Whether a crash replays the log: freed metadata then has to be revoked, and freed blocks may not be used again before the commit. */
  readonly journalled: boolean;
  /** Whether a transaction of so many blocks and revocations fits behind those that are there. */
  hasRoom(blocks: number, revoked: number): boolean;
  /** Writes a transaction; it, and all that was written to the device before, is durable on return. */
  write(blocks: readonly CachedBlock[], revoked: ReadonlySet<number>): void;
  /** Makes file data durable that was written to the device. */
  flush(): void;
  /** All blocks of all transactions are home and durable: empties the log. */
  empty(): void;
  /** Notes for the next mount that something went wrong, as far as that can be done; `errno` is negative. Does not throw. */
  noteError(errno: number): void;
}

export interface TransactionOptions {
  /** Milliseconds after which a change is committed at the latest (mount's `commit`, there in seconds). Default 5000. */
  readonly commitInterval?: number;
  /** Whether the data of all files goes through the journal (mount's `data=journal`). Default false. */
  readonly journalData?: boolean;
  /** Most blocks of one transaction, if the log would take more. */
  readonly mostBlocks?: number;
}

/** Who has to do something around commits. */
export interface CommitListener {
  /** May still modify, through `handle`: bring checksums that lie in other blocks up to date. */
  beforeCommit?(handle: Handle): void;
  /** The transaction is sealed, and nothing of it has been written anywhere. */
  afterSeal?(): void;
  /** The transaction is durable, without a journal in its place: blocks that it freed may be used again. One call follows each `afterSeal`, unless there is an abort. */
  afterCommit?(): void;
  /** A handle has changed blocks, which are not sealed, and perhaps the superblock in memory. */
  afterHandle?(blocks: readonly CachedBlock[], superblock: boolean): void;
  /** What is known of a metadata block is void: it is free. */
  afterForget?(block: number): void;
  /** Nothing can be changed any more. */
  afterAbort?(): void;
}

/** Makes what the running transaction holds durable without committing it; see fast-commit/. */
export interface FastCommitter {
  /** What is known of a transaction that is running; of those before it, nothing any more. */
  changesOf(tid: number): FastCommitChanges;
}

/**
 * The transactions of a file system: at most one is running, which operations join through handles; a commit makes it durable
 * in the log, a checkpoint brings its blocks home. All of it happens in the one thread that owns the metadata, so a commit is
 * complete when `commit` returns, and no block is ever part of two unfinished transactions.
 */
export class Transactions {
  /** Whether the superblock has to go with the running transaction. */
  superblockChanged = false;
  /** Whether to commit before the next operation, or part of one, begins. */
  commitSoon = false;
  /** Called once, before the next change: the device says that nothing is going on. */
  beforeChange: (() => void) | undefined = undefined;
  /** Asked before a commit for fsync, where the journal has room for fast commits. */
  fastCommits: FastCommitter | undefined = undefined;
  /** Whether the data of all files goes through the journal, not of those only that have the flag. */
  readonly journalsAllData: boolean;
  /** Whether any file's data has gone through the journal: freed data is then looked at as freed metadata is. */
  hasJournalledData = false;
  readonly #volume: Volume;
  readonly #log: TransactionLog;
  readonly #handle: Handle;
  readonly #listeners: CommitListener[] = [];
  readonly #revoked = new Set<number>();
  /** Blocks of the running transaction. */
  #running: CachedBlock[] = [];
  /** Committed blocks that are not home. */
  readonly #committed = new Set<CachedBlock>();
  /** Blocks that are not in `#committed`, but of which the log has an older copy: freed and in use again. */
  readonly #stale = new Set<number>();
  /** Runs of blocks that are not metadata any more, of which whoever takes blocks over is told with the commit. */
  readonly #freed: { readonly block: number; readonly count: number }[] = [];
  readonly #commitInterval: number;
  readonly #mostBlocks: number;
  /** Milliseconds since 1970 when the running transaction got its first change; NaN when it has none. */
  #dirtySince = Number.NaN;
  /** Counts the transactions of this mount; the log numbers them in its own way. */
  #tid = 1;
  #handles = 0;
  #active = false;
  #aborted: unknown = undefined;

  constructor(volume: Volume, log: TransactionLog, options: TransactionOptions = {}) {
    this.#volume = volume;
    this.#log = log;
    this.#commitInterval = options.commitInterval ?? DEFAULT_COMMIT_INTERVAL;
    this.journalsAllData = options.journalData === true && log.journalled;
    this.#mostBlocks = Math.min(log.mostBlocks, options.mostBlocks ?? log.mostBlocks);
    this.#handle = new Handle(volume, this);
  }

  /** Number of the running transaction. */
  get tid(): number {
    return this.#tid;
  }
  /** Whether the running transaction has something to commit. */
  get isDirty(): boolean {
    return this.#running.length > 0 || this.#revoked.size > 0 || this.superblockChanged;
  }
  /** What the next fast commit is to tell; undefined where there is none. */
  get changes(): FastCommitChanges | undefined {
    return this.fastCommits?.changesOf(this.tid);
  }
  get journalled(): boolean {
    return this.#log.journalled;
  }
  /** Most blocks that one operation may ask for. */
  get mostCredits(): number {
    return this.#mostBlocks;
  }
  /** Why nothing can be changed any more, undefined while it can. */
  get aborted(): unknown {
    return this.#aborted;
  }

  /** When the running transaction is to be committed, in milliseconds since 1970; Infinity when it has nothing. */
  get deadline(): number {
    return Number.isNaN(this.#dirtySince) ? Number.POSITIVE_INFINITY : this.#dirtySince + this.#commitInterval;
  }

  /** Commits when the deadline has passed, or the clock was set back. */
  tick(): void {
    if (Number.isNaN(this.#dirtySince) || this.#aborted !== undefined) return;
    const now = this.#now();
    if (now >= this.deadline || now < this.#dirtySince - this.#commitInterval) this.commit();
  }

  #now(): number {
    const { seconds, nanoseconds } = this.#volume.environment.clock.now();
    return seconds * 1000 + nanoseconds / 1_000_000;
  }

  onCommit(listener: CommitListener): void {
    this.#listeners.push(listener);
  }

  /**
   * Runs an operation inside the running transaction. When `body` throws, everything it changed is put back.
   *
   * @param credits most blocks of metadata that it modifies
   * @throws what `body` throws; FileSystemError EROFS after an abort
   */
  run<T>(credits: number, body: (handle: Handle) => T): T {
    const handle = this.#handle;
    try {
      return this.#attempt(credits, body);
    } catch (error) {
      // What a restart has made permanent cannot be done again.
      if (!(error instanceof RetryAfterCommit) || handle.restarted) throw error;
      this.commit();
    }
    return this.#attempt(credits, body);
  }

  #attempt<T>(credits: number, body: (handle: Handle) => T): T {
    if (this.#active) throw new Error("an operation inside an operation");
    this.makeRoom(credits);
    const handle = this.#handle;
    handle.begin(this.nextHandle(), credits);
    handle.restarted = false;
    this.changes?.begin();
    this.#active = true;
    try {
      const result = body(handle);
      handle.stop();
      return result;
    } catch (error) {
      handle.undo();
      throw error;
    } finally {
      // After a failure as well: what was done before a restart stays.
      if (Number.isNaN(this.#dirtySince) && this.isDirty) this.#dirtySince = this.#now();
      this.#active = false;
    }
  }

  nextHandle(): number {
    return ++this.#handles;
  }

  /** Commits what is running when `credits` more blocks would not fit, or somebody waits for it. */
  makeRoom(credits: number): void {
    this.checkAlive();
    if (this.beforeChange !== undefined) this.endFreeze();
    const full = this.#running.length + credits > this.#mostBlocks;
    if ((full || this.commitSoon) && this.#running.length > 0) this.#commit();
    if (this.#running.length === 0 && this.#committed.size > 0 && !this.#log.hasRoom(2 * credits, this.#mostRevoked)) {
      this.checkpoint();
    }
  }

  endFreeze(): void {
    const { beforeChange } = this;
    this.beforeChange = undefined;
    beforeChange?.();
  }

  /** Most revocations that the running transaction can come to. */
  get #mostRevoked(): number {
    return this.#committed.size + this.#stale.size;
  }

  /** @throws FileSystemError EROFS when nothing can be changed any more */
  checkAlive(): void {
    if (this.#aborted === undefined) return;
    // After a shutdown everything is an I/O error, as in the kernel.
    if (this.#aborted instanceof FileSystemError && this.#aborted.code === "EIO") throw this.#aborted;
    throw new FileSystemError("EROFS", "the journal has been aborted after an error");
  }

  /** Makes a block part of the running transaction; false if it is already. The business of Handle. */
  add(block: CachedBlock): boolean {
    if (block.transaction === this.#tid) return false;
    block.transaction = this.#tid;
    this.#running.push(block);
    this.#volume.cache.pin(block);
    return true;
  }

  /**
   * Drops what is known of metadata blocks that were freed. Those of which the log has a copy are revoked, so that it is not
   * replayed over what they are used for next. The business of Handle.
   */
  forget(first: number, count: number): void {
    const { cache, handOver } = this.#volume;
    // Without a journal, they may be used again at once.
    if (handOver !== undefined) {
      if (this.#log.journalled) this.#freed.push({ block: first, count });
      else handOver(first, count);
    }
    for (let number = first; number < first + count; number++) {
      if (this.#stale.has(number)) this.#revoked.add(number);
      const block = cache.peek(number);
      if (block === undefined) continue;
      if (this.#committed.delete(block) && this.#log.journalled) this.#revoked.add(number);
      block.transaction = 0;
      block.dirty = false;
      cache.drop(block);
      for (const listener of this.#listeners) listener.afterForget?.(number);
    }
  }

  /** The business of Handle. */
  handleStopped(blocks: readonly CachedBlock[], superblock: boolean): void {
    for (const listener of this.#listeners) listener.afterHandle?.(blocks, superblock);
  }

  /** A freed block is metadata again before its revocation was committed. The business of Handle. */
  unrevoke(block: number): void {
    if (this.#revoked.delete(block)) this.#stale.add(block);
  }

  /** Makes all that was changed so far durable, file data that was written to the device included. */
  commit(): void {
    if (this.#active) throw new Error("a commit inside an operation");
    this.#commit();
  }

  /**
   * fsync: makes an inode durable, with the data that was written to the device. Where nothing of it is in the running
   * transaction, flushing the device is enough.
   *
   * @param dataOnly as fdatasync: times and the like need not be durable
   */
  sync(inode: Inode, dataOnly: boolean): void {
    this.checkAlive();
    if (this.isUncommitted(inode, dataOnly)) this.commit();
    else this.#log.flush();
  }

  /** Whether the running transaction has something of an inode; with `dataOnly`, what reading its data needs. */
  isUncommitted(inode: Inode, dataOnly: boolean): boolean {
    const last = dataOnly ? inode.dataSyncTransaction : inode.syncTransaction;
    if (last === this.#tid) return true;
    // Of an inode that was evicted from its cache and read again, its block in the inode table knows.
    return inode.syncTransaction === 0 && inodeTableBlock(this.#volume, inode.ino).transaction === this.#tid;
  }

  /** Also the middle of an operation that restarts its handle. */
  #commit(): void {
    this.checkAlive();
    if (!this.isDirty) {
      this.#log.flush();
      return;
    }
    try {
      this.#seal();
      for (const listener of this.#listeners) listener.afterSeal?.();
      const blocks = this.#running.filter((block) => block.transaction === this.#tid);
      this.#log.write(blocks, this.#revoked);
      for (const block of blocks) {
        block.transaction = 0;
        block.dirty = true;
        this.#committed.add(block);
      }
      this.#running = [];
      this.#revoked.clear();
      this.#dirtySince = Number.NaN;
      this.#tid++;
      const full = !this.#log.hasRoom(2 * this.#log.mostBlocks, this.#mostRevoked);
      if (full || this.#committed.size > this.#volume.cache.capacity >> 1) this.checkpoint();
    } catch (error) {
      this.abort(error);
      throw error;
    }
    for (const { block, count } of this.#freed) this.#volume.handOver?.(block, count);
    this.#freed.length = 0;
    for (const listener of this.#listeners) listener.afterCommit?.();
  }

  #seal(): void {
    const volume = this.#volume;
    const handle = this.#handle;
    handle.begin(this.nextHandle(), this.#log.mostBlocks);
    for (const listener of this.#listeners) listener.beforeCommit?.(handle);
    if (this.superblockChanged) handle.modify(superblockHome(volume), sealSuperblock);
    this.superblockChanged = false;
    handle.stop();
    for (const block of this.#running) {
      if (block.transaction === this.#tid) block.seal?.(volume, block);
    }
  }

  /** Brings all committed blocks home and empties the log. Nothing may be running that is not committed. */
  checkpoint(): void {
    const { cache } = this.#volume;
    const blocks = [...this.#committed].sort((a, b) => a.block - b.block);
    cache.writeHome(blocks);
    this.#log.flush();
    this.#log.empty();
    this.#committed.clear();
    this.#stale.clear();
    for (const block of blocks) {
      block.dirty = false;
      // File data is not kept: from here on it may be written without the journal.
      if (block.verifiedAs === Verified.data) cache.drop(block);
      else if (block.transaction === 0) cache.unpin(block);
    }
  }

  /** Commits and brings everything home: before something is written past the journal that went through it. */
  settle(): void {
    this.commit();
    this.checkpoint();
  }

  /** Commits, brings everything home and leaves an empty log. Nothing changes after that. */
  close(): void {
    if (this.#aborted === undefined) {
      this.endFreeze();
      this.settle();
    }
    this.#aborted ??= new FileSystemError("EROFS", "the file system is unmounted");
  }

  /** Ends all changing: what is not committed is lost, as after a crash. After an error, the journal notes that there was one. */
  abort(error: unknown): void {
    if (this.#aborted !== undefined) return;
    this.#aborted = error;
    for (const listener of this.#listeners) listener.afterAbort?.();
    if (!(error instanceof FileSystemError)) this.#log.noteError(-errno.EIO);
  }
}

/** Runs an operation that changes the file system; see Transactions.run. @throws FileSystemError EROFS on a read-only mount */
export function transact<T>(volume: Volume, credits: number, body: (handle: Handle) => T): T {
  return changing(volume).run(credits, body);
}

/** The transactions of a file system that may be changed. @throws FileSystemError EROFS on a read-only mount and after an error */
export function changing({ transactions }: Volume): Transactions {
  if (transactions === undefined) throw new FileSystemError("EROFS", "the file system is mounted read-only");
  transactions.checkAlive();
  return transactions;
}
