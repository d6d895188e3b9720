import { Verified } from "../cache/block-cache.js";
import { CorruptionError } from "../errors.js";
import { INLINE_DOTDOT_SIZE, recordSize } from "../format/directory.js";
import { I_BLOCK_SIZE, InodeFlag } from "../format/inode.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import { readFileBlock } from "../map/read-data.js";
import type { Volume } from "../volume.js";
import { appendDirectoryBlock } from "./append.js";
import { boundedBlocksOf, nextMappedBlock, prefetchAround, readDirectoryBlock } from "./blocks.js";
import { initInlineDirectory, inlineRegionAt, writeDots } from "./inline-directory.js";
import { isIndexed } from "./kind.js";
import { findBytes, inodeOf, isDot, recordLength, verifyLeaf } from "./leaf.js";
import { indexRootOf, inlineBytes } from "./lookup.js";
import { writeInode } from "./records.js";
import { leafEnd, sealIndexRoot, sealLeaf, writeLeafTail } from "./seal.js";

const DOT = recordSize(1);
const dotdot = new Uint8Array([0x2e, 0x2e]);

/** Gives a new directory its `.` and `..`: inside the inode where the file system has inline_data and there is room, else in a first block. */
export function initDirectory(handle: Handle, dir: Inode, parentIno: number): void {
  const { volume } = handle;
  dir.entryChanges++;
  if (!dir.has(InodeFlag.encrypt) && initInlineDirectory(handle, dir, parentIno)) return;
  handle.modifyInode(dir);
  dir.size = 0;
  const block = appendDirectoryBlock(handle, dir, Verified.directoryLeaf, sealLeaf);
  writeDots(volume, block, dir.ino, parentIno, leafEnd(volume) - DOT);
  writeLeafTail(volume, block);
}

/** Makes `..` name another directory. */
export function setDotDot(handle: Handle, dir: Inode, parentIno: number): void {
  const { volume } = handle;
  dir.entryChanges++;
  if (dir.hasInlineData) {
    inlineBytes(volume, dir);
    const { data, at } = inlineRegionAt(handle, dir, 0);
    writeInode(data, at, parentIno);
    return;
  }
  const root = isIndexed(volume, dir) ? indexRootOf(volume, dir) : undefined;
  if (root !== undefined) {
    handle.modify(root, sealIndexRoot, dir.checksumSeed);
    writeInode(root.data, DOT, parentIno);
    return;
  }
  const { blockSize } = volume.geometry;
  const block = readDirectoryBlock(volume, dir, 0);
  verifyLeaf(volume, dir, block, 0);
  const at = findBytes(block.data, 0, leafEnd(volume), blockSize, dotdot);
  if (at < 0) throw new CorruptionError("directory-entry", { inode: dir.ino }, "a directory without ..");
  handle.modify(block, sealLeaf, dir.checksumSeed);
  writeInode(block.data, at, parentIno);
}

/**
 * Whether a directory has no entries but `.` and `..`. All blocks are looked at, not those alone that an index names.
 *
 * @throws CorruptionError, DeviceError
 */
export function isEmpty(volume: Volume, dir: Inode): boolean {
  const { blockSize } = volume.geometry;
  if (dir.hasInlineData) {
    const data = inlineBytes(volume, dir);
    return (
      hasNoEntries(data, INLINE_DOTDOT_SIZE, I_BLOCK_SIZE, blockSize) &&
      hasNoEntries(data, I_BLOCK_SIZE, data.length, blockSize)
    );
  }
  const end = boundedBlocksOf(volume, dir);
  const indexed = isIndexed(volume, dir) && indexRootOf(volume, dir) !== undefined;
  for (
    let at = nextMappedBlock(volume, dir, indexed ? 1 : 0, end);
    at < end;
    at = nextMappedBlock(volume, dir, at + 1, end)
  ) {
    prefetchAround(volume, dir, at);
    const block = readFileBlock(volume, dir, at);
    if (block === undefined) continue;
    // An index block is an unused record to whoever knows no indexes, over the place of the checksum as well.
    if (indexed && inodeOf(block.data, 0) === 0 && recordLength(block.data, 0, blockSize) === blockSize) continue;
    verifyLeaf(volume, dir, block, at);
    if (!hasNoEntries(block.data, 0, blockSize, blockSize)) return false;
  }
  return true;
}

function hasNoEntries(data: Uint8Array, start: number, end: number, blockSize: number): boolean {
  for (let at = start; at < end; at += recordLength(data, at, blockSize)) {
    if (inodeOf(data, at) !== 0 && !isDot(data, at, data[at + 6]!)) return false;
  }
  return true;
}
