import { freeBlockCount } from "../alloc/free-counts.js";
import { goalFor } from "../alloc/goal.js";
import { MAX_WRITTEN_EXTENT } from "../format/extent.js";
import { checkOutsideMetadata } from "../groups/system-zone.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import { checkBlockRange } from "../volume.js";
import { freeUnmapped, newClusters, placeInCluster } from "./clusters.js";
import { pullUp, replaceExtents, rewriteExtents } from "./extent-edit.js";
import { ExtentList, MAX_UNWRITTEN_EXTENT } from "./extent-list.js";
import { entryFileBlock, extentStart, lengthOf, rawLength } from "./extent-node.js";
import { ExtentPath } from "./extent-path.js";
import { allocateForMap, blocksPerCluster, countPlaced, holdsMetadata, makeRoomForStep } from "./map-allocation.js";
import { type BlockMapping, MappingType } from "./mapping.js";
import { writeZeros } from "./write-zeros.js";

/** An extent in hand. */
class Extent {
  fileBlock = 0;
  length = 0;
  block = 0;
  unwritten = false;

  /** Takes entry `index` of the leaf. */
  load(path: ExtentPath, index: number): this {
    const leaf = path.depth;
    const view = path.view(leaf);
    const at = path.at(leaf, index);
    const raw = rawLength(view, at);
    this.fileBlock = entryFileBlock(view, at);
    this.length = lengthOf(raw);
    this.block = extentStart(view, at);
    this.unwritten = raw > MAX_WRITTEN_EXTENT;
    return this;
  }

  get end(): number {
    return this.fileBlock + this.length;
  }
}

const scratch = new Extent();

/**
 * Fills the beginning of the hole that `out` shows, which begins with the block that is wanted.
 *
 * @param count blocks, at most the hole's
 */
export function allocateExtent(
  handle: Handle,
  inode: Inode,
  count: number,
  unwritten: boolean,
  out: BlockMapping,
): void {
  const { volume } = handle;
  const { fileBlock } = out;
  const path = new ExtentPath(volume, inode).find(fileBlock);
  const goal = goalOf(path, fileBlock);
  const ratio = blocksPerCluster(volume);
  let wanted = Math.min(count, unwritten ? MAX_UNWRITTEN_EXTENT : MAX_WRITTEN_EXTENT);
  let block: number;
  if (ratio > 1 && placeInCluster(volume, inode, out, wanted)) {
    ({ block } = out);
    wanted = Math.min(wanted, out.length);
    // What else lies in the cluster is the file's only if no hostile extent put it into one that holds metadata.
    const location = { inode: inode.ino, fileBlock, block };
    checkBlockRange(volume, block, wanted, "extent-range", location);
    checkOutsideMetadata(volume, block, wanted, inode.ino, location);
  } else {
    if (ratio > 1) wanted = Math.min(wanted, out.length);
    const lead = fileBlock % ratio; // blocks of the cluster before the one that is wanted
    const metadata = holdsMetadata(volume, inode);
    const run = allocateForMap(handle, inode, Math.max(0, goal - lead), lead + wanted, metadata);
    block = run.block + lead;
    wanted = Math.min(wanted, run.count - lead);
  }
  insert(handle, path, fileBlock, wanted, block, unwritten);
  out.set(unwritten ? MappingType.unwritten : MappingType.mapped, fileBlock, wanted, block);
  out.isNew = true;
}

/** Maps a hole to blocks that are marked as used already; they are counted as the inode's. */
export function placeExtent(
  handle: Handle,
  inode: Inode,
  fileBlock: number,
  length: number,
  block: number,
  unwritten: boolean,
): void {
  const { volume } = handle;
  countPlaced(handle, inode, newClusters(volume, inode, fileBlock, length, block));
  insert(handle, new ExtentPath(volume, inode), fileBlock, length, block, unwritten);
}

/** Where a block should go, as the kernel's ext4_ext_find_goal has it: as far from its neighbour as in the file. */
function goalOf(path: ExtentPath, fileBlock: number): number {
  const leaf = path.depth;
  if (path.count(leaf) === 0) return goalFor(path.volume, path.inode, fileBlock);
  const near = new Extent().load(path, Math.max(1, path.index[leaf]!));
  return Math.max(0, near.block + fileBlock - near.fileBlock);
}

/** Adds a mapping in a hole, joined with its neighbours in the leaf where that can be. */
function insert(
  handle: Handle,
  path: ExtentPath,
  fileBlock: number,
  length: number,
  block: number,
  unwritten: boolean,
): void {
  const index = path.find(fileBlock).index[path.depth]!;
  const after = index < path.count(path.depth);
  handle.changes?.map(path.inode, fileBlock, fileBlock + length);
  const list = new ExtentList();
  if (index > 0) addEntry(list, path, index);
  list.add(fileBlock, length, block, unwritten);
  if (after) addEntry(list, path, index + 1);
  const old = (index > 0 ? 1 : 0) + (after ? 1 : 0);
  replaceExtents(handle, path, Math.max(1, index), old, list, block);
}

function addEntry(list: ExtentList, path: ExtentPath, index: number): void {
  const { fileBlock, length, block, unwritten } = scratch.load(path, index);
  list.add(fileBlock, length, block, unwritten);
}

/**
 * Makes all extents in a range of file blocks written, or unwritten.
 *
 * @param zeroOut whether more of an unwritten extent may become written, as zeros and up to the end of the file, where there is no space
 *   for the nodes that its parts need: whoever writes to what was allocated is not refused (EXT4_EXT_MAY_ZEROOUT)
 */
export function setUnwritten(
  handle: Handle,
  inode: Inode,
  from: number,
  to: number,
  unwritten: boolean,
  zeroOut = false,
): void {
  const path = new ExtentPath(handle.volume, inode);
  const list = new ExtentList();
  const extent = new Extent();
  // Backwards, so that what was joined with what lies behind it is not met again.
  for (let end = to; end > from; ) {
    makeRoomForStep(handle, inode);
    const index = path.find(end - 1).index[path.depth]!;
    if (index === 0) break;
    extent.load(path, index);
    if (extent.end <= from) break;
    let start = Math.max(from, extent.fileBlock);
    let stop = Math.min(end, extent.end);
    end = start;
    if (extent.unwritten === unwritten) continue;
    const { fileBlock, block } = extent;
    if (zeroOut && cannotBeCut(handle, path)) {
      const { volume } = handle;
      const last = Math.max(stop, Math.min(extent.end, Math.ceil(inode.size / volume.geometry.blockSize)));
      writeZeros(volume, block, start - fileBlock);
      writeZeros(volume, block + stop - fileBlock, last - stop);
      start = fileBlock;
      stop = last;
    }
    handle.changes?.map(inode, start, stop);
    list.clear();
    if (index > 1) addEntry(list, path, index - 1);
    if (start > fileBlock) list.add(fileBlock, start - fileBlock, block, !unwritten);
    list.add(start, stop - start, block + start - fileBlock, unwritten);
    if (extent.end > stop) list.add(stop, extent.end - stop, block + stop - fileBlock, !unwritten);
    const after = index < path.count(path.depth);
    if (after) addEntry(list, path, index + 1);
    const old = 1 + (index > 1 ? 1 : 0) + (after ? 1 : 0);
    rewriteExtents(handle, path, Math.max(1, index - 1), old, list, block);
  }
  pullUp(handle, inode);
}

/** Whether the leaf may not take the entries that parts of an extent need, and not even what must not be refused finds nodes for them. */
function cannotBeCut(handle: Handle, path: ExtentPath): boolean {
  return (
    path.room(path.depth) < 2 && freeBlockCount(handle.volume) < (path.depth + 2) * blocksPerCluster(handle.volume)
  );
}

/** Unmaps and frees a range of file blocks, last first. */
export function removeExtents(handle: Handle, inode: Inode, from: number, to: number): void {
  const { volume } = handle;
  const path = new ExtentPath(volume, inode);
  const list = new ExtentList();
  const extent = new Extent();
  const metadata = holdsMetadata(volume, inode);
  for (let end = to; end > from; ) {
    makeRoomForStep(handle, inode);
    const index = path.find(end - 1).index[path.depth]!;
    if (index === 0) break;
    extent.load(path, index);
    if (extent.end <= from) break;
    const start = Math.max(from, extent.fileBlock);
    const stop = Math.min(end, extent.end);
    end = start;
    handle.changes?.map(inode, start, stop);
    const { fileBlock, block, unwritten } = extent;
    list.clear();
    if (start > fileBlock) list.add(fileBlock, start - fileBlock, block, unwritten);
    if (extent.end > stop) list.add(stop, extent.end - stop, block + stop - fileBlock, unwritten);
    rewriteExtents(handle, path, index, 1, list, block);
    freeUnmapped(handle, inode, start, stop - start, block + start - fileBlock, metadata);
  }
  pullUp(handle, inode);
}
