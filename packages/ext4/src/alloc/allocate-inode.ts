import { CorruptionError, FileSystemError, isEngineError } from "../errors.js";
import { roCompatFeature } from "../format/features.js";
import { GroupFlag } from "../format/group-descriptor.js";
import { FileType, GOOD_OLD_INODE_SIZE, InodeFlag, InodeLayout } from "../format/inode.js";
import { type GroupDescriptor, groupDescriptor } from "../groups/group-table.js";
import { Inode, inodeChecksumSeed } from "../inode/inode.js";
import { inodeTableBlock } from "../inode/inode-table.js";
import type { Handle } from "../journal/handle.js";
import { initExtentRoot } from "../map/extent-edit.js";
import { chargeInode } from "../quota/quota.js";
import type { Volume } from "../volume.js";
import { type Allocator, allocatorOf } from "./allocator.js";
import { findClear, findSet, setBits } from "./bits.js";
import { blockBitmap, isBlockUninit } from "./block-bitmap.js";
import { MOST_GROUPS } from "./find-space.js";
import { addFreeInodes } from "./free-counts.js";
import { inodeBitmap, isInodeUninit } from "./inode-bitmap.js";
import { inheritedFlags } from "./inode-flags.js";
import { placeInode } from "./place-inode.js";

export interface InodeRequest {
  readonly parent: Inode;
  /** With the file type. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Default: the parent's when it hands its own down, else 0. */
  readonly projectId?: number;
  /** Whether it is to hold an attribute's value: who has the attribute pays for it. */
  readonly holdsValue?: boolean;
  /** Inode number to look from. */
  readonly goal?: number;
}

/** Damaged groups that one search puts up with. */
const MOST_DAMAGED = 64;

/**
 * Allocates an inode: all zeros but for its mode, owners, times, generation, inherited flags and an empty extent tree (files,
 * directories and symbolic links, where the feature is on), with no links yet. It is in the cache of inodes and may be changed in this
 * handle.
 *
 * @throws FileSystemError ENOSPC, EDQUOT; CorruptionError
 */
export function allocateInode(handle: Handle, request: InodeRequest): Inode {
  const { volume } = handle;
  const allocator = allocatorOf(volume);
  allocator.enter(handle);
  const { inodesPerGroup, inodeSize } = volume.geometry;
  const index = findInode(volume, allocator, request);
  const group = Math.floor(index / inodesPerGroup);
  const { changes } = handle;
  if (changes?.complete === true && holdsMore(volume, index + 1)) changes.refuse();
  takeInode(handle, allocator, group, index - group * inodesPerGroup, request.mode);

  const inode = new Inode(index + 1, new Uint8Array(inodeSize));
  inode.createdIn = handle.number;
  fill(volume, allocator, inode, request);
  handle.modifyInode(inode);
  allocator.createdInode(allocator.space(group), inode);
  volume.inodes.delete(inode.ino);
  volume.inodes.add(inode);
  if (request.holdsValue !== true) chargeInode(handle, inode, 1);
  return inode;
}

/** A free inode, counted from 0. @throws FileSystemError ENOSPC; the error of a damaged group when only such are left */
function findInode(volume: Volume, allocator: Allocator, { parent, mode, goal }: InodeRequest): number {
  const { groupCount, inodesPerGroup, inodeCount } = volume.geometry;
  let start: number;
  let from = 0;
  if (goal !== undefined && goal >= 1 && goal <= inodeCount) {
    start = Math.floor((goal - 1) / inodesPerGroup);
    from = goal - 1 - start * inodesPerGroup;
  } else {
    start = placeInode(volume, allocator, parent, mode);
  }
  let failure: unknown;
  let damaged = 0;
  const looks = start < 0 ? 0 : Math.min(groupCount, MOST_GROUPS);
  for (let n = 0; n < looks && damaged <= MOST_DAMAGED; n++, from = 0) {
    const group = (start + n) % groupCount;
    if (allocator.badInodeBitmaps.has(group)) continue;
    try {
      const index = findInGroup(volume, allocator, group, from);
      if (index >= 0) return group * inodesPerGroup + index;
    } catch (error) {
      if (!isEngineError(error)) throw error;
      failure ??= error;
      damaged++;
      allocator.inodeBitmapIsBad(group, error);
    }
  }
  throw failure ?? new FileSystemError("ENOSPC", "no inode is free");
}

function findInGroup(volume: Volume, allocator: Allocator, group: number, from: number): number {
  const descriptor = groupDescriptor(volume, group);
  if (descriptor.freeInodes === 0) return -1;
  const { inodesPerGroup, firstInode } = volume.geometry;
  const { view } = inodeBitmap(volume, descriptor);
  const space = allocator.space(group);
  const first = group === 0 ? firstInode - 1 : 0;
  const lowest = Math.max(first, space.lowestInode);
  let index = findClear(view, Math.max(from, lowest), inodesPerGroup);
  if (index >= inodesPerGroup && from > lowest) index = findClear(view, lowest, inodesPerGroup);
  if (index >= inodesPerGroup) {
    throw new CorruptionError(
      "inode-bitmap",
      { group, block: descriptor.inodeBitmap },
      `the descriptor counts ${descriptor.freeInodes} free inodes, and none is free in the bitmap`,
    );
  }
  if (from <= lowest) space.lowestInode = index;
  return index;
}

/**
 * Whether an inode's place in the table has something behind the fields of a new one, attributes of the former file for example. e2fsck
 * 1.47 leaves it there when it replays a fast commit.
 */
function holdsMore(volume: Volume, ino: number): boolean {
  const { inodeSize, inodesPerBlock, extraInodeSize } = volume.geometry;
  try {
    const { data } = inodeTableBlock(volume, ino);
    const start = ((ino - 1) % inodesPerBlock) * inodeSize;
    const fields = GOOD_OLD_INODE_SIZE + extraInodeSize;
    for (let at = start + fields; at < start + inodeSize; at++) if (data[at] !== 0) return true;
    return false;
  } catch (error) {
    if (!isEngineError(error)) throw error;
    return true; // nobody has to read it for a new inode
  }
}

/** Marks an inode that is free, counted from 0 in its group, as used. @throws CorruptionError inode-bitmap */
export function takeInode(handle: Handle, allocator: Allocator, group: number, index: number, mode: number): void {
  const { volume } = handle;
  const { freeInodes, inodeBitmap: block } = groupDescriptor(volume, group);
  if (freeInodes === 0) {
    const evidence = `inode ${index} of the group is free in it, and none in the descriptor`;
    throw new CorruptionError("inode-bitmap", { group, block }, evidence);
  }
  const bitmap = inodeBitmap(volume, groupDescriptor(volume, group));
  handle.modifyBits(bitmap, index, index + 1);
  const descriptor = handle.modifyGroup(group);
  bringBlocksIntoUse(handle, allocator, descriptor, bitmap.view, index);
  setBits(bitmap.view, index, index + 1);
  descriptor.freeInodes--;
  if ((mode & FileType.mask) === FileType.directory) {
    descriptor.usedDirectories++;
    allocator.directories++;
  }
  const space = allocator.space(group);
  if (space.lowestInode === index) space.lowestInode = index + 1;
  handle.modifySuperblock();
  addFreeInodes(volume, -1);
}

/**
 * Sees to it that the inode's block of the table is in the cache as it has to be. Behind the inodes that were ever used a table may hold
 * anything (the kernel zeroes it some day, and says so with INODE_ZEROED): blocks that come into use are zeroed. One without an inode in
 * use need not be read either.
 */
function bringBlocksIntoUse(
  handle: Handle,
  allocator: Allocator,
  descriptor: GroupDescriptor,
  bitmap: DataView,
  index: number,
): void {
  const { volume } = handle;
  const { inodesPerGroup, inodesPerBlock, inodeTableBlocks } = volume.geometry;
  const { group, inodeTable } = descriptor;
  const { metadataCsum, gdtCsum } = volume.features;
  const inTable = Math.floor(index / inodesPerBlock);
  if (inTable >= inodeTableBlocks) {
    throw new CorruptionError("inode-geometry", { inode: group * inodesPerGroup + index + 1 }, "no block holds it");
  }
  if (metadataCsum || gdtCsum) {
    const used = isInodeUninit(volume, descriptor) ? 0 : Math.max(0, inodesPerGroup - descriptor.unusedInodes);
    if (index >= used) {
      if ((descriptor.flags & GroupFlag.inodeZeroed) === 0) {
        zeroBlocks(volume, inodeTable + Math.ceil(used / inodesPerBlock), inodeTable + inTable);
      }
      descriptor.unusedInodes = inodesPerGroup - 1 - index;
    }
    if (isInodeUninit(volume, descriptor)) handle.changes?.initGroup();
    descriptor.flags &= ~GroupFlag.inodeUninit;
    if (isBlockUninit(volume, descriptor)) {
      handle.modify(blockBitmap(volume, descriptor));
      descriptor.flags &= ~GroupFlag.blockUninit;
      handle.changes?.initGroup();
      allocator.blockBitmapInUse(group);
    }
  }
  const first = inTable * inodesPerBlock;
  const end = Math.min(first + inodesPerBlock, inodesPerGroup);
  if (findSet(bitmap, first, end) < end) return;
  const block = inodeTable + inTable;
  const cached = volume.cache.peek(block);
  if (cached === undefined || cached.transaction === 0) handle.create(block);
}

/** Zeroes the blocks [from, end) of an inode table that no inode is used in: only a goal far behind leaves any. */
function zeroBlocks(volume: Volume, from: number, end: number): void {
  if (from >= end) return;
  const zeros = new Uint8Array(volume.geometry.blockSize);
  for (let block = from; block < end; block++) {
    volume.cache.peek(block)?.data.fill(0);
    volume.device.write(block * zeros.length, zeros);
  }
}

function fill(volume: Volume, allocator: Allocator, inode: Inode, request: InodeRequest): void {
  const { features, environment } = volume;
  const { parent, mode } = request;
  inode.mode = mode;
  inode.uid = request.uid;
  inode.gid = request.gid;
  inode.flags = inheritedFlags(parent.flags, mode);
  inode.generation = allocator.random32();
  if (volume.geometry.inodeSize > GOOD_OLD_INODE_SIZE) {
    inode.extraSize = volume.geometry.extraInodeSize;
    inode.hasCrtime = GOOD_OLD_INODE_SIZE + inode.extraSize >= InodeLayout.offset.crtime + 4;
  }
  const { seconds, nanoseconds } = environment.clock.now();
  inode.atime = inode.mtime = inode.ctime = inode.crtime = seconds;
  inode.atimeNanoseconds = inode.mtimeNanoseconds = inode.ctimeNanoseconds = inode.crtimeNanoseconds = nanoseconds;
  if ((features.roCompat & roCompatFeature.project) !== 0) {
    inode.projectId = request.projectId ?? (parent.has(InodeFlag.projectInherit) ? parent.projectId : 0);
  }
  if (features.metadataCsum) {
    inode.checksumSeed = inodeChecksumSeed(volume.checksumSeed, inode.ino, inode.generation);
  }
  const type = mode & FileType.mask;
  if (features.extents && (type === FileType.regular || type === FileType.directory || type === FileType.symlink)) {
    initExtentRoot(inode);
  }
}
