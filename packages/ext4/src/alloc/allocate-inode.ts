import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";

export interface InodeRequest {
  readonly parent: Inode;
  /** With the file type. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Default: the parent's when it hands its own down, else 0. */
  readonly projectId?: number;
  /** Inode number to look from. */
  readonly goal?: number;
}

/**
 * Allocates an inode: all zeros but for its mode, owners, times, generation, inherited flags and an empty map, with no links yet. It
 * is in the cache of inodes and may be changed in this handle.
 *
 * @throws FileSystemError ENOSPC, EDQUOT; CorruptionError
 */
export function allocateInode(_handle: Handle, _request: InodeRequest): Inode {
  throw new Error("to be written");
}
