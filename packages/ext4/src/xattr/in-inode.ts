import { CorruptionError } from "../errors.js";
import { GOOD_OLD_INODE_SIZE, InodeLayout } from "../format/inode.js";
import { XATTR_END_SIZE, XATTR_INODE_HEADER_SIZE, XATTR_MAGIC, XattrEntryLayout } from "../format/xattr.js";
import type { Inode } from "../inode/inode.js";
import type { Volume } from "../volume.js";
import { checkEntries, findEntry, valueInodeOf, valueInSpace, type XattrSpace } from "./entries.js";

/**
 * The attributes inside the inode, checked; undefined when it has none there. Their space starts behind the inode's extra
 * fields; without the magic number it is unused.
 *
 * @throws CorruptionError xattr-entry
 */
export function inodeXattrs(volume: Volume, inode: Inode): XattrSpace | undefined {
  const { view, raw } = inode;
  if (raw.length <= GOOD_OLD_INODE_SIZE + 2) return undefined;
  // The size as it is on disk: with zero there the kernel does not look for attributes.
  const extraSize = view.getUint16(InodeLayout.offset.extraInodeSize, true);
  if (extraSize === 0) return undefined;
  const header = GOOD_OLD_INODE_SIZE + extraSize;
  if (header + XATTR_INODE_HEADER_SIZE + XATTR_END_SIZE > raw.length) return undefined;
  if (view.getUint32(header, true) !== XATTR_MAGIC) return undefined;
  const first = header + XATTR_INODE_HEADER_SIZE;
  const space = { view, data: raw, first, valueBase: first, end: raw.length, location: { inode: inode.ino } };
  checkEntries(volume, space);
  return space;
}

/**
 * The value of an attribute that lies whole inside the inode, as inline data's does.
 *
 * @param name the name without its prefix, a byte a char
 * @returns a window onto the inode, or undefined when there is no such attribute inside the inode
 * @throws CorruptionError xattr-entry; inline-data when the value is in another inode
 */
export function findInInode(volume: Volume, inode: Inode, nameIndex: number, name: string): Uint8Array | undefined {
  const space = inodeXattrs(volume, inode);
  if (space === undefined) return undefined;
  const entry = findEntry(space, nameIndex, name, 0);
  if (entry === -1) return undefined;
  const other = valueInodeOf(space, entry);
  if (other !== 0) {
    throw new CorruptionError(
      "inline-data",
      { inode: inode.ino, offset: entry + XattrEntryLayout.offset.valueInode },
      `attribute ${name} has its value in inode ${other}`,
    );
  }
  return valueInSpace(space, entry);
}
