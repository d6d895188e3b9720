import { FileSystemError } from "../errors.js";
import { compatFeature } from "../format/features.js";
import { XattrBlockLayout } from "../format/xattr.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import { switchOnFeature } from "../superblock/switch-on-feature.js";
import type { Volume } from "../volume.js";
import {
  equalBytes,
  indexOfName,
  type StoredXattr,
  storedSize,
  valuesSize,
  withoutXattr,
  withXattr,
  withXattrSorted,
} from "./entry-list.js";
import { hashBlockEntry, hashInodeEntry } from "./hash.js";
import { blockCapacity, openXattrBlock, writeXattrBlock, type XattrBlock } from "./write-block.js";
import { inodeCapacity, storedInInode, writeInInode } from "./write-in-inode.js";
import { chargeOwner, obtainValueInode, releaseValueInode } from "./write-value-inode.js";

/** What an inode has when one attribute of it is to change. */
interface Found {
  readonly inside: readonly StoredXattr[];
  readonly block: XattrBlock | undefined;
  readonly index: number;
  readonly name: Uint8Array;
  /** Where the attribute is in `inside` and in the block, -1 where it is not. */
  readonly atInside: number;
  readonly atBlock: number;
}

export const XATTR_CREATE = 1;
export const XATTR_REPLACE = 2;

const NOTHING = new Uint8Array(0);

/**
 * Sets or, with undefined, removes an attribute, as ext4_xattr_set_handle places it: inside the inode if it fits there, then in
 * the block, and with the ea_inode feature a value that fits neither, or is nearly a block long, in an inode of its own.
 *
 * @param flags XATTR_CREATE, XATTR_REPLACE
 * @returns whether anything changed
 * @throws FileSystemError EEXIST, ENODATA, ENOSPC, EDQUOT; CorruptionError
 */
export function storeXattr(
  handle: Handle,
  inode: Inode,
  index: number,
  name: Uint8Array,
  value: Uint8Array | undefined,
  flags: number,
): boolean {
  const { volume } = handle;
  const found = find(volume, inode, index, name);
  const old = found.inside[found.atInside] ?? found.block?.list[found.atBlock];
  if (old === undefined && (flags & XATTR_REPLACE) !== 0) throw new FileSystemError("ENODATA", "no such attribute");
  if (old !== undefined && (flags & XATTR_CREATE) !== 0) throw new FileSystemError("EEXIST", "the attribute exists");
  if (old === undefined && value === undefined) return false;
  if (old !== undefined && value !== undefined && old.valueInode === 0 && equalBytes(old.value, value)) return false;

  handle.changes?.refuse();
  handle.modifyInode(inode);
  if (value === undefined) handle.asNeeded(() => remove(handle, inode, found));
  else if (!place(handle, inode, found, value)) {
    throw new FileSystemError("ENOSPC", `no room for an attribute of ${value.length} bytes in inode ${inode.ino}`);
  }
  if (old !== undefined && old.valueInode !== 0) chargeOwner(handle, inode, old.valueSize, -1);
  inode.noXattrs = false;
  switchOnFeature(handle, "featureCompat", compatFeature.ext_attr);
  return true;
}

function find(volume: Volume, inode: Inode, index: number, name: Uint8Array): Found {
  const inside = storedInInode(volume, inode);
  const block = openXattrBlock(volume, inode);
  const atInside = indexOfName(inside, index, name);
  // Both, on a damaged file system: the one inside is what everybody sees.
  const atBlock = atInside === -1 && block !== undefined ? indexOfName(block.list, index, name) : -1;
  return { inside, block, index, name, atInside, atBlock };
}

/** Tries the places in turn; false when the attribute fits nowhere. */
function place(handle: Handle, inode: Inode, found: Found, value: Uint8Array): boolean {
  const { volume } = handle;
  const { eaInode } = volume.features;
  const inSpace = stored(found, value);
  if (!(eaInode && isLarge(volume, value))) {
    if (fitsInside(inode, found, inSpace)) {
      putInside(handle, inode, found, inSpace);
      return true;
    }
    if (fitsBlock(volume, found, inSpace)) {
      putInBlock(handle, inode, found, { ...inSpace, hash: hashBlockEntry(found.name, value) });
      return true;
    }
  }
  if (!eaInode || value.length === 0) return false;
  const elsewhere = stored(found, NOTHING);
  // e2fsck takes a short link without a block of attributes for one with blocks of its own when i_blocks counts any.
  const inside = !inode.isSymlink && fitsInside(inode, found, elsewhere);
  if (!inside && !fitsBlock(volume, found, elsewhere)) return false;
  const { ino, hash } = obtainValueInode(handle, inode, value);
  const xattr = {
    ...elsewhere,
    valueInode: ino,
    valueSize: value.length,
    hash: hashInodeEntry(found.name, hash),
  };
  if (inside) putInside(handle, inode, found, xattr);
  else putInBlock(handle, inode, found, xattr);
  return true;
}

function stored({ index, name }: Found, value: Uint8Array): StoredXattr {
  // A copy: the value may be a window onto the inode or block that is about to be written anew.
  return { index, name, value: value.slice(), valueInode: 0, valueSize: value.length, hash: 0 };
}

/** EXT4_XATTR_MIN_LARGE_EA_SIZE: beyond it, a block would hold the value and hardly anything else. */
function isLarge(volume: Volume, value: Uint8Array): boolean {
  return ((value.length + 3) & ~3) > volume.geometry.blockSize - XattrBlockLayout.size - 24;
}

function fitsInside(inode: Inode, { inside }: Found, xattr: StoredXattr): boolean {
  return storedSize(withXattr(inside, xattr)) <= inodeCapacity(inode);
}

/** With ea_inode, values leave the front of the block to names, so that more values can move to inodes. */
function fitsBlock(volume: Volume, { block, atBlock }: Found, xattr: StoredXattr): boolean {
  const list = withXattrSorted(block?.list ?? [], xattr);
  if (storedSize(list) > blockCapacity(volume)) return false;
  if (!volume.features.eaInode || xattr.value.length === 0) return true;
  const old = block?.list[atBlock];
  if (old !== undefined && (old.value.length + 3) >> 2 === (xattr.value.length + 3) >> 2) return true;
  const { blockSize } = volume.geometry;
  return blockSize - valuesSize(list) >= Math.min(blockSize >> 3, 1024);
}

function putInside(handle: Handle, inode: Inode, found: Found, xattr: StoredXattr): void {
  writeInInode(inode, withXattr(found.inside, xattr));
  if (found.atInside !== -1) releaseInside(handle, inode, found);
  else removeFromBlock(handle, inode, found);
}

function putInBlock(handle: Handle, inode: Inode, found: Found, xattr: StoredXattr): void {
  const { block, atBlock } = found;
  const list = withXattrSorted(block?.list ?? [], xattr);
  const dropped = block?.list[atBlock]?.valueInode ?? 0;
  writeXattrBlock(handle, inode, block, list, xattr.valueInode, dropped);
  removeFromInside(handle, inode, found);
}

function remove(handle: Handle, inode: Inode, found: Found): void {
  removeFromInside(handle, inode, found);
  removeFromBlock(handle, inode, found);
}

function removeFromInside(handle: Handle, inode: Inode, found: Found): void {
  if (found.atInside === -1) return;
  writeInInode(inode, withoutXattr(found.inside, found.index, found.name));
  releaseInside(handle, inode, found);
}

function releaseInside(handle: Handle, inode: Inode, { inside, atInside }: Found): void {
  const ino = inside[atInside]?.valueInode ?? 0;
  if (ino !== 0) releaseValueInode(handle, ino, { inode: inode.ino });
}

function removeFromBlock(handle: Handle, inode: Inode, found: Found): void {
  const { block, atBlock, index, name } = found;
  if (block === undefined || atBlock === -1) return;
  const dropped = block.list[atBlock]?.valueInode ?? 0;
  writeXattrBlock(handle, inode, block, withoutXattr(block.list, index, name), 0, dropped);
}
