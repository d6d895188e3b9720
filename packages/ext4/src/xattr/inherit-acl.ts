import { FileType } from "../format/inode.js";
import { XattrIndex } from "../format/xattr.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import type { Volume } from "../volume.js";
import { type AclEntry, isEquivalentToMode, maskForCreation, modeOfAcl, parseStoredAcl } from "./acl-entries.js";
import { storeAcl } from "./set-xattr.js";
import { storedValue } from "./xattrs.js";

/**
 * Gives a new inode the ACLs that its parent's default ACL asks for (posix_acl_create).
 *
 * @param mode what the caller asked for, type bits included
 * @param umask applied only when the parent has no default ACL
 * @returns the mode that the new inode is to get
 * @throws FileSystemError ENOSPC, EDQUOT; CorruptionError
 */
export function inheritAcl(handle: Handle, parent: Inode, inode: Inode, mode: number, umask: number): number {
  if ((mode & FileType.mask) === FileType.symlink) return mode;
  const inherited = aclOf(handle.volume, parent, XattrIndex.posixAclDefault);
  if (inherited.length === 0) return mode & ~(umask & 0o777);
  const access = maskForCreation(inherited, mode);
  if ((mode & FileType.mask) === FileType.directory) {
    storeAcl(handle, inode, XattrIndex.posixAclDefault, inherited);
  }
  if (!isEquivalentToMode(access)) storeAcl(handle, inode, XattrIndex.posixAclAccess, access);
  return (mode & ~0o777) | modeOfAcl(access);
}

/** An inode's ACL; no entries when it has none. @throws CorruptionError xattr-*, acl-format */
export function aclOf(volume: Volume, inode: Inode, index: number): AclEntry[] {
  const stored = storedValue(volume, inode, index);
  return stored === undefined ? [] : parseStoredAcl(stored, { inode: inode.ino });
}
