import { allocateBlocks, type BlockRun } from "../alloc/allocate-blocks.js";
import { FreeFlag, freeBlocks } from "../alloc/free-blocks.js";
import { type CachedBlock, Verified } from "../cache/block-cache.js";
import { CorruptionError, type CorruptionLocation } from "../errors.js";
import { XATTR_MAGIC, XattrBlockLayout } from "../format/xattr.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import { chargeBlocks } from "../quota/quota.js";
import type { Volume } from "../volume.js";
import type { XattrSpace } from "./entries.js";
import { readStored, type StoredXattr, sameXattrs, storedSize, writeStored } from "./entry-list.js";
import { hashBlock } from "./hash.js";
import { blockXattrs, xattrBlockChecksum } from "./in-block.js";
import { sharedXattrs } from "./sharing.js";
import { referenceValueInode, releaseValueInode } from "./write-value-inode.js";

const at = XattrBlockLayout.offset;

/** Most inodes that share a block: EXT4_XATTR_REFCOUNT_MAX. */
const MOST_REFERENCES = 1024;

/** An inode's block of attributes as it was found. */
export interface XattrBlock {
  readonly block: CachedBlock;
  readonly list: readonly StoredXattr[];
  readonly references: number;
  readonly location: CorruptionLocation;
}

/** Bytes that entries, values and the end of the list may take in a block. */
export function blockCapacity(volume: Volume): number {
  return volume.geometry.blockSize - XattrBlockLayout.size;
}

/** @throws CorruptionError block-range, xattr-* */
export function openXattrBlock(volume: Volume, inode: Inode): XattrBlock | undefined {
  const space = blockXattrs(volume, inode);
  if (space === undefined) return undefined;
  const found = xattrBlock(volume.cache.read(inode.fileAcl), space);
  if (storedSize(found.list) > blockCapacity(volume)) {
    throw new CorruptionError("xattr-entry", found.location, "values that overlap");
  }
  const hash = found.block.view.getUint32(at.hash, true);
  if (hash !== 0 && found.references < MOST_REFERENCES) sharedXattrs(volume).blocks.remember(hash, inode.fileAcl);
  return found;
}

function xattrBlock(block: CachedBlock, space: XattrSpace): XattrBlock {
  const { location } = space;
  const references = block.view.getUint32(at.refcount, true);
  if (references === 0 || references > MOST_REFERENCES) {
    throw new CorruptionError("xattr-header", location, `${references} inodes share it`);
  }
  return { block, list: readStored(space), references, location };
}

/**
 * Gives an inode the attributes that its block is to hold: by sharing a block that holds them, in the block that it has if that
 * is its own, or in a new one.
 *
 * @param old what the inode has
 * @param list sorted, and small enough
 * @param obtained the value inode in `list` that the caller took a reference to for this block, 0 if none
 * @param dropped the value inode that is in `old` and no longer in `list`, 0 if none
 * @throws FileSystemError ENOSPC, EDQUOT; CorruptionError
 */
export function writeXattrBlock(
  handle: Handle,
  inode: Inode,
  old: XattrBlock | undefined,
  list: readonly StoredXattr[],
  obtained: number,
  dropped: number,
): void {
  if (list.length === 0) {
    inode.fileAcl = 0;
    if (old !== undefined) releaseXattrBlock(handle, inode, old);
    return;
  }
  const { volume } = handle;
  const hash = hashBlock(list.map((stored) => stored.hash));
  const twin = hash === 0 ? undefined : findTwin(handle, inode, list, hash);
  if (twin !== undefined && twin.block !== old?.block) {
    share(handle, inode, twin);
    // The block that is shared has its own reference to the value inode.
    if (obtained !== 0) releaseValueInode(handle, obtained, twin.location);
    if (old !== undefined) releaseXattrBlock(handle, inode, old);
    return;
  }
  if (old !== undefined && old.references === 1) {
    handle.modify(old.block, sealXattrBlock);
    fill(old.block, list, hash, 1);
    if (dropped !== 0) releaseValueInode(handle, dropped, old.location);
    if (hash !== 0) sharedXattrs(volume).blocks.remember(hash, old.block.block);
    return;
  }
  const block = createBlock(handle, inode);
  fill(block, list, hash, 1);
  // The caller's reference is for one entry; another one may have the same value.
  let counted = obtained === 0;
  for (const { valueInode } of list) {
    if (valueInode === 0) continue;
    if (!counted && valueInode === obtained) counted = true;
    else referenceValueInode(handle, valueInode, { block: block.block, inode: inode.ino });
  }
  if (hash !== 0) sharedXattrs(volume).blocks.rememberNew(handle, hash, block.block);
  inode.fileAcl = block.block;
  if (old !== undefined) releaseXattrBlock(handle, inode, old);
}

/**
 * Takes an inode off its block: the last of those that share it frees it, and its value inodes with it. What these cost the owner
 * is not this function's business.
 */
export function releaseXattrBlock(
  handle: Handle,
  inode: Inode,
  { block, list, references, location }: XattrBlock,
): void {
  const { volume } = handle;
  inode.blocks = Math.max(0, inode.blocks - volume.geometry.clusterSize / 512);
  if (references > 1) {
    handle.modify(block, sealXattrBlock);
    block.view.setUint32(at.refcount, references - 1, true);
    chargeBlocks(handle, inode, -volume.geometry.clusterSize);
    return;
  }
  for (const stored of list) if (stored.valueInode !== 0) releaseValueInode(handle, stored.valueInode, location);
  sharedXattrs(volume).blocks.forget(block.block);
  freeBlocks(handle, inode, block.block, 1, FreeFlag.metadata);
}

function share(handle: Handle, inode: Inode, { block, references }: XattrBlock): void {
  const { volume } = handle;
  const { clusterSize } = volume.geometry;
  chargeBlocks(handle, inode, clusterSize);
  inode.blocks += clusterSize / 512;
  handle.modify(block, sealXattrBlock);
  block.view.setUint32(at.refcount, references + 1, true);
  if (references + 1 === MOST_REFERENCES) sharedXattrs(volume).blocks.forget(block.block);
  inode.fileAcl = block.block;
}

/** A block with just these attributes that has room for one more inode. */
function findTwin(handle: Handle, inode: Inode, list: readonly StoredXattr[], hash: number): XattrBlock | undefined {
  const { volume } = handle;
  const number = sharedXattrs(volume).blocks.find(hash);
  if (number === undefined) return undefined;
  const space = blockXattrs(volume, inode, number);
  if (space === undefined) return undefined;
  const twin = xattrBlock(volume.cache.read(number), space);
  return twin.references < MOST_REFERENCES && sameXattrs(twin.list, list) ? twin : undefined;
}

const run: BlockRun = { block: 0, count: 0 };

function createBlock(handle: Handle, inode: Inode): CachedBlock {
  const { geometry } = handle.volume;
  const group = Math.floor((inode.ino - 1) / geometry.inodesPerGroup);
  const goal = geometry.firstDataBlock + group * geometry.blocksPerGroup;
  allocateBlocks(handle, { goal, count: 1, inode, metadata: true }, run);
  inode.blocks += geometry.clusterSize / 512;
  const block = handle.create(run.block, sealXattrBlock);
  block.verifiedAs = Verified.xattrs;
  return block;
}

function fill(block: CachedBlock, list: readonly StoredXattr[], hash: number, references: number): void {
  const { view, data } = block;
  data.fill(0, 0, XattrBlockLayout.size);
  view.setUint32(at.magic, XATTR_MAGIC, true);
  view.setUint32(at.refcount, references, true);
  view.setUint32(at.blocks, 1, true);
  view.setUint32(at.hash, hash, true);
  writeStored({ view, data, first: XattrBlockLayout.size, valueBase: 0, end: data.length, location: {} }, list);
}

/** The seal of a block of attributes. */
export function sealXattrBlock(volume: Volume, block: CachedBlock): void {
  if (!volume.features.metadataCsum) return;
  block.view.setUint32(at.checksum, xattrBlockChecksum(volume.checksumSeed, block.block, block.data), true);
}
