import { incompatFeature } from "../format/features.js";
import { type GroupDescriptor, groupFirstBlock } from "../groups/group-table.js";
import { hasSuperblock } from "../groups/superblock-copies.js";
import { fixedBlocks } from "../groups/system-zone.js";
import type { Volume } from "../volume.js";

/** Blocks of a cluster; 1 without bigalloc. */
export function clusterRatio(volume: Volume): number {
  return volume.geometry.clusterSize / volume.geometry.blockSize;
}

/** Clusters of a group; the last one may have fewer than the others. One in which the file system ends is counted (EXT4_NUM_B2C). */
export function clustersInGroup(volume: Volume, group: number): number {
  const { geometry } = volume;
  if (group < geometry.groupCount - 1) return geometry.clustersPerGroup;
  return Math.ceil((geometry.blockCount - groupFirstBlock(volume, group)) / clusterRatio(volume));
}

/** Clusters of a group that may be allocated: all but one in which the file system ends. That counts as free, to the kernel as well. */
export function wholeClustersInGroup(volume: Volume, group: number): number {
  const { geometry } = volume;
  if (group < geometry.groupCount - 1) return geometry.clustersPerGroup;
  return Math.floor((geometry.blockCount - groupFirstBlock(volume, group)) / clusterRatio(volume));
}

/** Groups whose metadata lies together; 1 without flex_bg. */
export function flexGroupSize({ features, superblock }: Volume): number {
  const log = superblock.logGroupsPerFlex;
  return (features.incompat & incompatFeature.flex_bg) !== 0 && log < 32 ? (1 << log) >>> 0 : 1;
}

export type ClusterRangeVisitor = (from: number, end: number) => void;

/** Visits the clusters at the start of a group that a superblock, descriptors and blocks reserved for more of these take. */
export function fixedMetadata(volume: Volume, group: number, visit: ClusterRangeVisitor): void {
  const count = fixedBlocks(volume, group) + reservedDescriptorBlocks(volume, group);
  visitPart(volume, group, groupFirstBlock(volume, group), count, visit);
}

/** Visits the clusters inside a group that its own bitmaps and inode table take; with flex_bg they may lie in other groups. */
export function placedMetadata(volume: Volume, descriptor: GroupDescriptor, visit: ClusterRangeVisitor): void {
  const { group } = descriptor;
  visitPart(volume, group, descriptor.blockBitmap, 1, visit);
  visitPart(volume, group, descriptor.inodeBitmap, 1, visit);
  visitPart(volume, group, descriptor.inodeTable, volume.geometry.inodeTableBlocks, visit);
}

function visitPart(volume: Volume, group: number, block: number, count: number, visit: ClusterRangeVisitor): void {
  const ratio = clusterRatio(volume);
  const first = groupFirstBlock(volume, group);
  const from = Math.max(block, first);
  const end = Math.min(block + count, first + clustersInGroup(volume, group) * ratio);
  if (from < end) visit(Math.floor((from - first) / ratio), Math.ceil((end - first) / ratio));
}

/** Blocks behind a copy of the descriptor table that a growing file system may use for more of it. */
function reservedDescriptorBlocks(volume: Volume, group: number): number {
  const { features, superblock, geometry } = volume;
  const table = !features.metaBg || group < superblock.firstMetaBlockGroup * geometry.descriptorsPerBlock;
  return table && hasSuperblock(volume, group) ? superblock.reservedGdtBlocks : 0;
}
