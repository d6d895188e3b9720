import { isEngineError } from "../errors.js";
import { FileType, InodeFlag, ReservedInode } from "../format/inode.js";
import { type GroupDescriptor, groupDescriptor } from "../groups/group-table.js";
import type { Inode } from "../inode/inode.js";
import type { Volume } from "../volume.js";
import type { Allocator } from "./allocator.js";
import { MOST_GROUPS } from "./find-space.js";
import { freeBlockCount } from "./free-counts.js";
import { clusterRatio, flexGroupSize } from "./group-geometry.js";

/** Counts of a flex group, or of a group where there is no flex_bg. */
interface Counts {
  freeInodes: number;
  freeClusters: number;
  directories: number;
}

/** Damaged groups that one search puts up with. */
const MOST_DAMAGED = 1024;

/** Those that the current search has met. */
let damaged = 0;

const counts: Counts = { freeInodes: 0, freeClusters: 0, directories: 0 };

/**
 * The group that an inode should go to, or -1 when none has a free one: directories by Orlov's rules, all else near its directory
 * (find_group_orlov, find_group_other).
 */
export function placeInode(volume: Volume, allocator: Allocator, parent: Inode, mode: number): number {
  damaged = 0;
  const parentGroup = Math.floor((parent.ino - 1) / volume.geometry.inodesPerGroup);
  if ((mode & FileType.mask) === FileType.directory) {
    const isTop = parent.ino === ReservedInode.root || parent.has(InodeFlag.topDir);
    const group = isTop ? spread(volume, allocator) : cluster(volume, allocator, parentGroup);
    return group >= 0 ? group : anyGroup(volume, allocator, parentGroup);
  }
  return nearGroup(volume, allocator, parent, parentGroup);
}

/** The descriptor of a group that may be allocated in, undefined if it is damaged; if too many are, no more are looked at. */
function goodDescriptor(volume: Volume, allocator: Allocator, group: number): GroupDescriptor | undefined {
  if (damaged >= MOST_DAMAGED || allocator.badInodeBitmaps.has(group)) return undefined;
  try {
    return groupDescriptor(volume, group);
  } catch (error) {
    if (!isEngineError(error)) throw error;
    damaged++;
    allocator.inodeBitmapIsBad(group, error);
    return undefined;
  }
}

/** Counts what a flex group has, or its first MOST_GROUPS groups. */
function count(volume: Volume, allocator: Allocator, first: number, size: number): void {
  counts.freeInodes = 0;
  counts.freeClusters = 0;
  counts.directories = 0;
  const end = Math.min(first + Math.min(size, MOST_GROUPS), volume.geometry.groupCount);
  for (let group = first; group < end; group++) {
    const descriptor = goodDescriptor(volume, allocator, group);
    if (descriptor === undefined) continue;
    counts.freeInodes += descriptor.freeInodes;
    counts.freeClusters += descriptor.freeClusters;
    counts.directories += descriptor.usedDirectories;
  }
}

/** A directory at the top: the flex group with the fewest directories among those with at least average space, from a random one on. */
function spread(volume: Volume, allocator: Allocator): number {
  const { groupCount, inodesPerGroup } = volume.geometry;
  const size = flexGroupSize(volume);
  const flexGroups = Math.ceil(groupCount / size);
  const averageInodes = Math.floor(volume.superblock.freeInodesCount / flexGroups);
  const averageClusters = Math.floor(freeClusterCount(volume) / flexGroups);
  const start = allocator.random32() % flexGroups;
  let best = -1;
  let fewest = inodesPerGroup;
  const looks = Math.min(flexGroups, Math.max(1, Math.floor(MOST_GROUPS / size)));
  for (let n = 0; n < looks; n++) {
    const flexGroup = (start + n) % flexGroups;
    count(volume, allocator, flexGroup * size, size);
    if (counts.freeInodes === 0 || counts.directories >= fewest) continue;
    if (counts.freeInodes < averageInodes || counts.freeClusters < averageClusters) continue;
    best = flexGroup;
    fewest = counts.directories;
    if (fewest === 0) break;
  }
  return best < 0 ? -1 : firstWithInodes(volume, allocator, best * size, size);
}

/** Any other directory: its parent's flex group or the next that is not too full of directories, and has inodes and space. */
function cluster(volume: Volume, allocator: Allocator, parentGroup: number): number {
  const { groupCount, inodesPerGroup, clustersPerGroup } = volume.geometry;
  const size = flexGroupSize(volume);
  const flexGroups = Math.ceil(groupCount / size);
  const averageInodes = Math.floor(volume.superblock.freeInodesCount / flexGroups);
  const averageClusters = Math.floor(freeClusterCount(volume) / flexGroups);
  const mostDirectories = allocator.directories / flexGroups + Math.floor(inodesPerGroup / 16);
  const leastInodes = Math.max(1, averageInodes - Math.floor((inodesPerGroup * size) / 4));
  const leastClusters = averageClusters - Math.floor((clustersPerGroup * size) / 4);
  const start = Math.floor(parentGroup / size);
  const looks = Math.min(flexGroups, Math.max(1, Math.floor(MOST_GROUPS / size)));
  for (let n = 0; n < looks; n++) {
    const flexGroup = (start + n) % flexGroups;
    count(volume, allocator, flexGroup * size, size);
    if (counts.directories >= mostDirectories || counts.freeInodes < leastInodes) continue;
    if (counts.freeClusters < leastClusters) continue;
    const group = firstWithInodes(volume, allocator, flexGroup * size, size);
    if (group >= 0) return group;
  }
  return -1;
}

function firstWithInodes(volume: Volume, allocator: Allocator, first: number, size: number): number {
  const end = Math.min(first + Math.min(size, MOST_GROUPS), volume.geometry.groupCount);
  for (let group = first; group < end; group++) {
    if ((goodDescriptor(volume, allocator, group)?.freeInodes ?? 0) > 0) return group;
  }
  return -1;
}

/** The first group from `start` on with at least average many free inodes, or else with any. */
function anyGroup(volume: Volume, allocator: Allocator, start: number): number {
  const { groupCount } = volume.geometry;
  const average = Math.floor(volume.superblock.freeInodesCount / groupCount);
  const looks = Math.min(groupCount, MOST_GROUPS);
  let any = -1;
  for (let n = 0; n < looks; n++) {
    const group = (start + n) % groupCount;
    const free = goodDescriptor(volume, allocator, group)?.freeInodes ?? 0;
    if (free > 0 && free >= average) return group;
    if (free > 0 && any < 0) any = group;
  }
  return any;
}

/** Files: the directory's flex group; without flex_bg its group, or another found by a quadratic hash, or any with a free inode. */
function nearGroup(volume: Volume, allocator: Allocator, parent: Inode, parentGroup: number): number {
  const { groupCount } = volume.geometry;
  const size = flexGroupSize(volume);
  if (size > 1) {
    const group = firstWithInodes(volume, allocator, parentGroup - (parentGroup % size), size);
    if (group >= 0) return group;
    const other = cluster(volume, allocator, parentGroup);
    return other >= 0 ? other : anyGroup(volume, allocator, parentGroup);
  }
  if (hasRoom(volume, allocator, parentGroup)) return parentGroup;
  let group = (parentGroup + parent.ino) % groupCount;
  for (let step = 1; step < groupCount; step *= 2) {
    group = (group + step) % groupCount;
    if (hasRoom(volume, allocator, group)) return group;
  }
  const looks = Math.min(groupCount, MOST_GROUPS);
  for (let n = 1; n <= looks; n++) {
    group = (parentGroup + n) % groupCount;
    if ((goodDescriptor(volume, allocator, group)?.freeInodes ?? 0) > 0) return group;
  }
  return -1;
}

function hasRoom(volume: Volume, allocator: Allocator, group: number): boolean {
  const descriptor = goodDescriptor(volume, allocator, group);
  return descriptor !== undefined && descriptor.freeInodes > 0 && descriptor.freeClusters > 0;
}

function freeClusterCount(volume: Volume): number {
  return Math.floor(freeBlockCount(volume) / clusterRatio(volume));
}
