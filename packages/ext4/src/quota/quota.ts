import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";

/** Owners that an inode is about to get. */
export interface NewOwners {
  readonly uid?: number;
  readonly gid?: number;
  readonly projectId?: number;
}

/**
 * Counts space that an inode's owners take or give back.
 *
 * @param bytes change, negative when space is freed: whole clusters, except for values of attributes in inodes of their own
 * @param privileged whether limits do not bind who asks
 * @throws FileSystemError EDQUOT when limits are enforced
 */
export function chargeBlocks(_handle: Handle, _inode: Inode, _bytes: number, _privileged = false): void {}

/**
 * Counts an inode that its owners take (1) or give back (-1).
 *
 * @throws FileSystemError EDQUOT when limits are enforced
 */
export function chargeInode(_handle: Handle, _inode: Inode, _count: 1 | -1, _privileged = false): void {}

/**
 * Moves what an inode takes to other owners: called before its uid, gid or projectId change.
 *
 * @throws FileSystemError EDQUOT when limits are enforced
 */
export function transferQuota(_handle: Handle, _inode: Inode, _owners: NewOwners, _privileged = false): void {}
