import { CorruptionError, FileSystemError } from "../errors.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import type { Volume } from "../volume.js";
import { blocksPerCluster, freeFromMap } from "./map-allocation.js";
import { mapBlocks } from "./map-blocks.js";
import { BlockMapping, MappingType } from "./mapping.js";

const found = new BlockMapping();

/**
 * With bigalloc: the place of the blocks from `hole.fileBlock` on when another block of the same cluster of the file is mapped,
 * as the cluster on the device is then theirs as well. Sets `hole.block` and cuts `hole.length` to what the cluster has.
 * Otherwise cuts it where the next mapped cluster begins.
 *
 * @param count blocks that are wanted
 * @returns whether the place is known
 */
export function placeInCluster(volume: Volume, inode: Inode, hole: BlockMapping, count: number): boolean {
  const ratio = blocksPerCluster(volume);
  const { fileBlock } = hole;
  const start = fileBlock - (fileBlock % ratio);
  const end = fileBlock + Math.min(count, hole.length);
  if (firstMapped(volume, inode, start, start + ratio, found)) {
    checkAlignment(inode, found.fileBlock, found.block, ratio);
    hole.block = found.block - (found.fileBlock - start) + (fileBlock - start);
    hole.length = Math.min(hole.length, start + ratio - fileBlock, volume.geometry.blockCount - hole.block);
    if (hole.length < 1)
      throw new FileSystemError("ENOSPC", `the file system ends in the cluster of block ${hole.block}`);
    return true;
  }
  const last = end - 1 - ((end - 1) % ratio);
  const shared = last > start && firstMapped(volume, inode, end, last + ratio, found);
  hole.length = (shared ? last : end) - fileBlock;
  return false;
}

/** Frees blocks that no extent maps any more; with bigalloc, the clusters of which no block is mapped any more. */
export function freeUnmapped(
  handle: Handle,
  inode: Inode,
  fileBlock: number,
  count: number,
  block: number,
  metadata: boolean,
): void {
  const { volume } = handle;
  const ratio = blocksPerCluster(volume);
  let first = fileBlock - (fileBlock % ratio);
  let end = Math.ceil((fileBlock + count) / ratio) * ratio;
  const shift = block - fileBlock;
  checkAlignment(inode, fileBlock, block, ratio);
  if (first < fileBlock && firstMapped(volume, inode, first, Math.min(first + ratio, end), found)) first += ratio;
  if (first < end && end > fileBlock + count && firstMapped(volume, inode, end - ratio, end, found)) end -= ratio;
  end = Math.min(end, volume.geometry.blockCount - shift);
  if (first < end) freeFromMap(handle, inode, first + shift, end - first, metadata);
}

/** Clusters that a hole of a file takes when it is mapped from `block` on, without those of which other blocks are mapped. */
export function newClusters(volume: Volume, inode: Inode, fileBlock: number, count: number, block: number): number {
  const ratio = blocksPerCluster(volume);
  if (ratio === 1) return count;
  checkAlignment(inode, fileBlock, block, ratio);
  const past = fileBlock + count;
  const first = fileBlock - (fileBlock % ratio);
  const end = Math.ceil(past / ratio) * ratio;
  const headShared = first < fileBlock && firstMapped(volume, inode, first, fileBlock, found);
  const ownTail = end - first > ratio || !headShared;
  const tailShared = ownTail && past < end && firstMapped(volume, inode, past, end, found);
  return (end - first) / ratio - (headShared ? 1 : 0) - (tailShared ? 1 : 0);
}

/** Clusters of files are clusters on the device. */
function checkAlignment(inode: Inode, fileBlock: number, block: number, ratio: number): void {
  if (block % ratio === fileBlock % ratio) return;
  const evidence = `block ${block} is elsewhere in its cluster of ${ratio} blocks than in the file's`;
  throw new CorruptionError("extent-range", { inode: inode.ino, fileBlock, block }, evidence);
}

/** The first mapped block from `from` to `to - 1`, from which on `out` shows the mapping. */
function firstMapped(volume: Volume, inode: Inode, from: number, to: number, out: BlockMapping): boolean {
  for (let at = from; at < to; at += out.length) {
    mapBlocks(volume, inode, at, out);
    if (out.type !== MappingType.hole) return true;
  }
  return false;
}
