import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";

export const FreeFlag = {
  /** The blocks held metadata: `handle.forget` is called for them. */
  metadata: 1,
} as const;

/**
 * Frees blocks. They may be allocated again once the transaction is committed. With bigalloc, whole clusters are freed: the caller
 * sees to it that nothing else lives in them. `inode.blocks` is the caller's.
 *
 * @param inode whose quota is credited
 * @throws CorruptionError block-range when they are not all ordinary blocks, block-bitmap when one is free already
 */
export function freeBlocks(
  _handle: Handle,
  _inode: Inode | undefined,
  _block: number,
  _count: number,
  _flags = 0,
): void {
  throw new Error("to be written");
}
