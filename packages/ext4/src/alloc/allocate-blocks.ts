import { CorruptionError, FileSystemError, isEngineError } from "../errors.js";
import { GroupFlag } from "../format/group-descriptor.js";
import { groupDescriptor, groupFirstBlock, groupOfBlock } from "../groups/group-table.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import { RetryAfterCommit } from "../journal/retry-after-commit.js";
import { chargeBlocks } from "../quota/quota.js";
import type { Volume } from "../volume.js";
import { type Allocator, allocatorOf } from "./allocator.js";
import { findSet, setBits } from "./bits.js";
import { blockBitmap, isBlockUninit } from "./block-bitmap.js";
import { clearOfWindows, findSpace, SpaceSearch } from "./find-space.js";
import { addFreeBlocks, freeBlockCount, keptClusterCount, reservedBlockCount } from "./free-counts.js";
import { clusterRatio } from "./group-geometry.js";

/** What is asked of the allocator of blocks. */
export interface BlockRequest {
  /** Block to begin at if it is free, see goalFor; any number. */
  goal: number;
  /** Blocks that are wanted, at least 1. */
  count: number;
  /** Fewest blocks of a run that are any use; default 1. */
  minimum?: number;
  /** Whom they are for and whose quota is charged; undefined for what belongs to nobody. */
  inode: Inode | undefined;
  /** Whether they will hold metadata. */
  metadata: boolean;
}

/** A run of blocks. */
export interface BlockRun {
  block: number;
  count: number;
}

/** From so many blocks on a request is taken for part of a large file (the kernel's mb_stream_req): it gets room to grow. */
const STREAM_BLOCKS = 16;
/** Most blocks that are kept free behind a file that grows. */
const MOST_ROOM_BLOCKS = 2048;
/** Runs that overlap metadata, which a search runs into at most: each marks its group as damaged. */
const MOST_OVERLAPS = 64;

const search = new SpaceSearch();

/**
 * Allocates one run of blocks: all that were wanted, or as many as a good place gives. With bigalloc it is cut from whole clusters
 * that were free: it starts with the first block of one, and what its last one has beyond the run belongs to the caller.
 * `inode.blocks` is the caller's.
 *
 * @throws FileSystemError ENOSPC (RetryAfterCommit, which Transactions.run deals with, when a commit makes space), EDQUOT
 * @throws CorruptionError when only damaged groups are left; DeviceError
 */
export function allocateBlocks(handle: Handle, request: BlockRequest, out: BlockRun): void {
  const { volume } = handle;
  const allocator = allocatorOf(volume);
  allocator.enter(handle);
  const ratio = clusterRatio(volume);
  const { inode } = request;
  const isFile = inode !== undefined && !request.metadata;
  search.minimum = Math.max(1, Math.ceil((request.minimum ?? 1) / ratio));
  search.want = Math.min(Math.ceil(request.count / ratio), usableClusters(handle, allocator, ratio));
  search.ino = isFile ? inode.ino : 0;
  search.error = undefined;
  setGoal(volume, request.goal, ratio);
  search.want = Math.min(search.want, volume.geometry.clustersPerGroup);
  search.room = roomToGrow(allocator, ratio);
  if (!takeGoal(volume, allocator, ratio)) searchOutsideMetadata(volume, allocator, ratio);

  const { foundGroup, foundStart, foundCount } = search;
  const space = allocator.space(foundGroup);
  take(handle, allocator, foundGroup, foundStart, foundStart + foundCount);
  if (isFile && (inode.blocks > 0 || foundCount * ratio >= STREAM_BLOCKS)) {
    const bits = space.held ?? blockBitmap(volume, groupDescriptor(volume, foundGroup)).view;
    const shortest = Math.ceil(STREAM_BLOCKS / ratio);
    const longest = Math.ceil(MOST_ROOM_BLOCKS / ratio);
    allocator.windows.grew(inode.ino, space, bits, foundStart, foundStart + foundCount, shortest, longest);
  }
  out.block = groupFirstBlock(volume, foundGroup) + foundStart * ratio;
  out.count = Math.min(foundCount * ratio, request.count, volume.geometry.blockCount - out.block);
  if (inode !== undefined) {
    chargeBlocks(handle, inode, foundCount * volume.geometry.clusterSize);
  }
}

/** Clusters that this request may have, at least `search.minimum`. @throws FileSystemError ENOSPC, RetryAfterCommit */
function usableClusters(handle: Handle, allocator: Allocator, ratio: number): number {
  const { volume, privileged, isNeeded } = handle;
  const free = Math.floor(freeBlockCount(volume) / ratio);
  const kept = isNeeded ? 0 : keptClusterCount(volume);
  const reserved = kept + (privileged ? 0 : Math.floor(reservedBlockCount(volume) / ratio));
  if (free - reserved < search.minimum) {
    throw new FileSystemError(
      "ENOSPC",
      reserved > 0 && free >= search.minimum
        ? `${free} clusters are free, and ${reserved} reserved`
        : `${free} clusters are free`,
    );
  }
  const usable = Math.min(free - reserved, free - allocator.held);
  if (usable < search.minimum) throw new RetryAfterCommit();
  return usable;
}

function setGoal(volume: Volume, goal: number, ratio: number): void {
  const { firstDataBlock, blockCount } = volume.geometry;
  search.group = 0;
  search.cluster = 0;
  if (!(goal >= firstDataBlock && goal < blockCount)) return;
  search.group = groupOfBlock(volume, goal);
  search.cluster = Math.ceil((goal - groupFirstBlock(volume, search.group)) / ratio);
}

/** Clusters that should be free behind what is allocated, so that the next request of the same file finds its place there. */
function roomToGrow(allocator: Allocator, ratio: number): number {
  if (search.ino === 0) return 0;
  const grown = allocator.windows.grownBy(search.ino);
  if (grown === 0 && search.want * ratio < STREAM_BLOCKS) return 0;
  return Math.min(Math.max(grown, search.want), Math.ceil(MOST_ROOM_BLOCKS / ratio));
}

/** Takes the goal itself if enough is free there: all that is wanted, or something when a file goes on there. */
function takeGoal(volume: Volume, allocator: Allocator, ratio: number): boolean {
  const { group, cluster, want, ino } = search;
  if (allocator.badBlockBitmaps.has(group)) return false;
  const space = allocator.space(group);
  if (cluster >= space.clusters) return false;
  try {
    const descriptor = groupDescriptor(volume, group);
    if (descriptor.freeClusters - space.heldCount < 1) return false;
    const bits = space.held ?? blockBitmap(volume, descriptor).view;
    const run = findSet(bits, cluster, Math.min(cluster + want, space.clusters));
    const count = clearOfWindows(space, cluster, run, ino);
    const goesOn = ino !== 0 && allocator.windows.endOf(ino, space) === cluster;
    const enough = Math.min(want, goesOn ? 1 : Math.ceil(STREAM_BLOCKS / ratio));
    if (count < Math.max(enough, search.minimum)) return false;
    search.foundGroup = group;
    search.foundStart = cluster;
    search.foundCount = count;
    return !overlapsMetadata(volume, allocator, ratio);
  } catch (error) {
    if (!isEngineError(error)) throw error;
    search.error = error;
    allocator.blockBitmapIsBad(group, error);
    return false;
  }
}

/** @throws FileSystemError ENOSPC, RetryAfterCommit; the error of a damaged group when only such are left */
function searchOutsideMetadata(volume: Volume, allocator: Allocator, ratio: number): void {
  for (let n = 0; n < MOST_OVERLAPS; n++) {
    findSpace(volume, allocator, search);
    if (search.foundCount === 0) break;
    if (!overlapsMetadata(volume, allocator, ratio)) return;
  }
  if (allocator.held > 0) throw new RetryAfterCommit();
  throw search.error ?? new FileSystemError("ENOSPC", `no run of ${search.minimum} clusters is free`);
}

/** A bitmap that has the file system's own blocks free is wrong; what was found is then dropped. */
function overlapsMetadata(volume: Volume, allocator: Allocator, ratio: number): boolean {
  const { foundGroup, foundStart, foundCount } = search;
  const block = groupFirstBlock(volume, foundGroup) + foundStart * ratio;
  const count = Math.min(foundCount * ratio, volume.geometry.blockCount - block);
  const inside = volume.systemZone?.firstInside(volume, block, count, 0) ?? -1;
  if (inside < 0) return false;
  search.foundCount = 0;
  search.error = new CorruptionError(
    "block-bitmap",
    { group: foundGroup, block: inside },
    "it holds metadata of the file system and is free in the bitmap",
  );
  allocator.blockBitmapIsBad(foundGroup, search.error);
  return true;
}

/** Marks the clusters [from, end) of a group, which are free, as used. */
export function take(handle: Handle, allocator: Allocator, group: number, from: number, end: number): void {
  const { volume } = handle;
  const bitmap = blockBitmap(volume, groupDescriptor(volume, group));
  handle.modifyBits(bitmap, from, end);
  const descriptor = handle.modifyGroup(group);
  if (isBlockUninit(volume, descriptor)) {
    descriptor.flags &= ~GroupFlag.blockUninit;
    handle.changes?.initGroup();
  }
  setBits(bitmap.view, from, end);
  descriptor.freeClusters -= end - from;
  allocator.took(allocator.space(group), from, end);
  handle.modifySuperblock();
  addFreeBlocks(volume, (from - end) * clusterRatio(volume));
  if (allocator.held > 0) allocator.askForCommit();
}
