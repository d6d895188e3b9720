import { crc32c } from "../checksum/crc32c.js";
import { CorruptionError, FileSystemError } from "../errors.js";
import { incompatFeature } from "../format/features.js";
import { InodeFlag, InodeLayout } from "../format/inode.js";
import { XattrEntryLayout } from "../format/xattr.js";
import type { Inode } from "../inode/inode.js";
import { readInode } from "../inode/inode-table.js";
import { prefetchFileBlocks, readFileBlock } from "../map/read-data.js";
import type { Volume } from "../volume.js";
import { valueInodeOf, type XattrSpace } from "./entries.js";

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
  const corrupt = (evidence: string) =>
    new CorruptionError("xattr-value-inode", { ...space.location, offset: entry }, `value inode ${ino}: ${evidence}`);
  const inode = readValueInode(volume, ino, corrupt);
  if (!inode.has(InodeFlag.eaInode)) throw corrupt("without the flag of value inodes");
  if (!inode.isRegular) throw corrupt(`mode 0${inode.mode.toString(8)}`);
  if (inode.hasInlineData || inode.fileAcl !== 0) throw corrupt("has attributes itself");
  if (inode.size !== size) throw corrupt(`${inode.size} bytes instead of ${size}`);

  const value = new Uint8Array(size);
  const { blockSize } = volume.geometry;
  const ahead = Math.max(1, Math.floor(volume.cache.longestRun));
  for (let at = 0; at < size; at += blockSize) {
    const fileBlock = at / blockSize;
    if (fileBlock % ahead === 0) prefetchFileBlocks(volume, inode, fileBlock, Math.ceil((size - at) / blockSize));
    const block = readFileBlock(volume, inode, fileBlock);
    if (block === undefined) throw corrupt(`a hole at ${at}`);
    value.set(at + blockSize <= size ? block.data : block.data.subarray(0, size - at), at);
  }

  const view = inode.view;
  const storedHash = view.getUint32(InodeLayout.offset.atime, true);
  const isLustre =
    storedHash !== space.view.getUint32(entry + entryHash, true) &&
    view.getUint32(InodeLayout.offset.mtime, true) === owner.ino &&
    inode.generation === owner.generation;
  if (isLustre) return value;

  const hash = crc32c(valueHashSeed(volume), value);
  if (hash !== storedHash) {
    throw corrupt(`value hash 0x${storedHash.toString(16)} instead of 0x${hash.toString(16)}`);
  }
  const name = entry + XattrEntryLayout.size;
  const nameEnd = name + space.view.getUint8(entry + nameLength);
  const expected = space.view.getUint32(entry + entryHash, true);
  // Kernels up to 6.2 on machines with signed chars took the name's bytes as signed.
  if (
    hashEntry(space.data.subarray(name, nameEnd), hash) !== expected &&
    hashEntry(new Int8Array(space.data.buffer, space.data.byteOffset + name, nameEnd - name), hash) !== expected
  ) {
    throw corrupt(`entry hash 0x${expected.toString(16)} does not fit`);
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

/** What the hash of a value starts from: as the seed of metadata checksums, but there without them, too. */
function valueHashSeed(volume: Volume): number {
  if (volume.features.metadataCsum) return volume.checksumSeed;
  const { superblock, features } = volume;
  if ((features.incompat & incompatFeature.metadata_csum_seed) !== 0) return superblock.checksumSeed;
  return crc32c(0xffff_ffff, superblock.uuid);
}

/** e_hash of an entry whose value is in an inode: the name rotated by 5 bits a byte, then the value's hash by 16. */
function hashEntry(name: Uint8Array | Int8Array, valueHash: number): number {
  let hash = 0;
  for (let at = 0; at < name.length; at++) hash = (hash << 5) ^ (hash >>> 27) ^ name[at]!;
  return ((hash << 16) ^ (hash >>> 16) ^ valueHash) >>> 0;
}
