import { XattrIndex } from "../format/xattr.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import { withMode } from "./acl-entries.js";
import { aclOf } from "./inherit-acl.js";
import { storeAcl } from "./set-xattr.js";

/**
 * Brings an inode's access ACL, if it has one, in line with its mode, which has changed: the owner's, the mask's (without a mask,
 * the group's) and the others' entries say what the mode says (posix_acl_chmod).
 *
 * @throws FileSystemError ENOSPC, EDQUOT; CorruptionError
 */
export function chmodAcl(handle: Handle, inode: Inode): void {
  if (inode.isSymlink) return;
  const acl = aclOf(handle.volume, inode, XattrIndex.posixAclAccess);
  if (acl.length === 0) return;
  handle.asNeeded(() => storeAcl(handle, inode, XattrIndex.posixAclAccess, withMode(acl, inode.mode)));
}
