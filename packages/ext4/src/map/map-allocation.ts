import { allocateBlocks, type BlockRun } from "../alloc/allocate-blocks.js";
import { FreeFlag, freeBlocks } from "../alloc/free-blocks.js";
import { FileType, InodeFlag, ReservedInode } from "../format/inode.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import { chargeBlocks } from "../quota/quota.js";
import type { Volume } from "../volume.js";

/** Blocks of a cluster: 1 without bigalloc. */
export function blocksPerCluster(volume: Volume): number {
  return volume.geometry.clusterSize / volume.geometry.blockSize;
}

/** i_blocks of that many blocks, of which whole clusters are taken. */
function sectorsOf(volume: Volume, blocks: number): number {
  const { clusterSize, blockSize } = volume.geometry;
  return Math.ceil((blocks * blockSize) / clusterSize) * (clusterSize / 512);
}

/** Whether the engine reads and writes the file's blocks itself, through the journal. */
export function holdsMetadata(volume: Volume, inode: Inode): boolean {
  const { type, ino } = inode;
  return (
    type === FileType.directory ||
    type === FileType.symlink ||
    inode.has(InodeFlag.eaInode) ||
    ino === ReservedInode.userQuota ||
    ino === ReservedInode.groupQuota ||
    (ino === volume.superblock.projectQuotaInode && ino !== 0)
  );
}

/** Allocates blocks for data or for nodes of a map, and counts them in i_blocks. */
export function allocateForMap(handle: Handle, inode: Inode, goal: number, count: number, metadata: boolean): BlockRun {
  const run = { block: 0, count: 0 };
  allocateBlocks(handle, { goal, count, inode, metadata }, run);
  inode.blocks += sectorsOf(handle.volume, run.count);
  return run;
}

/** Counts clusters as the inode's, as if allocateForMap had allocated them. */
export function countPlaced(handle: Handle, inode: Inode, clusters: number): void {
  const { clusterSize } = handle.volume.geometry;
  inode.blocks += clusters * (clusterSize / 512);
  chargeBlocks(handle, inode, clusters * clusterSize);
}

/** Frees what allocateForMap allocated; with bigalloc, whole clusters. */
export function freeFromMap(handle: Handle, inode: Inode, block: number, count: number, metadata: boolean): void {
  freeBlocks(handle, inode, block, count, metadata ? FreeFlag.metadata : 0);
  inode.blocks = Math.max(0, inode.blocks - sectorsOf(handle.volume, count));
}

/** Most blocks that one step of a long change modifies: nodes down a tree and their bitmaps and descriptors, quota. */
const STEP = 48;

/** Blocks that a long change of a map asks for at a time. */
export const MAP_CREDITS = 96;

/** Before the next step of a long change, at a point where the file system is consistent: sees to it that there is room for it. */
export function makeRoomForStep(handle: Handle, inode: Inode): void {
  if (handle.room < STEP) handle.restart(Math.min(MAP_CREDITS, handle.volume.transactions!.mostCredits));
  handle.modifyInode(inode);
}
