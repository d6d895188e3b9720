import type { CachedBlock } from "../cache/block-cache.js";
import { IoAtOnce, type IoSequence } from "../device/io-sequence.js";
import { errno, FileSystemError } from "../errors.js";
import type { Inode } from "../inode/inode.js";
import { sealSuperblock, superblockHome } from "../superblock/write-superblock.js";
import type { Volume } from "../volume.js";
import { Checkpoints } from "./checkpoints.js";
import type { CommitListener, FastCommitter } from "./commit-listener.js";
import type { FastCommitChanges } from "./fast-commit/changes.js";
import { Handle } from "./handle.js";
import { RetryAfterCommit } from "./retry-after-commit.js";
import { answer, Durability, SyncQueue, type Waiter } from "./sync-queue.js";
import { Transaction } from "./transaction.js";
import type { TransactionLog } from "./transaction-log.js";

export type { CommitListener, FastCommitter } from "./commit-listener.js";
export type { TransactionLog } from "./transaction-log.js";

const DEFAULT_COMMIT_INTERVAL = 5000;

/** Blocks of old transactions that a commit takes home with it, at most: where somebody waits for it here, and where nobody does. */
const STEP = 256;
const BACKGROUND_STEP = 1024;

export interface TransactionOptions {
  /** Milliseconds after which a change is committed at the latest (mount's `commit`, there in seconds). Default 5000. */
  readonly commitInterval?: number;
  /** Whether the data of all files goes through the journal (mount's `data=journal`). Default false. */
  readonly journalData?: boolean;
  /** Most blocks of one transaction, if the log would take more. */
  readonly mostBlocks?: number;
}

/**
 * The transactions of a file system. At most one is running, which operations join through handles; at most one is committing:
 * its commit is laid down, and being written; the others are durable in the log until a commit has taken their blocks home. Metadata
 * changes in one thread only. The I/O of a commit that others should not wait for goes on in the `background`; it works on a copy, so
 * that operations go on with the same blocks.
 */
export class Transactions {
  /** Whether the superblock has to go with the running transaction. */
  superblockChanged = false;
  /** Whether to commit before the next operation, or part of one, begins. */
  commitSoon = false;
  /** Called once, before the next change: the device says that nothing is going on. */
  beforeChange: (() => void) | undefined = undefined;
  /** Does the I/O of commits while operations go on; undefined: there is nobody. */
  background: IoSequence | undefined = undefined;
  /** Asked before a commit for fsync; undefined: the journal has no fast commits. */
  fastCommits: FastCommitter | undefined = undefined;
  /** Whether the data of all files goes through the journal, not of those only that have the flag. */
  readonly journalsAllData: boolean;
  /** Whether any file's data has gone through the journal: freed data is then looked at as freed metadata is. */
  hasJournalledData = false;
  readonly #volume: Volume;
  readonly #log: TransactionLog;
  readonly #checkpoints: Checkpoints;
  readonly #atOnce = new IoAtOnce();
  readonly #handle: Handle;
  readonly #listeners: CommitListener[] = [];
  readonly #commitInterval: number;
  readonly #mostBlocks: number;
  readonly #queue = new SyncQueue();
  #running = new Transaction(1);
  /** Number of the last transaction that is durable. */
  #durable = 0;
  /** Blocks of the committing transaction. */
  #committing = 0;
  #handles = 0;
  /** Number of a handle after which nothing commits; see `hold`. */
  #held = 0;
  #active = false;
  #aborted: unknown = undefined;

  constructor(volume: Volume, log: TransactionLog, options: TransactionOptions = {}) {
    this.#volume = volume;
    this.#log = log;
    this.#checkpoints = new Checkpoints(volume.cache, log);
    this.#commitInterval = options.commitInterval ?? DEFAULT_COMMIT_INTERVAL;
    this.journalsAllData = options.journalData === true && log.journalled;
    this.#mostBlocks = Math.min(log.mostBlocks, options.mostBlocks ?? log.mostBlocks);
    this.#handle = new Handle(volume, this);
  }

  /** Number of the running transaction. */
  get tid(): number {
    return this.#running.tid;
  }
  /** Whether the running transaction has something to commit. */
  get isDirty(): boolean {
    return !this.#running.isEmpty || this.superblockChanged;
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
    const { dirtySince } = this.#running;
    return Number.isNaN(dirtySince) ? Number.POSITIVE_INFINITY : dirtySince + this.#commitInterval;
  }

  /** Commits when the deadline has passed, or the clock was set back; in the background, if there is one. */
  tick(): void {
    this.poll();
    const { dirtySince } = this.#running;
    if (Number.isNaN(dirtySince) || this.#aborted !== undefined) return;
    const now = this.#now();
    if (now < this.deadline && now >= dirtySince - this.#commitInterval) return;
    // What comes after the one that is under way: `deadline` is to say so, also if the clock has been set back.
    if (this.isCommitting) this.#running.dirtySince = Math.min(dirtySince, now - this.#commitInterval);
    else this.#makeDurable(this.background ?? this.#atOnce, Durability.commit);
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
      if (!(error instanceof RetryAfterCommit) || (handle.restarted && !handle.resumes)) throw error;
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
    handle.resumes = false;
    handle.privileged = false;
    handle.isNeeded = false;
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
      if (Number.isNaN(this.#running.dirtySince) && this.isDirty) this.#running.dirtySince = this.#now();
      this.#active = false;
    }
  }

  nextHandle(): number {
    return ++this.#handles;
  }

  /**
   * What the last operation did is half of something: no commit comes between it and the next one, for which its credits were enough as
   * well.
   */
  hold(): void {
    this.#held = this.#handles;
  }

  /** Commits what is running when `credits` more blocks would not fit, or somebody waits for it, and sees to it that the log has room. */
  makeRoom(credits: number): void {
    if (this.#isHeld(credits)) {
      this.checkAlive();
      return;
    }
    this.poll();
    this.checkAlive();
    if (this.beforeChange !== undefined) this.endFreeze();
    const count = this.#running.blocks.length;
    if (count > 0) {
      if (count + credits > this.#mostBlocks || (this.commitSoon && !this.isCommitting)) this.#commitAhead();
    }
    if (this.#running.isEmpty && !this.#checkpoints.hasRoom(this.#committing)) {
      this.wait();
      this.checkAlive();
      this.#orAbort(() => this.#checkpoints.makeRoom());
    }
    if (this.#running.isEmpty && this.fastCommits?.wantsEmptyLog === true) {
      this.wait();
      this.checkAlive();
      this.#orAbort(() => this.#checkpoints.makeEmpty());
      this.fastCommits.wantsEmptyLog = false;
    }
  }

  #isHeld(credits: number): boolean {
    if (this.#handles === 0 || this.#held !== this.#handles || this.beforeChange !== undefined) return false;
    return this.#running.blocks.length + credits <= this.#mostBlocks;
  }

  /** Commits without waiting until it is durable, if that can be. */
  #commitAhead(): void {
    this.wait();
    this.checkAlive();
    this.#makeDurable(this.background ?? this.#atOnce, Durability.commit);
  }

  #orAbort(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.abort(error);
      throw error;
    }
  }

  endFreeze(): void {
    const { beforeChange } = this;
    this.beforeChange = undefined;
    beforeChange?.();
  }

  /** @throws FileSystemError EROFS when nothing can be changed any more */
  checkAlive(): void {
    if (this.#aborted !== undefined) throw this.#refusal;
  }

  get #refusal(): FileSystemError {
    // After a shutdown everything is an I/O error, as in the kernel.
    if (this.#aborted instanceof FileSystemError && this.#aborted.code === "EIO") return this.#aborted;
    return new FileSystemError("EROFS", "the journal has been aborted after an error");
  }

  /** Makes a block part of the running transaction; false if it is already. The business of Handle. */
  add(block: CachedBlock): boolean {
    const { tid, blocks } = this.#running;
    if (block.transaction === tid) return false;
    block.transaction = tid;
    blocks.push(block);
    this.#volume.cache.pin(block);
    return true;
  }

  /**
   * Drops what is known of metadata blocks that were freed. Those of which the log has a copy are revoked, so that it is not
   * replayed over what they are used for next. The business of Handle.
   */
  forget(first: number, count: number): void {
    const { cache, handOver } = this.#volume;
    const { tid, revoked, forgotten, freed } = this.#running;
    // Without a journal, they may be used again at once.
    if (handOver !== undefined) {
      if (this.#log.journalled) freed.push({ block: first, count });
      else handOver(first, count);
    }
    for (let number = first; number < first + count; number++) {
      const logged = this.#checkpoints.isLogged(number);
      if (logged) revoked.add(number);
      const block = cache.peek(number);
      if (block === undefined) continue;
      // What the log has of it is needed until it is durable that it is free.
      block.transaction = logged ? tid : 0;
      if (logged) forgotten.push(block);
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
    this.#running.revoked.delete(block);
  }

  /** Makes all that was changed so far durable, file data that was written to the device included. */
  commit(): void {
    if (this.#active) throw new Error("a commit inside an operation");
    this.wait();
    this.checkAlive();
    this.#makeDurable(this.#atOnce, Durability.commit);
  }

  /**
   * fsync: makes an inode durable, with the data that was written to the device. Where nothing of it is in the running
   * transaction, flushing the device is enough.
   *
   * @param dataOnly as fdatasync: times and the like need not be durable
   */
  sync(inode: Inode, dataOnly: boolean): void {
    this.wait();
    this.checkAlive();
    this.#makeDurable(this.#atOnce, this.#neededFor(inode, dataOnly));
  }

  /**
   * As `sync`, or as `commit` without an inode, in the background. Whoever comes while something is under way there joins what
   * follows, together with all others.
   *
   * @param done is told of an error, which is on record then, or undefined. Called by poll, by wait, or at once
   */
  syncLater(inode: Inode | undefined, dataOnly: boolean, done: Waiter): void {
    this.poll();
    this.checkAlive();
    this.#queue.add(done, inode === undefined ? Durability.commit : this.#neededFor(inode, dataOnly));
    if (!this.isCommitting) this.#serveQueue();
  }

  #serveQueue(): void {
    const { waiters, wanted } = this.#queue.take();
    this.#makeDurable(this.background ?? this.#atOnce, wanted, waiters);
  }

  /** Whether something is under way in the background. */
  get isCommitting(): boolean {
    return this.background?.busy === true;
  }

  /** Ends what is under way in the background, if its I/O is done. */
  poll(): void {
    if (this.isCommitting) this.background?.poll();
  }

  /** Waits until nothing is under way in the background. */
  wait(): void {
    while (this.isCommitting) this.background?.wait();
  }

  #neededFor(inode: Inode, dataOnly: boolean): Durability {
    return this.#lastChange(inode, dataOnly) === this.tid ? Durability.fastCommit : Durability.flush;
  }

  /** Whether something of an inode is not durable; with `dataOnly`, what reading its data needs. */
  isUncommitted(inode: Inode, dataOnly: boolean): boolean {
    return this.#lastChange(inode, dataOnly) > this.#durable;
  }

  /** Number of the last transaction that has something of an inode. */
  #lastChange(inode: Inode, dataOnly: boolean): number {
    // What is changed of others as their times alone, a directory's names among it, is all that there is to be synced.
    return dataOnly && inode.isRegular ? inode.dataSyncTransaction : inode.syncTransaction;
  }

  /**
   * Makes things durable by `io`, which is not busy, and tells who waits for it.
   *
   * @throws what fails when nobody waits and the I/O is done at once
   */
  #makeDurable(io: IoSequence, wanted: Durability, waiters: readonly Waiter[] = []): void {
    let finish = () => {};
    try {
      if (wanted === Durability.flush || !this.isDirty) this.#log.flush(io);
      else if (wanted === Durability.commit || this.fastCommits?.lay(io, this.tid) !== true)
        finish = this.#layCommit(io);
    } catch (error) {
      io.drop();
      this.abort(error);
      if (waiters.length === 0) throw error;
      answer(waiters, error);
      return;
    }
    io.start((error) => {
      this.#committing = 0;
      if (error !== undefined) {
        this.abort(error);
        this.#volume.report?.(error);
      }
      if (this.#aborted === undefined) {
        finish();
        answer(waiters, undefined);
        if (!this.#queue.isEmpty) this.#serveQueue();
      } else {
        answer(waiters, new FileSystemError("EIO", "what was to be made durable may not be"));
        answer(this.#queue.take().waiters, this.#refusal);
      }
    });
  }

  /** Ends the running transaction and lays down its commit, and with it the way home of old ones. @returns what to do when all that is done */
  #layCommit(io: IoSequence): () => void {
    const checkpoints = this.#checkpoints;
    const log = this.#log;
    const { cache, handOver } = this.#volume;
    this.#seal();
    for (const listener of this.#listeners) listener.afterSeal?.();
    const { tid, revoked, forgotten, freed } = this.#running;
    // Those that were dropped are not in the cache any more.
    const blocks = this.#running.blocks.filter(
      (block) => block.transaction === tid && cache.peek(block.block) === block,
    );
    this.#running = new Transaction(tid + 1);
    this.#committing = blocks.length;
    const start = log.end;
    const tail = checkpoints.layHome(io, io === this.#atOnce ? STEP : BACKGROUND_STEP);
    log.append(io, blocks, revoked, tail);
    const numbers = log.journalled ? checkpoints.logs(tid, blocks) : [];
    return () => {
      checkpoints.home();
      if (tail !== undefined) checkpoints.release(tail);
      for (const block of blocks) if (block.transaction === tid) block.transaction = 0;
      if (log.journalled) checkpoints.add(tid, start, numbers, blocks);
      else for (const block of blocks) cache.unpin(block);
      for (const block of forgotten) {
        checkpoints.drop(block);
        block.transaction = 0;
      }
      this.#durable = tid;
      for (const { block, count } of freed) handOver?.(block, count);
      for (const listener of this.#listeners) listener.afterCommit?.();
    };
  }

  #seal(): void {
    const volume = this.#volume;
    const handle = this.#handle;
    handle.begin(this.nextHandle(), this.#log.mostBlocks);
    for (const listener of this.#listeners) listener.beforeCommit?.(handle);
    if (this.superblockChanged) handle.modify(superblockHome(volume), sealSuperblock);
    this.superblockChanged = false;
    handle.stop();
    const { tid, blocks } = this.#running;
    for (const block of blocks) if (block.transaction === tid) block.seal?.(volume, block);
  }

  /** Commits, brings everything home and empties the log: before something is written past the journal that went through it. */
  settle(): void {
    this.commit();
    this.#orAbort(() => this.#checkpoints.makeEmpty());
  }

  /** Commits, brings everything home and leaves an empty log. Nothing changes after that. */
  close(): void {
    this.wait();
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
    this.wait();
    for (const listener of this.#listeners) listener.afterAbort?.();
    if (error instanceof FileSystemError) return;
    this.#log.noteError(-errno.EIO);
    const { environment } = this.#volume;
    if (this.#log.journalled) environment.log("error", "Aborting journal");
    environment.log("error", "Remounting filesystem read-only");
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
