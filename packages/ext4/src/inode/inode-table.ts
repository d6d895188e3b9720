import type { CachedBlock } from "../cache/block-cache.js";
import { crc32c, crc32cZeros } from "../checksum/crc32c.js";
import { CorruptionError, type CorruptionLocation } from "../errors.js";
import { GOOD_OLD_INODE_SIZE, InodeLayout } from "../format/inode.js";
import { groupDescriptor } from "../groups/group-table.js";
import type { Volume } from "../volume.js";
import { decodeInode, notInUse } from "./decode-inode.js";
import { Inode, inodeChecksumSeed } from "./inode.js";

/** Blocks of the inode table that are read together when one of them is needed: the kernel's inode_readahead_blks. */
const READ_AHEAD_BLOCKS = 32;

const CREATOR_OS_LINUX = 0;

const at = InodeLayout.offset;

/**
 * Reads, verifies and decodes an inode. Nothing is cached but the block it lies in.
 *
 * @param ino a number from a directory entry, the superblock or a caller; any value
 * @throws CorruptionError inode-number, inode-checksum, inode-geometry, inode-type, group-descriptor-*
 * @throws FileSystemError ESTALE when the inode is not in use; CorruptionError inode-deleted if it is one that has to be
 */
export function readInode(volume: Volume, ino: number): Inode {
  const inode = readRawInode(volume, ino);
  decodeInode(volume, inode);
  return inode;
}

/**
 * The block of the inode table that an inode lies in, its neighbours read with it.
 *
 * @throws CorruptionError inode-number, block-range, group-descriptor-*
 */
export function inodeTableBlock(volume: Volume, ino: number): CachedBlock {
  const { geometry } = volume;
  if (!(ino >= 1 && ino <= geometry.inodeCount)) {
    throw new CorruptionError("inode-number", { inode: ino }, `there are ${geometry.inodeCount} inodes`);
  }
  const { inodesPerGroup, inodesPerBlock } = geometry;
  const group = Math.floor((ino - 1) / inodesPerGroup);
  const index = ino - 1 - group * inodesPerGroup;
  const descriptor = groupDescriptor(volume, group);
  const inTable = Math.floor(index / inodesPerBlock);
  // A table that is no whole number of blocks has inodes past the blocks that the descriptor check covered.
  const block = descriptor.inodeTable + inTable;
  if (block >= geometry.blockCount) {
    throw new CorruptionError("block-range", { inode: ino, block }, "the inode's block lies outside");
  }
  if (volume.cache.peek(block) === undefined) {
    const used = Math.ceil(Math.max(0, inodesPerGroup - descriptor.unusedInodes) / inodesPerBlock);
    const first = inTable - (inTable % READ_AHEAD_BLOCKS);
    const end = Math.max(inTable + 1, Math.min(first + READ_AHEAD_BLOCKS, used));
    volume.cache.prefetch(descriptor.inodeTable + first, end - first);
  }
  return volume.cache.read(block);
}

/** Byte offset of an inode in its block of the table. */
export function inodeOffset(volume: Volume, ino: number): number {
  const { inodesPerGroup, inodesPerBlock, inodeSize } = volume.geometry;
  return (((ino - 1) % inodesPerGroup) % inodesPerBlock) * inodeSize;
}

/**
 * Reads and verifies an inode without decoding it: also one that is deleted, as those on the orphan list may be. Only `raw`,
 * `extraSize` and `checksumSeed` are set.
 *
 * @throws CorruptionError inode-number, inode-checksum, inode-geometry, group-descriptor-*
 */
export function readRawInode(volume: Volume, ino: number): Inode {
  const { inodeSize } = volume.geometry;
  const cached = inodeTableBlock(volume, ino);
  const { block } = cached;
  const offset = inodeOffset(volume, ino);
  const inode = new Inode(ino, cached.data.slice(offset, offset + inodeSize));
  // Of one that was evicted, its block knows no more than this: maybe it was changed in this transaction, and not its times alone.
  inode.syncTransaction = cached.transaction;
  inode.dataSyncTransaction = cached.transaction;
  // Before the checksum, as in the kernel: inodes that were never used are all zeros, their checksum too.
  if (inode.view.getUint16(at.mode, true) === 0 && inode.view.getUint16(at.linksCount, true) === 0) {
    throw notInUse(volume, ino);
  }
  takeExtraSize(inode, { inode: ino, block, offset });
  if (volume.features.metadataCsum) {
    inode.checksumSeed = inodeChecksumSeed(volume.checksumSeed, ino, inode.view.getUint32(at.generation, true));
    verifyChecksum(volume, inode, block, offset);
  }
  return inode;
}

/** Sets `extraSize` from the inode's bytes. @throws CorruptionError inode-geometry */
export function takeExtraSize(inode: Inode, location: CorruptionLocation): void {
  const most = inode.raw.length - GOOD_OLD_INODE_SIZE;
  if (most <= 0) return;
  inode.extraSize = inode.view.getUint16(at.extraInodeSize, true);
  if (inode.extraSize <= most && (inode.extraSize & 3) === 0) return;
  const evidence = `extra size ${inode.extraSize}; a multiple of 4, at most ${most}`;
  throw new CorruptionError("inode-geometry", location, evidence);
}

function verifyChecksum(volume: Volume, inode: Inode, block: number, offset: number): void {
  if (volume.superblock.creatorOs !== CREATOR_OS_LINUX) return;
  const { raw, view } = inode;
  let stored = view.getUint16(at.checksumLo, true);
  let computed = inodeChecksum(inode.checksumSeed, raw, inode.extraSize);
  if (hasChecksumHigh(raw, inode.extraSize)) stored += view.getUint16(at.checksumHi, true) * 0x1_0000;
  else computed &= 0xffff;
  if (stored !== computed) {
    throw new CorruptionError(
      "inode-checksum",
      { inode: inode.ino, block, offset },
      `stored 0x${stored.toString(16)}, computed 0x${computed.toString(16)}`,
    );
  }
}

export function hasChecksumHigh(raw: Uint8Array, extraSize: number): boolean {
  return raw.length > GOOD_OLD_INODE_SIZE && GOOD_OLD_INODE_SIZE + extraSize >= at.checksumHi + 2;
}

/** The checksum of an inode: over all its bytes, with those of the checksum itself as zero. */
export function inodeChecksum(seed: number, raw: Uint8Array, extraSize: number): number {
  let sum = crc32c(seed, raw, 0, at.checksumLo);
  sum = crc32cZeros(sum, 2);
  sum = crc32c(sum, raw, at.checksumLo + 2, GOOD_OLD_INODE_SIZE);
  if (raw.length > GOOD_OLD_INODE_SIZE) {
    sum = crc32c(sum, raw, GOOD_OLD_INODE_SIZE, at.checksumHi);
    let from: number = at.checksumHi;
    if (hasChecksumHigh(raw, extraSize)) {
      sum = crc32cZeros(sum, 2);
      from += 2;
    }
    sum = crc32c(sum, raw, from, raw.length);
  }
  return sum;
}
