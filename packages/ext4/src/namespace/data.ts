import { FileSystemError } from "../errors.js";
import { InodeFlag } from "../format/inode.js";
import type { Inode } from "../inode/inode.js";
import { maxFileSize, setSize } from "../inode/size.js";
import { touchModified } from "../inode/times.js";
import { type IomapMapping, mapBytes, NULL_ADDR } from "../iomap/begin.js";
import { checkNotPinned, forgetGrowth, settleGrowth } from "../iomap/promises.js";
import { endWrite, finishWrite, mapBytesForWrite } from "../iomap/write.js";
import { journalBlock, ownsData } from "../journal/file-data.js";
import type { Handle } from "../journal/handle.js";
import { changing, transact } from "../journal/transactions.js";
import { ALLOCATE_CREDITS } from "../map/allocate-range.js";
import { MappingType } from "../map/mapping.js";
import { MAP_CREDITS, truncateBlocks } from "../map/remove-range.js";
import {
  initInlineData,
  inlineCapacity,
  spillInlineData,
  truncateInlineData,
  writeInlineData,
} from "../map/write-inline.js";
import { addOrphan, removeOrphan } from "../orphan/change.js";
import type { Volume } from "../volume.js";

/** WRITEBACK of fuse-iomap's operation flags: the kernel writes pages that it cached, and keeps the times itself. */
const OP_WRITEBACK = 0x8000_0000;
/** The inode, the superblock for large_file. */
const SIZE_CREDITS = 4;
/** Blocks that the end of a write changes. */
const END_CREDITS = ALLOCATE_CREDITS + SIZE_CREDITS;

/** Refuses to change the contents of what is no ordinary, writable file. */
export function checkWritable(inode: Inode): void {
  if (inode.isDirectory) throw new FileSystemError("EISDIR", `inode ${inode.ino} is a directory`);
  if (!inode.isRegular) throw new FileSystemError("EINVAL", `inode ${inode.ino} is no regular file`);
  if (inode.has(InodeFlag.encrypt)) {
    throw new FileSystemError("ENOKEY", `inode ${inode.ino} is encrypted, and there is no key`);
  }
  if (inode.has(InodeFlag.immutable | InodeFlag.verity)) {
    throw new FileSystemError("EPERM", `inode ${inode.ino} is immutable`);
  }
}

function checkAppend(inode: Inode, pos: number): void {
  if (inode.has(InodeFlag.append) && pos < inode.size) {
    throw new FileSystemError("EPERM", `inode ${inode.ino} is append-only`);
  }
}

/** Whether a write up to byte `end` stays inside the inode. An empty file becomes inline by its first write, as in the kernel. */
export function writesInline(volume: Volume, inode: Inode, end: number): boolean {
  if (end > volume.geometry.blockSize) return false;
  if (inode.hasInlineData) return end <= inlineCapacity(volume, inode);
  if (inode.size !== 0 || inode.blocks !== 0 || end > inlineCapacity(volume, inode)) return false;
  transact(volume, SIZE_CREDITS, (handle) => initInlineData(handle, inode));
  return true;
}

/** The mapping of data that is in the inode. */
export function inlineMapping(volume: Volume, out: IomapMapping): void {
  out.type = MappingType.inline;
  out.flags = 0;
  out.offset = 0;
  out.length = volume.geometry.blockSize;
  out.addr = NULL_ADDR;
  out.dev = 0;
}

/**
 * Maps what is going to be written, allocating what is missing; inline data that it would outgrow moves out first, its bytes
 * written straight to the device.
 */
export function beginWrite(
  volume: Volume,
  inode: Inode,
  pos: number,
  count: number,
  operation: number,
  dev: number,
  out: IomapMapping,
  privileged: boolean,
): void {
  changing(volume);
  checkWritable(inode);
  checkAppend(inode, pos);
  if (volume.features.inlineData && writesInline(volume, inode, pos + count)) {
    inlineMapping(volume, out);
    return;
  }
  mapBytes(volume, inode, pos, count, dev, out);
  if (out.type === MappingType.mapped && out.offset + out.length >= pos + count) return;
  // With what endOfWrite needs: blocks behind the end of a file are not to be committed without its size.
  const transactions = changing(volume);
  transactions.run(2 * ALLOCATE_CREDITS + END_CREDITS, (handle) => {
    handle.changes?.tell();
    if (pos + count > maxFileSize(handle.volume, inode) && pos >= maxFileSize(handle.volume, inode)) {
      throw new FileSystemError("EFBIG", `a write at ${pos}`);
    }
    handle.privileged = privileged;
    spillToBlock(handle, inode);
    mapBytesForWrite(handle, inode, pos, count, operation, dev, out);
  });
  transactions.hold();
}

/**
 * The data of a write has reached the device, or has not.
 *
 * @param written bytes from `pos` on that have
 */
export function endOfWrite(
  volume: Volume,
  inode: Inode,
  pos: number,
  count: number,
  written: number,
  operation: number,
  mapping: Readonly<IomapMapping>,
): void {
  const grows = written > 0 && pos + written > inode.size;
  const touches = written > 0 && (operation & OP_WRITEBACK) === 0;
  const short = written < count;
  const converts = mapping.type === MappingType.unwritten && written > 0;
  if (!grows && !touches && !short && !converts) return;
  transact(volume, END_CREDITS, (handle) => {
    handle.changes?.tell();
    // The size first: a crash at a restart in between must not leave written blocks behind the end.
    if (grows) setSize(handle, inode, pos + written);
    if (converts) finishWrite(handle, inode, pos, written);
    if (short) endWrite(handle, inode, pos, written, mapping);
    if (touches) touchModified(handle, inode);
  });
}

/**
 * Writes into inline data, and sets the size; times are the caller's. What no longer fits into the inode moves out to a block first.
 *
 * @returns whether the bytes are in the inode now; if not, the file has blocks, and the write goes on there
 */
export function writeInline(
  volume: Volume,
  inode: Inode,
  pos: number,
  bytes: Uint8Array,
  privileged: boolean,
): boolean {
  checkWritable(inode);
  checkAppend(inode, pos);
  return transact(volume, ALLOCATE_CREDITS + SIZE_CREDITS, (handle) => {
    handle.privileged = privileged;
    handle.modifyInode(inode);
    const fits = writeInlineData(handle, inode, pos, bytes);
    if (!fits) spillToBlock(handle, inode);
    return fits;
  });
}

/**
 * Moves inline data out to a block: into the journal, if that is where the file's data goes, or else to the device itself, where a host
 * outside of this process will look for it.
 */
export function spillToBlock(handle: Handle, inode: Inode): void {
  if (!inode.hasInlineData) return;
  const { device, geometry, handOver } = handle.volume;
  const { block, bytes } = spillInlineData(handle, inode);
  if (block === 0) return;
  if (ownsData(handle.volume, inode)) {
    journalBlock(handle, block, bytes);
    return;
  }
  device.write(block * geometry.blockSize, bytes);
  if (handOver === undefined) return;
  device.flush();
  handOver(block, 1);
}

/**
 * Sets the size of a file. What lies behind it is freed; the bytes of the last block behind the size are the host's to zero.
 *
 * @throws FileSystemError EFBIG, EPERM, EISDIR, EINVAL
 */
export function resize(volume: Volume, inode: Inode, size: number): void {
  checkWritable(inode);
  if (inode.has(InodeFlag.append)) throw new FileSystemError("EPERM", `inode ${inode.ino} is append-only`);
  checkNotPinned(volume.promises, inode);
  transact(volume, MAP_CREDITS + ALLOCATE_CREDITS, (handle) => {
    handle.changes?.tell();
    handle.modifyInode(inode);
    if (inode.hasInlineData && truncateInlineData(handle, inode, size)) {
      touchModified(handle, inode);
      return;
    }
    spillToBlock(handle, inode);
    const grows = size > inode.size;
    setSize(handle, inode, size);
    settleGrowth(handle, inode);
    touchModified(handle, inode);
    // Without a change of size as well: blocks that fallocate put behind the end with KEEP_SIZE go.
    if (grows) return;
    const orphan = inode.linksCount > 0;
    if (orphan) addOrphan(handle, inode);
    truncateBlocks(handle, inode, Math.ceil(size / volume.geometry.blockSize));
    if (handle.room < SIZE_CREDITS + 4) handle.restart(MAP_CREDITS);
    if (orphan) removeOrphan(handle, inode);
    forgetGrowth(handle, inode);
  });
}
