import { CorruptionError, type CorruptionLocation, FileSystemError } from "../errors.js";
import { InodeFlag, InodeLayout } from "../format/inode.js";
import { XATTR_VALUE_MAX, XattrEntryLayout } from "../format/xattr.js";
import type { Inode } from "../inode/inode.js";
import { readInode } from "../inode/inode-table.js";
import { prefetchFileBlocks, readFileBlock } from "../map/read-data.js";
import type { Volume } from "../volume.js";
import { valueInodeOf, type XattrSpace } from "./entries.js";
import { hashInodeEntry, valueHash } from "./hash.js";

const { nameLength, valueSize, hash: entryHash } = XattrEntryLayout.offset;

/**
 * The value of an entry that keeps it in an inode of its own (ea_inode). Such an inode serves every attribute with the same
 * value, so it carries the value's hash, and the entry a hash of its name and that. Lustre's older ones belong to one file
 * and have no hash.
 *
 * @returns a copy
 * @throws CorruptionError xattr-value-inode, and what reading an inode and its blocks throws
 */
export function valueInInode(volume: Volume, owner: Inode, space: XattrSpace, entry: number): Uint8Array {
  const ino = valueInodeOf(space, entry);
  const size = space.view.getUint32(entry + valueSize, true);
  const location = { ...space.location, offset: entry };
  const corrupt = (evidence: string) => corruptValueInode(ino, location, evidence);
  const inode = readValueInode(volume, ino, corrupt);
  checkValueInode(inode, location);
  if (inode.size !== size) throw corrupt(`${inode.size} bytes instead of ${size}`);
  const value = readValue(volume, inode, location);

  const view = inode.view;
  const storedHash = view.getUint32(InodeLayout.offset.atime, true);
  const isLustre =
    storedHash !== space.view.getUint32(entry + entryHash, true) &&
    view.getUint32(InodeLayout.offset.mtime, true) === owner.ino &&
    inode.generation === owner.generation;
  if (isLustre) return value;

  const hash = valueHash(volume, value);
  if (hash !== storedHash) {
    throw corrupt(`value hash 0x${storedHash.toString(16)} instead of 0x${hash.toString(16)}`);
  }
  const name = entry + XattrEntryLayout.size;
  const nameEnd = name + space.view.getUint8(entry + nameLength);
  const expected = space.view.getUint32(entry + entryHash, true);
  // Kernels up to 6.2 on machines with signed chars took the name's bytes as signed.
  if (
    hashInodeEntry(space.data.subarray(name, nameEnd), hash) !== expected &&
    hashInodeEntry(new Int8Array(space.data.buffer, space.data.byteOffset + name, nameEnd - name), hash) !== expected
  ) {
    throw corrupt(`entry hash 0x${expected.toString(16)} does not fit`);
  }
  return value;
}

/** The error for an inode that an attribute says its value is in. */
export function corruptValueInode(ino: number, location: CorruptionLocation, evidence: string): CorruptionError {
  return new CorruptionError("xattr-value-inode", location, `value inode ${ino}: ${evidence}`);
}

/** Checks that an inode is of the kind that holds a value. @throws CorruptionError xattr-value-inode */
export function checkValueInode(inode: Inode, location: CorruptionLocation): void {
  const corrupt = (evidence: string) => corruptValueInode(inode.ino, location, evidence);
  if (!inode.has(InodeFlag.eaInode)) throw corrupt("without the flag of value inodes");
  if (!inode.isRegular) throw corrupt(`mode 0${inode.mode.toString(8)}`);
  if (inode.hasInlineData || inode.fileAcl !== 0) throw corrupt("has attributes itself");
  if (inode.size > XATTR_VALUE_MAX) throw corrupt(`${inode.size} bytes`);
}

/** The bytes of an inode that checkValueInode has passed. @throws CorruptionError xattr-value-inode, extent-* */
export function readValue(volume: Volume, inode: Inode, location: CorruptionLocation): Uint8Array {
  const { size } = inode;
  const value = new Uint8Array(size);
  const { blockSize } = volume.geometry;
  const ahead = Math.max(1, Math.floor(volume.cache.longestRun));
  for (let at = 0; at < size; at += blockSize) {
    const fileBlock = at / blockSize;
    if (fileBlock % ahead === 0) prefetchFileBlocks(volume, inode, fileBlock, Math.ceil((size - at) / blockSize));
    const block = readFileBlock(volume, inode, fileBlock);
    if (block === undefined) throw corruptValueInode(inode.ino, location, `a hole at ${at}`);
    value.set(at + blockSize <= size ? block.data : block.data.subarray(0, size - at), at);
  }
  return value;
}

function readValueInode(volume: Volume, ino: number, corrupt: (evidence: string) => CorruptionError): Inode {
  try {
    return readInode(volume, ino);
  } catch (error) {
    throw error instanceof FileSystemError ? corrupt("not in use") : error;
  }
}
