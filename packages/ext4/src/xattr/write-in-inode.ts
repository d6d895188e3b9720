import { CorruptionError, FileSystemError } from "../errors.js";
import { GOOD_OLD_INODE_SIZE, InodeLayout } from "../format/inode.js";
import { XATTR_INODE_HEADER_SIZE, XATTR_MAGIC } from "../format/xattr.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import type { Volume } from "../volume.js";
import {
  indexOfName,
  readStored,
  type StoredXattr,
  storedSize,
  withoutXattr,
  withXattr,
  writeStored,
} from "./entry-list.js";
import { inodeXattrs } from "./in-inode.js";

/** Bytes that entries, values and the end of the list may take inside the inode; 0 or less when it has no room. */
export function inodeCapacity(inode: Inode): number {
  if (inode.raw.length <= GOOD_OLD_INODE_SIZE || inode.extraSize === 0) return 0;
  return inode.raw.length - GOOD_OLD_INODE_SIZE - inode.extraSize - XATTR_INODE_HEADER_SIZE;
}

/** The attributes inside the inode, as copies. @throws CorruptionError xattr-entry */
export function storedInInode(volume: Volume, inode: Inode): StoredXattr[] {
  const space = inodeXattrs(volume, inode);
  if (space === undefined) return [];
  const list = readStored(space);
  if (storedSize(list) > inodeCapacity(inode)) {
    throw new CorruptionError("xattr-entry", space.location, "values that overlap");
  }
  return list;
}

/** Puts attributes, small enough, inside an inode that the handle modifies. Without any, the magic number goes as well. */
export function writeInInode(inode: Inode, list: readonly StoredXattr[]): void {
  const { view, raw } = inode;
  inode.noXattrs = false;
  if (inodeCapacity(inode) <= 0) return;
  // Not yet on disk in an inode that is new, or whose extra part was unused so far.
  view.setUint16(InodeLayout.offset.extraInodeSize, inode.extraSize, true);
  const header = GOOD_OLD_INODE_SIZE + inode.extraSize;
  const first = header + XATTR_INODE_HEADER_SIZE;
  view.setUint32(header, list.length === 0 ? 0 : XATTR_MAGIC, true);
  writeStored({ view, data: raw, first, valueBase: first, end: raw.length, location: { inode: inode.ino } }, list);
}

/**
 * Sets or, with undefined, removes an attribute that has to lie whole inside the inode: inline data's.
 *
 * @param name after its prefix, a byte a char
 * @throws FileSystemError ENOSPC when it does not fit; CorruptionError
 */
export function setInInode(
  handle: Handle,
  inode: Inode,
  nameIndex: number,
  name: string,
  value: Uint8Array | undefined,
): void {
  handle.changes?.refuse();
  handle.modifyInode(inode);
  const bytes = Uint8Array.from(name, (char) => char.charCodeAt(0));
  const list = storedInInode(handle.volume, inode);
  if (value === undefined) {
    if (indexOfName(list, nameIndex, bytes) !== -1) writeInInode(inode, withoutXattr(list, nameIndex, bytes));
    return;
  }
  const changed = withXattr(list, {
    index: nameIndex,
    name: bytes,
    value: value.slice(),
    valueInode: 0,
    valueSize: value.length,
    hash: 0,
  });
  if (storedSize(changed) > inodeCapacity(inode)) {
    throw new FileSystemError("ENOSPC", `no room for ${value.length} bytes inside inode ${inode.ino}`);
  }
  writeInInode(inode, changed);
}
