import { isEngineError } from "../errors.js";
import { compatFeature, roCompatFeature } from "../format/features.js";
import { descriptorBlockCount, groupDescriptor, groupFirstBlock } from "../groups/group-table.js";
import { hasSuperblock } from "../groups/superblock-copies.js";
import { readInode } from "../inode/inode-table.js";
import type { Volume } from "../volume.js";

/** Groups that are looked at one by one at most: 128 TiB of them. A hostile image may claim thousands of times as many. */
export const MOST_SUMMED_GROUPS = 2 ** 20;

/** So many damaged descriptors, and the exact sum is given up: each costs an exception. */
const MOST_DAMAGED_GROUPS = 1024;

/** Blocks of a group that its two bitmaps take. */
const BITMAPS = 2;

/**
 * Clusters that the file system itself takes: superblocks, descriptors, bitmaps, inode tables, the journal. statfs leaves
 * them out (bsddf). Computed as the kernel computes it (ext4_calculate_overhead), its roundings included.
 */
export function overheadClusters(volume: Volume): number {
  const { superblock, features, geometry } = volume;
  if (features.bigalloc && superblock.overheadClusters !== 0 && superblock.overheadClusters <= geometry.blockCount) {
    return superblock.overheadClusters;
  }
  const ratio = geometry.clusterSize / geometry.blockSize;
  const exact = features.bigalloc && geometry.groupCount <= MOST_SUMMED_GROUPS;
  const groups = (exact ? clusteredMetadata(volume) : undefined) ?? Math.ceil(plainMetadata(volume) / ratio);
  return Math.floor(geometry.firstDataBlock / ratio) + groups + Math.ceil(journalBlocks(volume) / ratio);
}

function journalBlocks(volume: Volume): number {
  const { superblock, features, geometry } = volume;
  if (!features.hasJournal || superblock.journalInode === 0) return 0;
  try {
    return Math.floor(readInode(volume, superblock.journalInode).size / geometry.blockSize);
  } catch (error) {
    if (!isEngineError(error)) throw error;
    return 0; // the kernel logs this and goes on
  }
}

/** Without bigalloc every group counts its own share, wherever flex_bg has put it. Closed forms: the group count is hostile. */
function plainMetadata(volume: Volume): number {
  const { geometry, features, superblock } = volume;
  const { groupCount, descriptorsPerBlock } = geometry;
  const copies = copiesBelow(volume, groupCount);
  let blocks = groupCount * (geometry.inodeTableBlocks + BITMAPS) + copies * (1 + superblock.reservedGdtBlocks);
  if (!features.metaBg) return blocks + copies * descriptorBlockCount(volume);
  // Before the first meta group all copies hold the table's start; from there on each meta group has three of its block.
  const firstMeta = Math.min(superblock.firstMetaBlockGroup * descriptorsPerBlock, groupCount);
  blocks += copiesBelow(volume, firstMeta) * superblock.firstMetaBlockGroup;
  const whole = Math.floor((groupCount - firstMeta) / descriptorsPerBlock);
  const rest = groupCount - firstMeta - whole * descriptorsPerBlock;
  return blocks + whole * Math.min(descriptorsPerBlock, 3) + Math.min(rest, 2);
}

/** Number of groups below `end` that hold a superblock. */
function copiesBelow(volume: Volume, end: number): number {
  const { compat, roCompat } = volume.features;
  if (!(compat & compatFeature.sparse_super2) && !(roCompat & roCompatFeature.sparse_super)) return end;
  let count = 0;
  for (const group of copyCandidates(volume)) if (group < end && hasSuperblock(volume, group)) count++;
  return count;
}

function copyCandidates(volume: Volume): Set<number> {
  const candidates = new Set([0, 1, volume.superblock.backupGroup0, volume.superblock.backupGroup1]);
  for (const base of [3, 5, 7]) {
    for (let group = base; group < volume.geometry.groupCount; group *= base) candidates.add(group);
  }
  return candidates;
}

/** With bigalloc: the clusters that hold metadata, each counted once in each group; undefined if too much is damaged. */
function clusteredMetadata(volume: Volume): number | undefined {
  const { geometry, features, superblock } = volume;
  const { groupCount, blocksPerGroup, firstDataBlock, inodeTableBlocks } = geometry;
  const ratio = geometry.clusterSize / geometry.blockSize;
  const starts: number[] = [];
  const ends: number[] = [];
  const add = (block: number, count: number) => {
    if (count <= 0) return;
    starts.push(Math.floor((block - firstDataBlock) / ratio));
    ends.push(Math.floor((block - firstDataBlock + count - 1) / ratio) + 1);
  };
  const descriptorBlocks = descriptorBlockCount(volume);
  let damaged = 0;
  for (let group = 0; group < groupCount; group++) {
    const first = groupFirstBlock(volume, group);
    const copy = hasSuperblock(volume, group) ? 1 : 0;
    const metaGroup = Math.floor(group / geometry.descriptorsPerBlock);
    let descriptors = copy * (features.metaBg ? superblock.firstMetaBlockGroup : descriptorBlocks);
    if (features.metaBg && metaGroup >= superblock.firstMetaBlockGroup) {
      const place = group - metaGroup * geometry.descriptorsPerBlock;
      descriptors = place <= 1 || place === geometry.descriptorsPerBlock - 1 ? 1 : 0;
    }
    add(first, Math.min(copy + descriptors, blocksPerGroup));
    let descriptor: ReturnType<typeof groupDescriptor>;
    try {
      descriptor = groupDescriptor(volume, group);
    } catch (error) {
      if (!isEngineError(error)) throw error;
      if (++damaged > MOST_DAMAGED_GROUPS) return undefined;
      continue; // what is damaged is reported when it is used
    }
    add(descriptor.blockBitmap, 1);
    add(descriptor.inodeBitmap, 1);
    // As in the kernel, a table that touches the group's last block or crosses into the next group is not counted.
    const table = descriptor.inodeTable;
    const lastOfGroup = table - ((table - firstDataBlock) % blocksPerGroup) + blocksPerGroup - 1;
    if (table + inodeTableBlocks <= lastOfGroup) add(table, inodeTableBlocks);
  }
  return unionLength(starts, ends);
}

/** How much the ranges [start, end) cover together. */
function unionLength(starts: readonly number[], ends: readonly number[]): number {
  const order = Float64Array.from(starts.keys()).sort((a, b) => starts[a]! - starts[b]!);
  let covered = 0;
  let reached = 0;
  for (const index of order) {
    const end = ends[index]!;
    if (end <= reached) continue;
    covered += end - Math.max(starts[index]!, reached);
    reached = end;
  }
  return covered;
}
