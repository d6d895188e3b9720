import type { Volume } from "../volume.js";

/** The superblock's count of free blocks (with bigalloc as well: clusters times their blocks). */
export function freeBlockCount({ superblock, features }: Volume): number {
  return superblock.freeBlocksCountLo + (features.is64Bit ? superblock.freeBlocksCountHi * 0x1_0000_0000 : 0);
}

/** Changes that count; `handle.modifySuperblock` was called. A count that was wrong never leaves the possible range. */
export function addFreeBlocks(volume: Volume, change: number): void {
  const { superblock, features, geometry } = volume;
  const count = Math.max(0, Math.min(freeBlockCount(volume) + change, geometry.blockCount));
  superblock.freeBlocksCountLo = count % 0x1_0000_0000;
  if (features.is64Bit) superblock.freeBlocksCountHi = Math.floor(count / 0x1_0000_0000);
}

/** Changes the superblock's count of free inodes; `handle.modifySuperblock` was called. */
export function addFreeInodes({ superblock, geometry }: Volume, change: number): void {
  superblock.freeInodesCount = Math.max(0, Math.min(superblock.freeInodesCount + change, geometry.inodeCount));
}

/** Blocks that only root may use, and whom FileSystem.reservedUid and reservedGid name. */
export function reservedBlockCount({ superblock, features }: Volume): number {
  return superblock.reservedBlocksCountLo + (features.is64Bit ? superblock.reservedBlocksCountHi * 0x1_0000_0000 : 0);
}

/** Share of the clusters that is kept back, and its bound. */
const KEPT_SHARE = 50;
const MOST_KEPT_CLUSTERS = 4096;

/**
 * Clusters that nobody gets but who must not be refused (ext4_set_resv_clusters): what changes how a range is mapped that has its blocks
 * already may take nodes of the file's tree.
 */
export function keptClusterCount({ features, geometry }: Volume): number {
  if (!features.extents) return 0;
  const { blockCount, clusterSize, blockSize } = geometry;
  const clusters = Math.floor(blockCount / (clusterSize / blockSize));
  return Math.min(Math.floor(clusters / KEPT_SHARE), MOST_KEPT_CLUSTERS);
}
