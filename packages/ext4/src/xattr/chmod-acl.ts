import { AclTag } from "../format/xattr.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import { setXattr } from "./set-xattr.js";
import { getXattr } from "./xattrs.js";

const ACCESS = "system.posix_acl_access";

/** The user-space format: a version of 4 bytes, then entries of a tag, permissions (16 bits each) and an id (32 bits). */
const HEADER = 4;
const ENTRY = 8;

/**
 * Brings an inode's access ACL in line with its mode, which has changed: the owner's, the mask's (without a mask, the group's) and
 * the others' entries say what the mode says (posix_acl_chmod).
 */
export function chmodAcl(handle: Handle, inode: Inode): void {
  if (inode.noXattrs) return;
  const stored = getXattr(handle.volume, inode, ACCESS);
  if (stored === undefined) return;
  const acl = stored.slice();
  const view = new DataView(acl.buffer);
  const tags: number[] = [];
  for (let at = HEADER; at + ENTRY <= acl.length; at += ENTRY) tags.push(view.getUint16(at, true));
  const group = tags.includes(AclTag.mask) ? AclTag.mask : AclTag.groupObject;
  tags.forEach((tag, index) => {
    const at = HEADER + index * ENTRY + 2;
    if (tag === AclTag.userObject) view.setUint16(at, (inode.mode >>> 6) & 7, true);
    else if (tag === group) view.setUint16(at, (inode.mode >>> 3) & 7, true);
    else if (tag === AclTag.other) view.setUint16(at, inode.mode & 7, true);
  });
  setXattr(handle, inode, ACCESS, acl);
}
