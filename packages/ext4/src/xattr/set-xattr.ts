import { FileSystemError } from "../errors.js";
import { InodeFlag } from "../format/inode.js";
import { XattrIndex } from "../format/xattr.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import type { Volume } from "../volume.js";
import { type AclEntry, isEquivalentToMode, modeOfAcl, parseUserAcl, storedAcl } from "./acl-entries.js";
import { checkedNamespace, type Namespace } from "./names.js";
import { storeXattr, XATTR_REPLACE } from "./store.js";

export { XATTR_CREATE, XATTR_REPLACE } from "./store.js";

/** Most bytes of a value that system calls carry: XATTR_SIZE_MAX. */
const VALUE_MAX = 65_536;

const SET_GID = 0o2000;

export interface SetXattrOptions {
  /** Whether an access ACL takes the set-group-id bit away: the caller is not in the group (FUSE_SETXATTR_ACL_KILL_SGID). */
  readonly clearSetGid?: boolean;
}

/**
 * Most blocks of metadata that a change of one attribute modifies, those of allocation and quota included: a value inode with
 * 64 blocks replaces another one.
 */
export const XATTR_CREDITS = 160;

/** Blocks without value inodes: the inode, the old block and the new one, bitmaps, descriptors, three quota files. */
const CREDITS_IN_SPACE = 40;

/** As XATTR_CREDITS, for a value of `length` bytes: operations that ask for less leave a transaction more room. */
export function xattrCredits(volume: Volume, length: number): number {
  if (!volume.features.eaInode) return CREDITS_IN_SPACE;
  return Math.min(XATTR_CREDITS, 2 * CREDITS_IN_SPACE + Math.ceil(length / volume.geometry.blockSize));
}

/**
 * Sets an extended attribute. ACLs come in the form of system calls; an access ACL changes the mode, and one that says no more
 * than the mode can is not stored. `ctime` and the permission to do it are the caller's.
 *
 * @param fullName as users see it (`user.comment`), a byte a char
 * @param flags XATTR_CREATE, XATTR_REPLACE; meaningless for ACLs, as in the kernel
 * @returns whether `ctime` is due: not where the attribute has that value already
 * @throws FileSystemError EEXIST, ENODATA by the flags; EOPNOTSUPP, EINVAL, ERANGE for the name; E2BIG beyond 64 KiB; ENOSPC when
 *   the inode has no room for it; EDQUOT; EPERM for immutable and append-only inodes; EINVAL for an ACL that is none;
 *   EACCES for a default ACL of what is no directory
 * @throws CorruptionError xattr-*, block-range
 */
export function setXattr(
  handle: Handle,
  inode: Inode,
  fullName: string,
  value: Uint8Array,
  flags = 0,
  { clearSetGid = false }: SetXattrOptions = {},
): boolean {
  const namespace = checkedNamespace(inode, fullName);
  checkChangeable(inode, namespace);
  if (namespace.whole) {
    setAcl(handle, inode, namespace.index, parseUserAcl(value), clearSetGid);
    return true;
  }
  if (value.length > VALUE_MAX) throw new FileSystemError("E2BIG", `a value of ${value.length} bytes`);
  return storeXattr(handle, inode, namespace.index, nameAfter(namespace, fullName), value, flags);
}

/**
 * Removes an extended attribute.
 *
 * @throws FileSystemError ENODATA when it is not there, unless it is an ACL; EOPNOTSUPP, EINVAL, ERANGE for the name; EPERM
 * @throws CorruptionError xattr-*, block-range
 */
export function removeXattr(handle: Handle, inode: Inode, fullName: string): void {
  const namespace = checkedNamespace(inode, fullName);
  checkChangeable(inode, namespace);
  const name = nameAfter(namespace, fullName);
  storeXattr(handle, inode, namespace.index, name, undefined, namespace.whole ? 0 : XATTR_REPLACE);
}

function nameAfter({ prefix }: Namespace, fullName: string): Uint8Array {
  return Uint8Array.from(fullName.slice(prefix.length), (char) => char.charCodeAt(0));
}

function checkChangeable(inode: Inode, { index }: Namespace): void {
  if (inode.has(InodeFlag.immutable | InodeFlag.append)) {
    throw new FileSystemError("EPERM", `inode ${inode.ino} is immutable or append-only`);
  }
  if (index === XattrIndex.user && !inode.isRegular && !inode.isDirectory) {
    throw new FileSystemError("EPERM", "only regular files and directories have attributes of users");
  }
}

function setAcl(handle: Handle, inode: Inode, index: number, acl: readonly AclEntry[], clearSetGid: boolean): void {
  const isAccess = index === XattrIndex.posixAclAccess;
  if (!isAccess && !inode.isDirectory) {
    if (acl.length > 0) throw new FileSystemError("EACCES", "only directories have a default ACL");
    return;
  }
  if (acl.length === 0) {
    storeAcl(handle, inode, index, undefined);
    return;
  }
  if (!isAccess) {
    storeAcl(handle, inode, index, acl);
    return;
  }
  const mode = (inode.mode & ~0o777) | modeOfAcl(acl);
  storeAcl(handle, inode, index, isEquivalentToMode(acl) ? undefined : acl);
  handle.modifyInode(inode);
  inode.mode = clearSetGid ? mode & ~SET_GID : mode;
}

/** Stores an ACL, or with undefined removes it. */
export function storeAcl(handle: Handle, inode: Inode, index: number, acl: readonly AclEntry[] | undefined): void {
  storeXattr(handle, inode, index, NO_NAME, acl && storedAcl(acl), 0);
}

const NO_NAME = new Uint8Array(0);
