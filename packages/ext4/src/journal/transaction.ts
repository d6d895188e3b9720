import type { CachedBlock } from "../cache/block-cache.js";

/** What one transaction consists of, from its first change to its commit. */
export class Transaction {
  /** Counts the transactions of a mount; the log numbers them in its own way. */
  readonly tid: number;
  /** Blocks that were changed; those that were dropped since included. */
  readonly blocks: CachedBlock[] = [];
  /** Numbers of blocks of which the log has copies that are void. */
  readonly revoked = new Set<number>();
  /** Blocks that were dropped and that the log has: it has to keep them until this transaction is durable. */
  readonly forgotten: CachedBlock[] = [];
  /** Runs of blocks that are not metadata any more, of which whoever takes blocks over is told when they are free. */
  readonly freed: { readonly block: number; readonly count: number }[] = [];
  /** Milliseconds since 1970 when it got its first change; NaN when it has none. */
  dirtySince = Number.NaN;

  constructor(tid: number) {
    this.tid = tid;
  }

  get isEmpty(): boolean {
    return this.blocks.length === 0 && this.revoked.size === 0;
  }
}
