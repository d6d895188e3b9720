import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";

/** Flags of setxattr(2): fail when the attribute is there, or when it is not. */
export const XATTR_CREATE = 1;
export const XATTR_REPLACE = 2;

/**
 * Most blocks of metadata that a change of one attribute modifies, block and inode allocation and quota included.
 */
export const XATTR_CREDITS = 200;

/** Sets an attribute. `fullName` is as users see it ("user.x"), a byte a char. */
export function setXattr(_handle: Handle, _inode: Inode, _fullName: string, _value: Uint8Array, _flags = 0): void {
  throw new Error("not there yet");
}

/** Removes an attribute. @throws FileSystemError ENODATA */
export function removeXattr(_handle: Handle, _inode: Inode, _fullName: string): void {
  throw new Error("not there yet");
}

/** Sets (or with undefined removes) an attribute that has to lie whole inside the inode, as inline data's. @throws FileSystemError ENOSPC */
export function setInInode(
  _handle: Handle,
  _inode: Inode,
  _nameIndex: number,
  _name: string,
  _value: Uint8Array | undefined,
): void {
  throw new Error("not there yet");
}
