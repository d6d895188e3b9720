import { type CachedBlock, Verified } from "../cache/block-cache.js";
import { FileSystemError } from "../errors.js";
import { InodeFlag } from "../format/inode.js";
import type { Inode } from "../inode/inode.js";
import { setSize } from "../inode/size.js";
import { ALLOCATE_CREDITS, allocateRange, convertUnwritten } from "../map/allocate-range.js";
import { mapBlocks } from "../map/map-blocks.js";
import { BlockMapping, MappingType } from "../map/mapping.js";
import type { Volume } from "../volume.js";
import type { Handle } from "./handle.js";
import { transact } from "./transactions.js";

/**
 * File data in the journal (data=journal, chattr +j): it is written through transactions, block by block, as metadata is, and so
 * it cannot be read from the device before the next checkpoint.
 */

/** Blocks of data that one step writes at most. */
const MOST_BLOCKS = 64;
/** Blocks that a step changes besides the data: a mapping, its conversion, the inode. */
const STEP_CREDITS = 2 * ALLOCATE_CREDITS + 4;

const mapping = new BlockMapping();

/** Whether a file's data goes through the journal: whoever reads or writes it asks here, not the device. Inline data does not. */
export function journalsData(volume: Volume, inode: Inode): boolean {
  return !inode.hasInlineData && ownsData(volume, inode);
}

/** Whether a file's data is the engine's to read and write, in the journal, or in the inode as long as it fits there. */
export function ownsData({ transactions }: Volume, inode: Inode): boolean {
  if (transactions?.journalled !== true || !inode.isRegular) return false;
  return transactions.journalsAllData || inode.has(InodeFlag.journalData);
}

/** Puts a block of a file's data into the journal, one that was allocated just now. */
export function journalBlock(handle: Handle, block: number, bytes: Uint8Array): void {
  dataBlock(handle, block, true).data.set(bytes);
}

/**
 * Writes file data in transactions, and sets the size; times are the caller's. What was written before a failure stays.
 *
 * @param pos bytes
 * @param privileged whether the blocks reserved for the superuser may be used
 * @returns bytes that were written: all, or less where space ended
 * @throws FileSystemError ENOSPC, EDQUOT, EFBIG when nothing was; CorruptionError, DeviceError
 */
export function writeJournalled(
  volume: Volume,
  inode: Inode,
  pos: number,
  bytes: Uint8Array,
  privileged = false,
): number {
  const { blockSize } = volume.geometry;
  const most = Math.min(MOST_BLOCKS, Math.max(1, (volume.transactions?.mostCredits ?? 0) >> 2));
  clearBehindEnd(volume, inode, pos);
  let done = 0;
  while (done < bytes.length) {
    const at = pos + done;
    const end = Math.min(pos + bytes.length, (Math.floor(at / blockSize) + most) * blockSize);
    try {
      const from = done;
      done += transact(volume, STEP_CREDITS + most, (handle) => {
        handle.privileged = privileged;
        return writeStep(handle, inode, at, bytes.subarray(from, end - pos));
      });
    } catch (error) {
      if (done === 0 || !(error instanceof FileSystemError)) throw error;
      return done;
    }
  }
  return done;
}

/** Writes as much of `bytes` as one mapping takes. */
function writeStep(handle: Handle, inode: Inode, pos: number, bytes: Uint8Array): number {
  const { volume } = handle;
  const { blockSize, blockBits } = volume.geometry;
  const first = Math.floor(pos / blockSize);
  const count = Math.ceil((pos + bytes.length) / blockSize) - first;
  // Where neither blocks nor the size change as well: fdatasync asks the inode which transaction it has to wait for.
  handle.modifyInode(inode);
  allocateRange(handle, inode, first, count, false, mapping);
  const { block, isNew, type, length } = mapping;
  const end = Math.min(pos + bytes.length, (first + length) * blockSize);
  const isEmpty = isNew || type === MappingType.unwritten;
  for (let at = pos; at < end; ) {
    const inBlock = at % blockSize;
    const stop = Math.min(end, at - inBlock + blockSize);
    const number = block + Math.floor(at / blockSize) - first;
    const whole = stop - at === blockSize;
    const cached = dataBlock(handle, number, isEmpty || whole);
    cached.data.set(bytes.subarray(at - pos, stop - pos), inBlock);
    at = stop;
  }
  if (type === MappingType.unwritten) {
    convertUnwritten(handle, inode, first, Math.ceil(end / 2 ** blockBits) - first);
  }
  if (end > inode.size) setSize(handle, inode, end);
  return end - pos;
}

/** A block of data, announced as changed. @param fresh whether what the device holds does not matter */
function dataBlock(handle: Handle, number: number, fresh: boolean): CachedBlock {
  let block: CachedBlock;
  if (fresh) {
    block = handle.create(number);
  } else {
    block = handle.volume.cache.read(number);
    handle.modify(block);
  }
  block.verifiedAs = Verified.data;
  handle.volume.transactions!.hasJournalledData = true;
  return block;
}

/** What lies behind the end of a file in its last block is nobody's; a write further on makes it part of the file, as zeros. */
export function clearBehindEnd(volume: Volume, inode: Inode, pos: number): void {
  const { blockSize } = volume.geometry;
  const { size } = inode;
  if (pos <= size || size % blockSize === 0) return;
  const fileBlock = Math.floor(size / blockSize);
  mapBlocks(volume, inode, fileBlock, mapping);
  if (mapping.type !== MappingType.mapped) return;
  const { block } = mapping;
  transact(volume, 2, (handle) => {
    dataBlock(handle, block, false).data.fill(0, size % blockSize);
  });
}

/**
 * Reads file data, that which is in the journal only included.
 *
 * @param pos bytes; `target` ends at the end of the file or before
 */
export function readJournalled(volume: Volume, inode: Inode, pos: number, target: Uint8Array): void {
  const { blockSize } = volume.geometry;
  const { cache, device } = volume;
  const end = pos + target.length;
  for (let at = pos; at < end; ) {
    const fileBlock = Math.floor(at / blockSize);
    mapBlocks(volume, inode, fileBlock, mapping);
    const stop = Math.min(end, (mapping.fileBlock + mapping.length) * blockSize);
    if (mapping.type !== MappingType.mapped) {
      target.fill(0, at - pos, stop - pos);
      at = stop;
      continue;
    }
    const base = (mapping.block - mapping.fileBlock) * blockSize;
    device.read(base + at, target.subarray(at - pos, stop - pos));
    for (; at < stop; at = Math.min(stop, (Math.floor(at / blockSize) + 1) * blockSize)) {
      const cached = cache.peek((base + at - (at % blockSize)) / blockSize);
      if (cached === undefined) continue;
      const inBlock = at % blockSize;
      const length = Math.min(stop - at, blockSize - inBlock);
      target.set(cached.data.subarray(inBlock, inBlock + length), at - pos);
    }
  }
}
