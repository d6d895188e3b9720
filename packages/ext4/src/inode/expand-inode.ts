import { isEngineError } from "../errors.js";
import { GOOD_OLD_INODE_SIZE, InodeLayout } from "../format/inode.js";
import type { Volume } from "../volume.js";
import { type StoredXattr, storedSize } from "../xattr/entry-list.js";
import { inodeCapacity, storedInInode, writeInInode } from "../xattr/write-in-inode.js";
import { fits } from "./encode-inode.js";
import type { Inode } from "./inode.js";

/**
 * Gives an inode that is about to be changed, and that an older kernel made, the fields of a new one, as the kernel does
 * (ext4_try_to_expand_extra_isize): nanoseconds, times beyond 2038, a project. Its attributes move up; where that leaves them no room it stays
 * as it is, and so does inline data, which others have windows onto.
 *
 * @returns whether it has changed
 */
export function expandInode(volume: Volume, inode: Inode): boolean {
  const { extraInodeSize } = volume.geometry;
  const before = inode.extraSize;
  if (inode.hasInlineData) return false;
  let xattrs: StoredXattr[];
  try {
    xattrs = storedInInode(volume, inode);
  } catch (error) {
    if (isEngineError(error)) return false; // whoever asks for them is told
    throw error;
  }
  inode.extraSize = extraInodeSize;
  if (xattrs.length > 0 && storedSize(xattrs) > inodeCapacity(inode)) {
    inode.extraSize = before;
    return false;
  }
  inode.raw.fill(0, GOOD_OLD_INODE_SIZE + before, GOOD_OLD_INODE_SIZE + extraInodeSize);
  writeInInode(inode, xattrs);
  inode.hasCrtime = fits(inode, InodeLayout.offset.crtime + 4);
  return true;
}
