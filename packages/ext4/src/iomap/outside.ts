/**
 * Mappings for hosts outside of this process: a kernel, or whoever asks over a socket. Between an answer and the end of the I/O
 * any number of transactions may commit, and the host may never come back. So nothing that it is told of may show what the
 * device held before: fresh blocks are unwritten until the host says that their data is there (`ioend`). Files with block
 * pointers have no such state; their fresh blocks are zeros on the device before the host hears of them.
 *
 * What a host was told of stays the file's until the host itself asks for it to go: only SETATTR, FALLOCATE and the last FORGET
 * free data blocks, and a host waits for its I/O before it sends these.
 */
import { FileSystemError } from "../errors.js";
import { InodeFlag } from "../format/inode.js";
import type { Inode } from "../inode/inode.js";
import { maxFileSize } from "../inode/size.js";
import type { Handle } from "../journal/handle.js";
import { changing, transact } from "../journal/transactions.js";
import { ALLOCATE_CREDITS, allocateRange } from "../map/allocate-range.js";
import { mapBlocks } from "../map/map-blocks.js";
import { BlockMapping, MAX_FILE_BLOCKS, MappingType } from "../map/mapping.js";
import { writeZeros } from "../map/write-zeros.js";
import { inlineMapping, spillToBlock, writesInline } from "../namespace/data.js";
import { ORPHAN_CREDITS } from "../orphan/change.js";
import type { Volume } from "../volume.js";
import { type IomapMapping, mapBytes } from "./begin.js";
import { maxBytes } from "./config.js";
import { IomapFlag, IomapOperation, WRITING } from "./flags.js";
import { checkNotPinned, noteGrowth } from "./promises.js";

/** Bytes that one call allocates at most; what a host then does not write stays the file's, as if fallocate had made it. */
const MOST_ALLOCATED = 256 * 1024 * 1024;

/** Parts of a hole that are looked at in one call: the maps of files with block pointers tell of them piece by piece. */
const MOST_PARTS = 4096;

const run = new BlockMapping();

/** How the host that asks is served. */
export interface OutsideOptions {
  /** Number of the device that addresses belong to. */
  readonly dev: number;
  /** Whether the device writes a block wholly or not at all, whatever happens. */
  readonly atomicWrites: boolean;
  /** Whether the blocks reserved for the superuser may be used. */
  readonly privileged: boolean;
}

/**
 * Fills `out` with the mapping of byte `pos`; see `mapBytes`. For an operation that writes it is where to write, what was a hole
 * being allocated, unless it is only to be zeroed or made its own.
 *
 * @param pos bytes, 0 or more
 * @param count bytes that the operation has to do from `pos` on, 1 or more; may be huge
 * @param operation flags of IomapOperation
 * @throws FileSystemError EISDIR, EINVAL, ENOKEY, EFBIG; EAGAIN where the flags forbid what would be needed; for those that write
 *   ENOSPC, EDQUOT, EPERM, EROFS, ETXTBSY, EOPNOTSUPP (ATOMIC); CorruptionError, DeviceError
 */
export function mapForOutside(
  volume: Volume,
  inode: Inode,
  pos: number,
  count: number,
  operation: number,
  options: OutsideOptions,
  out: IomapMapping,
): void {
  checkFile(inode);
  if (!(pos >= 0 && count > 0)) throw new FileSystemError("EINVAL", `${count} bytes at ${pos}`);
  const writes = (operation & WRITING) !== 0;
  const limit = writes ? maxFileSize(volume, inode) : maxBytes(volume);
  if (pos >= limit) {
    throw new FileSystemError(writes ? "EFBIG" : "EINVAL", `byte ${pos} of a file that can have ${limit}`);
  }
  const length = Math.min(count, limit - pos);
  if (writes) mapToWrite(volume, inode, pos, length, operation, options, out);
  else {
    map(volume, inode, pos, length, options.dev, out);
    if ((operation & IomapOperation.swapfile) !== 0) volume.promises.pinned.add(inode.ino);
  }
  const { type } = out;
  const placed = type === MappingType.mapped || type === MappingType.unwritten;
  // A crash now could lose where the data lies, however durable that is itself. Swap space must not say so.
  if (placed && (operation & IomapOperation.report) === 0 && volume.transactions?.isUncommitted(inode, true) === true) {
    out.flags |= IomapFlag.dirty;
  }
}

function checkFile(inode: Inode): void {
  if (inode.isDirectory) throw new FileSystemError("EISDIR", `inode ${inode.ino} is a directory`);
  if (!inode.isRegular) throw new FileSystemError("EINVAL", `inode ${inode.ino} is no regular file`);
  if (inode.has(InodeFlag.encrypt)) {
    throw new FileSystemError("ENOKEY", `inode ${inode.ino} is encrypted, and there is no key`);
  }
}

/** A mapping that is made of several records says so. Block pointers are such records. */
function map(volume: Volume, inode: Inode, pos: number, count: number, dev: number, out: IomapMapping): void {
  const joined = mapBytes(volume, inode, pos, count, dev, out);
  const { type } = out;
  if (type === MappingType.hole) widenHole(volume, inode, Math.ceil((pos + count) / volume.geometry.blockSize), out);
  if (type === MappingType.inline || type === MappingType.hole) return;
  if (joined > 0 || !inode.hasExtents) out.flags |= IomapFlag.merged;
}

/** A hole reaches to the next mapping; when there is none, to the end of the file, and as far as was asked. */
function widenHole(volume: Volume, inode: Inode, wanted: number, out: IomapMapping): void {
  const { blockSize } = volume.geometry;
  const first = out.offset / blockSize;
  const horizon = Math.min(Math.max(Math.ceil(inode.size / blockSize), wanted, first + 1), MAX_FILE_BLOCKS);
  let end = first;
  for (let parts = 0; (parts === 0 || end < horizon) && parts < MOST_PARTS; parts++) {
    mapBlocks(volume, inode, end, run);
    if (run.type !== MappingType.hole) break;
    end += run.length;
  }
  out.length = ((end < MAX_FILE_BLOCKS ? end : horizon) - first) * blockSize;
}

function mapToWrite(
  volume: Volume,
  inode: Inode,
  pos: number,
  count: number,
  operation: number,
  options: OutsideOptions,
  out: IomapMapping,
): void {
  changing(volume);
  checkMayWrite(inode, pos, operation);
  const { blockSize } = volume.geometry;
  const atomic = (operation & IomapOperation.atomic) !== 0;
  if (atomic) checkAtomic(pos, count, blockSize, options.atomicWrites);
  // Pages of a mapped file go to blocks: the kernel fails to write them back into an inode.
  const needsBlocks = (operation & (IomapOperation.fault | IomapOperation.writeback | IomapOperation.atomic)) !== 0;
  const only = (operation & (IomapOperation.zero | IomapOperation.unshare)) !== 0;
  if (volume.features.inlineData && !needsBlocks && (!only || inode.hasInlineData)) {
    if (writesInline(volume, inode, pos + Math.min(count, blockSize - (pos % blockSize)))) {
      inlineMapping(volume, out);
      return;
    }
  }
  if (inode.hasInlineData && (pos < blockSize || !only)) spill(volume, inode, operation, options.privileged);
  map(volume, inode, pos, count, options.dev, out);
  if ((operation & IomapOperation.overwriteOnly) !== 0 && out.type !== MappingType.mapped) {
    throw new FileSystemError("EAGAIN", `byte ${pos} of inode ${inode.ino} is not written yet`);
  }
  if (out.type === MappingType.hole && !only) {
    refuseToWait(operation, inode);
    checkNotPinned(volume.promises, inode);
    allocate(volume, inode, pos, count, options);
    map(volume, inode, pos, count, options.dev, out);
  }
  if (atomic) out.flags |= IomapFlag.atomicBio;
}

/** The data of pages was accepted when they were written: flags that the inode has got since do not keep them off the device. */
function checkMayWrite(inode: Inode, pos: number, operation: number): void {
  if ((operation & IomapOperation.writeback) !== 0) return;
  if (inode.has(InodeFlag.immutable | InodeFlag.verity)) {
    throw new FileSystemError("EPERM", `inode ${inode.ino} is immutable`);
  }
  if (inode.has(InodeFlag.append) && pos < inode.size && (operation & IomapOperation.zero) === 0) {
    throw new FileSystemError("EPERM", `inode ${inode.ino} is append-only`);
  }
}

function checkAtomic(pos: number, count: number, blockSize: number, possible: boolean): void {
  if (!possible) throw new FileSystemError("EOPNOTSUPP", "the device may tear a block that it writes");
  if (count === blockSize && pos % blockSize === 0) return;
  throw new FileSystemError("EINVAL", `an atomic write of ${count} bytes at ${pos}; it has to be one whole block`);
}

function refuseToWait(operation: number, inode: Inode): void {
  if ((operation & IomapOperation.nowait) === 0) return;
  throw new FileSystemError("EAGAIN", `space for inode ${inode.ino} has to be allocated`);
}

function spill(volume: Volume, inode: Inode, operation: number, privileged: boolean): void {
  refuseToWait(operation, inode);
  transact(volume, ALLOCATE_CREDITS, (handle) => {
    handle.privileged = privileged;
    spillToBlock(handle, inode);
  });
}

/** Allocates what is a hole at `pos` and behind it, as far as one run on the device goes. */
function allocate(volume: Volume, inode: Inode, pos: number, count: number, options: OutsideOptions): void {
  const { blockSize } = volume.geometry;
  const first = Math.floor(pos / blockSize);
  const last = Math.min(Math.ceil((pos + count) / blockSize), MAX_FILE_BLOCKS, first + MOST_ALLOCATED / blockSize);
  const { privileged } = options;
  let at = transact(volume, ALLOCATE_CREDITS + ORPHAN_CREDITS, (handle) => {
    handle.changes?.tell();
    handle.privileged = privileged;
    allocateFrom(handle, inode, first, last);
    return first + run.length;
  });
  if (!inode.hasExtents) return;
  const { block } = run;
  // An extent of unwritten blocks is a little shorter than one of others: what follows on the device belongs to the same run.
  while (at < last) {
    mapBlocks(volume, inode, at, run);
    if (run.type !== MappingType.hole || !tryAllocate(volume, inode, at, last, privileged)) return;
    if (run.block !== block + at - first) return;
    at += run.length;
  }
}

/** False when there is no more space: what was allocated before is an answer. */
function tryAllocate(volume: Volume, inode: Inode, at: number, last: number, privileged: boolean): boolean {
  try {
    transact(volume, ALLOCATE_CREDITS, (handle) => {
      handle.changes?.tell();
      handle.privileged = privileged;
      allocateFrom(handle, inode, at, last);
    });
    return true;
  } catch (error) {
    if (error instanceof FileSystemError && (error.code === "ENOSPC" || error.code === "EDQUOT")) return false;
    throw error;
  }
}

function allocateFrom(handle: Handle, inode: Inode, at: number, last: number): void {
  const unwritten = inode.hasExtents;
  allocateRange(handle, inode, at, last - at, unwritten, run);
  if (unwritten) return;
  clear(handle.volume, run.block, run.length);
  const end = at + run.length;
  if (end > Math.ceil(inode.size / handle.volume.geometry.blockSize)) noteGrowth(handle, inode, end);
}

/** Zeros fresh blocks on the device, where no state says that they read as zeros: before they are the file's, to which an error keeps them from going. */
function clear(volume: Volume, block: number, count: number): void {
  writeZeros(volume, block, count);
  volume.device.flush();
  volume.handOver?.(block, count);
}
