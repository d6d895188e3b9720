import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";

/** Brings the access ACL in line with the mode, after the mode was changed (posix_acl_chmod). */
export function chmodAcl(_handle: Handle, _inode: Inode): void {}
