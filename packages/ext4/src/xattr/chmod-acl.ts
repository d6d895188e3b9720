import { XattrIndex } from "../format/xattr.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import { withMode } from "./acl-entries.js";
import { aclOf } from "./inherit-acl.js";
import { storeAcl } from "./set-xattr.js";

/** Brings the access ACL, if there is one, in line with `inode.mode`, after that was changed (posix_acl_chmod). */
export function chmodAcl(handle: Handle, inode: Inode): void {
  if (inode.isSymlink) return;
  const acl = aclOf(handle.volume, inode, XattrIndex.posixAclAccess);
  if (acl.length > 0) storeAcl(handle, inode, XattrIndex.posixAclAccess, withMode(acl, inode.mode), true);
}
