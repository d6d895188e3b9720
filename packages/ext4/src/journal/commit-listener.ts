import type { CachedBlock } from "../cache/block-cache.js";
import type { IoSequence } from "../device/io-sequence.js";
import type { FastCommitChanges } from "./fast-commit/changes.js";
import type { Handle } from "./handle.js";

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

/** Makes what the running transaction holds durable without committing it. */
export interface FastCommitter {
  /**
   * Lays down what makes everything of the running transaction durable, file data that was written to the device included. False where
   * that cannot be: nothing is laid down, and a commit follows. All transactions before are durable.
   */
  lay(io: IoSequence, tid: number): boolean;
  /** Set where a fast commit was not possible because of what the log holds, until it is empty. */
  wantsEmptyLog: boolean;
  /** What is known of a transaction that is running; of those before it, nothing any more. */
  changesOf(tid: number): FastCommitChanges;
}
