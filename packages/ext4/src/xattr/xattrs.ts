import { XattrEntryLayout } from "../format/xattr.js";
import type { Inode } from "../inode/inode.js";
import type { Volume } from "../volume.js";
import { aclToUser } from "./acl.js";
import { findEntry, isLastEntry, nextEntry, valueInodeOf, valueInSpace, type XattrSpace } from "./entries.js";
import { blockXattrs } from "./in-block.js";
import { inodeXattrs } from "./in-inode.js";
import { checkedNamespace, prefixOf } from "./names.js";
import { valueInInode } from "./value-inode.js";

const { nameLength, nameIndex } = XattrEntryLayout.offset;

/**
 * The value of an extended attribute, undefined when the inode does not have it (ENODATA).
 *
 * @param name the full name, a byte a char: `user.comment`. ACLs (`system.posix_acl_access`, `system.posix_acl_default`)
 *   come in the form of system calls, not of the disk
 * @returns a copy, or a window onto a cached block or the inode: not to be changed
 * @throws FileSystemError EOPNOTSUPP for a namespace that ext4 does not have, or an ACL of a symbolic link; EINVAL for a
 *   prefix alone; ERANGE for a name that is too long
 * @throws CorruptionError xattr-*, acl-format, block-range
 */
export function getXattr(volume: Volume, inode: Inode, name: string): Uint8Array | undefined {
  const namespace = checkedNamespace(inode, name);
  const from = namespace.prefix.length;
  if (inode.noXattrs) return undefined;

  const stored = findAnywhere(volume, inode, namespace.index, name, from);
  if (stored === undefined || !namespace.whole) return stored;
  return aclToUser(stored, { inode: inode.ino });
}

/** As getXattr, of an attribute whose prefix is its whole name, and as it is stored. */
export function storedValue(volume: Volume, inode: Inode, index: number): Uint8Array | undefined {
  return inode.noXattrs ? undefined : findAnywhere(volume, inode, index, "", 0);
}

/**
 * The full names of the attributes that Linux's ext4 shows, a byte a char: those in the inode first, then those in the
 * block, each in the order on disk. Who may see `trusted.` ones is for the caller to decide.
 *
 * @throws CorruptionError xattr-*, block-range
 */
export function listXattrs(volume: Volume, inode: Inode): string[] {
  const names: string[] = [];
  if (inode.noXattrs) return names;
  const inInode = lookInInode(volume, inode);
  if (inInode !== undefined) list(inInode, names);
  const inBlock = blockXattrs(volume, inode);
  if (inBlock !== undefined) list(inBlock, names);
  return names;
}

/** The attributes in the inode; when there are none, and no block of them either, the inode remembers that. */
function lookInInode(volume: Volume, inode: Inode): XattrSpace | undefined {
  const space = inodeXattrs(volume, inode);
  if (inode.fileAcl === 0 && (space === undefined || isLastEntry(space, space.first))) inode.noXattrs = true;
  return space;
}

function findAnywhere(volume: Volume, inode: Inode, index: number, name: string, from: number): Uint8Array | undefined {
  const inInode = lookInInode(volume, inode);
  const value = inInode && find(volume, inode, inInode, index, name, from);
  if (value !== undefined) return value;
  const inBlock = blockXattrs(volume, inode);
  return inBlock && find(volume, inode, inBlock, index, name, from);
}

function find(
  volume: Volume,
  inode: Inode,
  space: XattrSpace,
  index: number,
  name: string,
  from: number,
): Uint8Array | undefined {
  const entry = findEntry(space, index, name, from);
  if (entry === -1) return undefined;
  return valueInodeOf(space, entry) === 0 ? valueInSpace(space, entry) : valueInInode(volume, inode, space, entry);
}

function list(space: XattrSpace, names: string[]): void {
  const { view, data } = space;
  for (let entry = space.first; !isLastEntry(space, entry); entry = nextEntry(space, entry)) {
    const prefix = prefixOf(view.getUint8(entry + nameIndex));
    if (prefix === undefined) continue;
    const start = entry + XattrEntryLayout.size;
    const length = view.getUint8(entry + nameLength);
    names.push(prefix + String.fromCharCode(...data.subarray(start, start + length)));
  }
}

/** How many of an inode's attributes have their value in an inode of its own, for which it pays. */
export function countValueInodes(volume: Volume, inode: Inode): number {
  if (!volume.features.eaInode || inode.noXattrs) return 0;
  return countIn(inodeXattrs(volume, inode)) + countIn(blockXattrs(volume, inode));
}

function countIn(space: XattrSpace | undefined): number {
  let count = 0;
  if (space === undefined) return count;
  for (let entry = space.first; !isLastEntry(space, entry); entry = nextEntry(space, entry)) {
    if (valueInodeOf(space, entry) !== 0) count++;
  }
  return count;
}
