import type { CachedBlock } from "../cache/block-cache.js";
import { FileSystemError } from "../errors.js";
import { sealSuperblock, superblockHome } from "../superblock/write-superblock.js";
import type { Volume } from "../volume.js";
import { Handle } from "./handle.js";
import { RetryAfterCommit } from "./retry-after-commit.js";

/** Where a transaction is kept until its blocks are home. */
export interface TransactionLog {
  /** Most blocks that one transaction may have. */
  readonly mostBlocks: number;
  /** Whether a crash replays the log: freed metadata then has to be revoked, and freed blocks may not be used again before the commit. */
  readonly journalled: boolean;
  /** Whether another transaction of `mostBlocks` fits. */
  readonly hasRoom: boolean;
  /** Writes a transaction; it, and all that was written to the device before, is durable on return. */
  write(tid: number, blocks: readonly CachedBlock[], revoked: ReadonlySet<number>): void;
  /** All blocks of all transactions are home and durable: empties the log. `tid` is the next transaction's. */
  empty(tid: number): void;
}

/** Who has to do something around commits. */
export interface CommitListener {
  /** May still modify, through `handle`: bring checksums that lie in other blocks up to date. */
  beforeCommit?(handle: Handle): void;
  /** The transaction is durable: blocks that it freed may be used again. */
  afterCommit?(): void;
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
  readonly #volume: Volume;
  readonly #log: TransactionLog;
  readonly #handle: Handle;
  readonly #listeners: CommitListener[] = [];
  readonly #revoked = new Set<number>();
  /** Blocks of the running transaction. */
  #running: CachedBlock[] = [];
  /** Committed blocks that are not home. */
  readonly #committed = new Set<CachedBlock>();
  #tid: number;
  #handles = 0;
  #active = false;
  #aborted: unknown = undefined;

  /** @param tid number of the first transaction */
  constructor(volume: Volume, log: TransactionLog, tid: number) {
    this.#volume = volume;
    this.#log = log;
    this.#tid = tid;
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
  get journalled(): boolean {
    return this.#log.journalled;
  }
  /** Most blocks that one operation may ask for. */
  get mostCredits(): number {
    return this.#log.mostBlocks;
  }
  /** Why nothing can be changed any more, undefined while it can. */
  get aborted(): unknown {
    return this.#aborted;
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
    this.#active = true;
    try {
      const result = body(handle);
      handle.stop();
      return result;
    } catch (error) {
      handle.undo();
      throw error;
    } finally {
      this.#active = false;
    }
  }

  nextHandle(): number {
    return ++this.#handles;
  }

  /** Commits what is running when `credits` more blocks would not fit, or somebody waits for it. */
  makeRoom(credits: number): void {
    if (this.#aborted !== undefined) throw new FileSystemError("EROFS", "the journal has been aborted after an error");
    const full = this.#running.length + credits > this.#log.mostBlocks;
    if ((full || this.commitSoon) && this.#running.length > 0) this.#commit();
  }

  /** Makes a block part of the running transaction; false if it is already. The business of Handle. */
  add(block: CachedBlock): boolean {
    if (block.transaction === this.#tid) return false;
    block.transaction = this.#tid;
    this.#running.push(block);
    this.#volume.cache.pin(block);
    return true;
  }

  /** Drops what is known of metadata blocks that were freed. The business of Handle. */
  forget(first: number, count: number): void {
    const { cache } = this.#volume;
    for (let number = first; number < first + count; number++) {
      const block = cache.peek(number);
      if (block !== undefined) {
        // Its bytes in an earlier transaction must not be replayed over what the block is used for next.
        if (this.#log.journalled) this.#revoked.add(number);
        this.#committed.delete(block);
        block.transaction = 0;
        block.dirty = false;
        cache.drop(block);
      } else if (this.#log.journalled) {
        this.#revoked.add(number);
      }
    }
  }

  /** A freed block is metadata again before its revocation was committed. The business of Handle. */
  unrevoke(block: number): void {
    this.#revoked.delete(block);
  }

  /** Makes all that was changed so far durable, file data that was written to the device included. */
  commit(): void {
    if (this.#active) throw new Error("a commit inside an operation");
    this.#commit();
  }

  /** Also the middle of an operation that restarts its handle. */
  #commit(): void {
    if (this.#aborted !== undefined) throw new FileSystemError("EROFS", "the journal has been aborted after an error");
    if (!this.isDirty) {
      this.#volume.device.flush();
      return;
    }
    this.#seal();
    try {
      const blocks = this.#running.filter((block) => block.transaction === this.#tid);
      this.#log.write(this.#tid, blocks, this.#revoked);
      for (const block of blocks) {
        block.transaction = 0;
        block.dirty = true;
        this.#committed.add(block);
      }
      this.#running = [];
      this.#revoked.clear();
      this.#tid = (this.#tid + 1) >>> 0;
      if (!this.#log.hasRoom || this.#committed.size > this.#volume.cache.capacity >> 1) this.checkpoint();
    } catch (error) {
      this.abort(error);
      throw error;
    }
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
    const { cache, device } = this.#volume;
    const blocks = [...this.#committed].sort((a, b) => a.block - b.block);
    for (const block of blocks) cache.writeHome(block);
    device.flush();
    this.#log.empty(this.#tid);
    for (const block of blocks) {
      block.dirty = false;
      this.#committed.delete(block);
      if (block.transaction === 0) cache.unpin(block);
    }
  }

  /** Ends all changing: what is not committed is lost, as after a crash. */
  abort(error: unknown): void {
    this.#aborted ??= error;
  }
}

/** Runs an operation that changes the file system; see Transactions.run. @throws FileSystemError EROFS on a read-only mount */
export function transact<T>(volume: Volume, credits: number, body: (handle: Handle) => T): T {
  if (volume.transactions === undefined) throw new FileSystemError("EROFS", "the file system is mounted read-only");
  return volume.transactions.run(credits, body);
}
