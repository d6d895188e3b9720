import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";

/** What is asked of the allocator of blocks. */
export interface BlockRequest {
  /** Block to begin at if it is free, see goalFor; any number. */
  goal: number;
  /** Blocks that are wanted, at least 1. */
  count: number;
  /** Fewest blocks of a run that are any use; default 1. */
  minimum?: number;
  /** Whom they are for and whose quota is charged; undefined for what belongs to nobody. */
  inode: Inode | undefined;
  /** Whether they will hold metadata. */
  metadata: boolean;
  /** Whether the reserved blocks may be used, see mayUseReserved. */
  privileged: boolean;
}

/** A run of blocks. */
export interface BlockRun {
  block: number;
  count: number;
}

/**
 * Allocates one run of blocks: all that were wanted, or as many as a good place gives. With bigalloc it is cut from whole clusters
 * that were free: it starts with the first block of one, and what its last one has beyond the run belongs to the caller.
 * `inode.blocks` is the caller's.
 *
 * @throws FileSystemError ENOSPC, EDQUOT; CorruptionError
 */
export function allocateBlocks(_handle: Handle, _request: BlockRequest, _out: BlockRun): void {
  throw new Error("to be written");
}
