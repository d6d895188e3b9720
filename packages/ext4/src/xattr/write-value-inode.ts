import { allocateInode } from "../alloc/allocate-inode.js";
import { freeInode } from "../alloc/free-inode.js";
import { Verified } from "../cache/block-cache.js";
import { type CorruptionLocation, FileSystemError } from "../errors.js";
import { FileType, InodeFlag, InodeLayout, ReservedInode } from "../format/inode.js";
import { cachedInode } from "../inode/cached-inode.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import { allocateRange } from "../map/allocate-range.js";
import { BlockMapping } from "../map/mapping.js";
import { readFileBlock } from "../map/read-data.js";
import { truncateBlocks } from "../map/remove-range.js";
import { chargeBlocks, chargeInode } from "../quota/quota.js";
import { equalBytes } from "./entry-list.js";
import { valueHash } from "./hash.js";
import { sharedXattrs } from "./sharing.js";
import { checkValueInode, corruptValueInode, readValue } from "./value-inode.js";

const { versionLo } = InodeLayout.offset;

const mapping = new BlockMapping();

/** Where a value is that does not lie with its entry, with the hash that the entry's is made of. */
export interface ValueInode {
  readonly ino: number;
  readonly hash: number;
}

/**
 * An inode with this value and one more reference, the caller's: one that is there already, or a new one. The owner of the
 * attribute pays for it, as every other does.
 *
 * @throws FileSystemError ENOSPC, EDQUOT
 */
export function obtainValueInode(handle: Handle, owner: Inode, value: Uint8Array): ValueInode {
  const hash = valueHash(handle.volume, value);
  chargeOwner(handle, owner, value.length, 1);
  const known = findValueInode(handle, value, hash);
  if (known !== undefined) {
    changeReferences(handle, known, 1);
    return { ino: known.ino, hash };
  }
  return { ino: createValueInode(handle, owner, value, hash).ino, hash };
}

/** Counts a value in an inode of its own with an owner's blocks and quota, or no longer (-1). */
export function chargeOwner(handle: Handle, owner: Inode, size: number, sign: 1 | -1): void {
  const { clusterSize } = handle.volume.geometry;
  const bytes = Math.ceil(size / clusterSize) * clusterSize;
  chargeBlocks(handle, owner, sign * bytes);
  chargeInode(handle, owner, sign);
  owner.blocks = Math.max(0, owner.blocks + (sign * bytes) / 512);
}

/** Takes one more reference to the value inode of an entry that is copied. */
export function referenceValueInode(handle: Handle, ino: number, location: CorruptionLocation): void {
  changeReferences(handle, valueInode(handle, ino, location), 1);
}

/** Drops a reference, and the inode with the last one. */
export function releaseValueInode(handle: Handle, ino: number, location: CorruptionLocation): void {
  const { volume } = handle;
  const inode = valueInode(handle, ino, location);
  if (references(inode) === 0) throw corruptValueInode(ino, location, "without references");
  changeReferences(handle, inode, -1);
  const hash = inode.atime >>> 0;
  if (references(inode) > 0) {
    sharedXattrs(volume).valueInodes.remember(hash, ino);
    return;
  }
  sharedXattrs(volume).valueInodes.forget(ino);
  forgetBlocks(handle, inode);
  truncateBlocks(handle, inode, 0);
  inode.size = 0;
  inode.dtime = volume.environment.clock.now().seconds % 0x1_0000_0000;
  freeInode(handle, inode);
  volume.inodes.delete(ino);
}

function valueInode(handle: Handle, ino: number, location: CorruptionLocation): Inode {
  let inode: Inode;
  try {
    inode = cachedInode(handle.volume, ino);
  } catch (error) {
    throw error instanceof FileSystemError ? corruptValueInode(ino, location, "not in use") : error;
  }
  checkValueInode(inode, location);
  return inode;
}

/** The count has its high half in ctime and its low half in the version, which nobody else needs here. */
function references(inode: Inode): number {
  return Math.max(0, inode.ctime) * 0x1_0000_0000 + inode.view.getUint32(versionLo, true);
}

function changeReferences(handle: Handle, inode: Inode, change: number): void {
  handle.modifyInode(inode);
  setReferences(inode, references(inode) + change);
}

function setReferences(inode: Inode, count: number): void {
  inode.ctime = Math.floor(count / 0x1_0000_0000);
  inode.ctimeNanoseconds = 0;
  inode.view.setUint32(versionLo, count >>> 0, true);
  inode.linksCount = count > 0 ? 1 : 0;
}

/** A value inode with these bytes among those that were used lately. */
function findValueInode(handle: Handle, value: Uint8Array, hash: number): Inode | undefined {
  const { volume } = handle;
  const ino = sharedXattrs(volume).valueInodes.find(hash);
  if (ino === undefined) return undefined;
  const location = { inode: ino };
  const inode = valueInode(handle, ino, location);
  if (inode.size !== value.length || references(inode) === 0) return undefined;
  return equalBytes(readValue(volume, inode, location), value) ? inode : undefined;
}

function createValueInode(handle: Handle, owner: Inode, value: Uint8Array, hash: number): Inode {
  const { volume } = handle;
  const inode = allocateInode(handle, {
    parent: cachedInode(volume, ReservedInode.root),
    mode: FileType.regular | 0o600,
    uid: owner.uid,
    gid: owner.gid,
    goal: owner.ino + 1,
    holdsValue: true,
  });
  inode.flags = (inode.flags & InodeFlag.extents) | InodeFlag.eaInode;
  setReferences(inode, 1);
  inode.atime = hash | 0;
  inode.atimeNanoseconds = 0;
  volume.inodes.add(inode);
  handle.onUndo(() => volume.inodes.delete(inode.ino));
  writeValue(handle, inode, value);
  sharedXattrs(volume).valueInodes.rememberNew(handle, hash, inode.ino);
  return inode;
}

/** The value goes through the journal: no host writes it. */
function writeValue(handle: Handle, inode: Inode, value: Uint8Array): void {
  const { blockSize } = handle.volume.geometry;
  const count = Math.ceil(value.length / blockSize);
  for (let fileBlock = 0; fileBlock < count; fileBlock += mapping.length) {
    allocateRange(handle, inode, fileBlock, count - fileBlock, false, mapping);
    for (let n = 0; n < mapping.length && fileBlock + n < count; n++) {
      const block = handle.create(mapping.block + n);
      const at = (fileBlock + n) * blockSize;
      block.data.set(value.subarray(at, at + blockSize));
      block.verifiedAs = Verified.data;
    }
  }
  inode.size = value.length;
}

function forgetBlocks(handle: Handle, inode: Inode): void {
  const { volume } = handle;
  const { blockSize } = volume.geometry;
  for (let at = 0; at < inode.size; at += blockSize) {
    const block = readFileBlock(volume, inode, at / blockSize);
    if (block !== undefined) handle.forget(block.block);
  }
}
