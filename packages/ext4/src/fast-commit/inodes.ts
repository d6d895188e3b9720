import { claimInode } from "../alloc/claim.js";
import { initDirectory } from "../dir/change.js";
import { CorruptionError } from "../errors.js";
import { FileType, I_BLOCK_OFFSET, I_BLOCK_SIZE, InodeFlag, InodeLayout } from "../format/inode.js";
import { decodeInode } from "../inode/decode-inode.js";
import { Inode, inodeChecksumSeed } from "../inode/inode.js";
import { takeExtraSize } from "../inode/inode-table.js";
import type { Handle } from "../journal/handle.js";
import { transact } from "../journal/transactions.js";
import { initExtentRoot } from "../map/allocate-range.js";
import { countPlaced } from "../map/map-allocation.js";
import { MAX_FILE_BLOCKS } from "../map/mapping.js";
import { removeRange } from "../map/remove-range.js";
import { clearInlineData } from "../map/write-inline.js";
import { hasBlocks } from "../namespace/release.js";
import { chargeInode, transferQuota } from "../quota/quota.js";
import type { Volume } from "../volume.js";
import { removeAllXattrs } from "../xattr/remove-all.js";
import { generationOf, type InodeHistory } from "./history.js";
import { usedInode } from "./used-inode.js";

const GENERATION_END = I_BLOCK_OFFSET + I_BLOCK_SIZE;
/** Blocks that one step changes: an inode, bitmaps, descriptors, a tree's nodes, attributes, quota. */
const INODE_CREDITS = 96;

/** One step of a replay. It is refused nothing: whose change it brings back was granted it. */
export function replayStep(volume: Volume, step: (handle: Handle) => void, credits = INODE_CREDITS): void {
  transact(volume, Math.min(credits, volume.transactions!.mostCredits), (handle) => {
    handle.asNeeded(() => step(handle));
  });
}

/**
 * Makes an inode what was logged of it last, all but what it maps. A new directory gets its first entries later: see
 * initNewDirectory.
 *
 * @param isOrphan whether i_dtime leads to the next orphan
 * @returns whether there is such an inode
 */
export function applyInode(volume: Volume, history: InodeHistory, isOrphan: boolean): boolean {
  const { ino, raw } = history;
  const before = usedInode(volume, ino);
  if (raw === undefined) return before !== undefined;
  const isNew = before === undefined || history.isNew || generationOf(raw) !== before.generation;
  // A directory is logged when it is made and never again; what was done to it since, its entries tell.
  if (!isNew && before.isDirectory) return true;
  replayStep(volume, (handle) => {
    const keeps = !isNew && keepsMap(before, raw);
    if (before !== undefined && !keeps) release(handle, before, isNew);
    const inode = loggedInode(volume, ino, raw, isNew ? undefined : before, keeps);
    inode.dtime = before !== undefined && isOrphan ? before.dtime : 0;
    if (before === undefined) {
      claimInode(handle, ino, inode.mode);
      inode.createdIn = handle.number;
    } else {
      countDirectory(handle, before, inode);
      transferQuota(handle, before, inode);
    }
    handle.modifyInode(inode);
    volume.inodes.delete(ino);
    volume.inodes.add(inode);
    if (before === undefined) chargeInode(handle, inode, 1);
    if (isNew && inode.fileAcl !== 0) countPlaced(handle, inode, 1);
  });
  return true;
}

/** Frees what the inode has that its next form does not take over: all of another file, or a map of another kind. */
function release(handle: Handle, before: Inode, isNew: boolean): void {
  handle.modifyInode(before);
  if (hasBlocks(handle.volume, before)) removeRange(handle, before, 0, MAX_FILE_BLOCKS);
  if (before.hasInlineData && !isNew) clearInlineData(handle, before);
  if (isNew) removeAllXattrs(handle, before);
}

/** Whether a file's logged form has a map of the same kind. */
function keepsMap(before: Inode, raw: Uint8Array): boolean {
  const view = viewOf(raw);
  const flags = view.getUint32(InodeLayout.offset.flags, true);
  const kinds = InodeFlag.extents | InodeFlag.inlineData;
  const type = view.getUint16(InodeLayout.offset.mode, true) & FileType.mask;
  return (before.flags & kinds) === (flags & kinds) && before.type === type;
}

/**
 * The inode that was logged, with the blocks that it has.
 *
 * @param old what it was; undefined if it was another file, or none
 * @param keepsMap whether the map is the old one, else it is empty
 * @throws CorruptionError as reading an inode
 */
function loggedInode(
  volume: Volume,
  ino: number,
  logged: Uint8Array,
  old: Inode | undefined,
  keepsMap: boolean,
): Inode {
  const inode = new Inode(ino, new Uint8Array(volume.geometry.inodeSize));
  const { raw, view } = inode;
  if (old !== undefined) raw.set(old.raw);
  raw.set(logged.subarray(0, I_BLOCK_OFFSET));
  raw.set(logged.subarray(GENERATION_END), GENERATION_END);
  takeExtraSize(inode, { inode: ino });
  const flags = view.getUint32(InodeLayout.offset.flags, true);
  const type = view.getUint16(InodeLayout.offset.mode, true) & FileType.mask;
  const hasMap = type === FileType.regular || type === FileType.directory || (flags & InodeFlag.extents) !== 0;
  // Without a map, i_block holds a target, a device number or data.
  if ((flags & InodeFlag.inlineData) !== 0 || !hasMap) {
    raw.set(logged.subarray(I_BLOCK_OFFSET, GENERATION_END), I_BLOCK_OFFSET);
  } else if (!keepsMap) {
    inode.block.fill(0);
  }
  decodeInode(volume, inode, true);
  if (volume.features.metadataCsum) {
    inode.checksumSeed = inodeChecksumSeed(volume.checksumSeed, ino, inode.generation);
  }
  if (inode.isDirectory) clearDirectory(volume, inode);
  else if (inode.hasExtents && !keepsMap) initExtentRoot(inode);
  inode.blocks = old?.blocks ?? 0;
  return inode;
}

/** Without entries, blocks and names so far. */
function clearDirectory(volume: Volume, inode: Inode): void {
  inode.size = 0;
  inode.linksCount = 0;
  inode.flags &= ~(InodeFlag.inlineData | InodeFlag.index | InodeFlag.extents);
  inode.block.fill(0);
  if (volume.features.extents) initExtentRoot(inode);
}

/** An inode number that changes hands between a directory and a file counts in its group. */
function countDirectory(handle: Handle, before: Inode, inode: Inode): void {
  if (before.isDirectory === inode.isDirectory) return;
  const group = Math.floor((inode.ino - 1) / handle.volume.geometry.inodesPerGroup);
  const descriptor = handle.modifyGroup(group);
  descriptor.usedDirectories = Math.max(0, descriptor.usedDirectories + (inode.isDirectory ? 1 : -1));
}

/** Gives a directory that a fast commit made its `.` and `..`. */
export function initNewDirectory(volume: Volume, { ino, parent }: InodeHistory): void {
  const inode = usedInode(volume, ino);
  if (inode === undefined || !inode.isDirectory || inode.size !== 0) return;
  if (parent === 0 || parent === ino) {
    throw new CorruptionError("journal-block", { inode: ino }, "fast commit: a new directory in no other one");
  }
  replayStep(volume, (handle) => {
    handle.modifyInode(inode);
    initDirectory(handle, inode, parent);
  });
}

function viewOf(raw: Uint8Array): DataView {
  return new DataView(raw.buffer, raw.byteOffset, raw.length);
}
