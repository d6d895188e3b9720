import { CorruptionError, FileSystemError } from "../errors.js";
import { roCompatFeature } from "../format/features.js";
import {
  FileType,
  GOOD_OLD_INODE_SIZE,
  I_BLOCK_OFFSET,
  I_BLOCK_SIZE,
  InodeFlag,
  InodeLayout,
  KNOWN_EXTRA_INODE_SIZE,
  ReservedInode,
} from "../format/inode.js";
import type { Volume } from "../volume.js";
import { maxExtentFileSize, maxIndirectFileSize } from "./file-limits.js";
import type { Inode } from "./inode.js";

const at = InodeLayout.offset;

const NANOSECONDS = 1_000_000_000;

/**
 * Fills an inode from its verified bytes, and refuses what the kernel refuses when it brings an inode into memory.
 *
 * @param unlinked whether an inode without links is expected: one that is still open, or on the orphan list
 * @throws CorruptionError inode-geometry, inode-type, block-range, symlink-target
 * @throws FileSystemError ESTALE when it is deleted; CorruptionError inode-deleted if it has to be there
 */
export function decodeInode(volume: Volume, inode: Inode, unlinked = false): void {
  const { view, ino } = inode;
  const { features } = volume;
  const { blockBits, inodeSize, blockCount, firstDataBlock } = volume.geometry;
  inode.mode = view.getUint16(at.mode, true);
  inode.linksCount = view.getUint16(at.linksCount, true);
  inode.dtime = view.getUint32(at.dtime, true);
  if (inode.linksCount === 0 && !unlinked && ino !== ReservedInode.bootLoader) {
    throw notInUse(volume, ino);
  }
  inode.uid = view.getUint16(at.uidLo, true) + view.getUint16(at.uidHi, true) * 0x1_0000;
  inode.gid = view.getUint16(at.gidLo, true) + view.getUint16(at.gidHi, true) * 0x1_0000;
  inode.flags = view.getUint32(at.flags, true);
  inode.generation = view.getUint32(at.generation, true);
  if (inode.hasInlineData && inode.hasExtents) {
    throw new CorruptionError("inode-type", { inode: ino }, "it has both inline data and extents");
  }

  inode.blocks = view.getUint32(at.blocksLo, true);
  if (features.hugeFile) {
    inode.blocks += view.getUint16(at.blocksHi, true) * 0x1_0000_0000;
    if (inode.has(InodeFlag.hugeFile)) inode.blocks *= 2 ** (blockBits - 9);
  }
  inode.size = view.getUint32(at.sizeLo, true);
  if (inode.isRegular || features.largeDir) inode.size += view.getUint32(at.sizeHi, true) * 0x1_0000_0000;
  const most = inode.hasExtents ? maxExtentFileSize(volume) : maxIndirectFileSize(volume);
  if (inode.size > most) {
    throw new CorruptionError("inode-geometry", { inode: ino }, `size ${inode.size}; at most ${most}`);
  }
  if (inode.has(InodeFlag.index) && inode.isDirectory && !features.dirIndex && features.metadataCsum) {
    throw new CorruptionError("inode-type", { inode: ino }, "an indexed directory without the dir_index feature");
  }
  if (inode.has(InodeFlag.casefold) && !features.casefold) {
    throw new CorruptionError("inode-type", { inode: ino }, "case-insensitive without the casefold feature");
  }

  inode.fileAcl = view.getUint32(at.fileAclLo, true);
  if (features.is64Bit) inode.fileAcl += view.getUint16(at.fileAclHi, true) * 0x1_0000_0000;
  if (inode.fileAcl !== 0 && !(inode.fileAcl > firstDataBlock && inode.fileAcl < blockCount)) {
    throw new CorruptionError("block-range", { inode: ino, block: inode.fileAcl }, "its attribute block lies outside");
  }

  const fits = (end: number) => inodeSize > GOOD_OLD_INODE_SIZE && end <= GOOD_OLD_INODE_SIZE + inode.extraSize;
  if (features.roCompat & roCompatFeature.project && fits(at.projectId + 4)) {
    inode.projectId = view.getUint32(at.projectId, true);
  }
  // An extra size of 0 means that the space is unused so far; the kernel then takes it as its own, zeros.
  if (inodeSize > GOOD_OLD_INODE_SIZE && inode.extraSize === 0) inode.extraSize = KNOWN_EXTRA_INODE_SIZE;
  decodeTimes(inode, fits);
  decodeType(volume, inode);
}

/** The error for an inode that is deleted or was never used; for the root and the journal that is damage. */
export function notInUse(volume: Volume, ino: number): CorruptionError | FileSystemError {
  if (ino !== ReservedInode.root && ino !== volume.superblock.journalInode) {
    return new FileSystemError("ESTALE", `inode ${ino} is deleted or was never used`);
  }
  return new CorruptionError("inode-deleted", { inode: ino }, "the file system needs it, and it is not in use");
}

function decodeTimes(inode: Inode, fits: (end: number) => boolean): void {
  const { view } = inode;
  inode.atime = view.getInt32(at.atime, true);
  inode.mtime = view.getInt32(at.mtime, true);
  inode.ctime = view.getInt32(at.ctime, true);
  if (fits(at.ctimeExtra + 4)) {
    const extra = view.getUint32(at.ctimeExtra, true);
    inode.ctime += epoch(extra);
    inode.ctimeNanoseconds = nanoseconds(extra);
  }
  if (fits(at.mtimeExtra + 4)) {
    const extra = view.getUint32(at.mtimeExtra, true);
    inode.mtime += epoch(extra);
    inode.mtimeNanoseconds = nanoseconds(extra);
  }
  if (fits(at.atimeExtra + 4)) {
    const extra = view.getUint32(at.atimeExtra, true);
    inode.atime += epoch(extra);
    inode.atimeNanoseconds = nanoseconds(extra);
  }
  inode.hasCrtime = fits(at.crtime + 4);
  if (inode.hasCrtime) {
    inode.crtime = view.getInt32(at.crtime, true);
    if (fits(at.crtimeExtra + 4)) {
      const extra = view.getUint32(at.crtimeExtra, true);
      inode.crtime += epoch(extra);
      inode.crtimeNanoseconds = nanoseconds(extra);
    }
  }
}

/** The two epoch bits of an extra word: what they add to the signed 32-bit seconds. Times reach from 1901 to 2446. */
function epoch(extra: number): number {
  return (extra & 3) * 0x1_0000_0000;
}

/** A hostile value above 999,999,999 is cut to that, as stat through FUSE would. */
function nanoseconds(extra: number): number {
  return Math.min(extra >>> 2, NANOSECONDS - 1);
}

function decodeType(volume: Volume, inode: Inode): void {
  switch (inode.type) {
    case FileType.regular:
    case FileType.directory:
      return;
    case FileType.symlink:
      if (inode.has(InodeFlag.append | InodeFlag.immutable)) {
        throw new CorruptionError(
          "inode-type",
          { inode: inode.ino },
          "a symbolic link that is append-only or immutable",
        );
      }
      if (!inode.has(InodeFlag.encrypt) && isFastSymlink(volume, inode)) checkFastSymlink(inode);
      return;
    case FileType.characterDevice:
    case FileType.blockDevice:
      inode.rdev = deviceNumber(inode.view);
      return;
    case FileType.fifo:
    case FileType.socket:
      return;
    default:
      if (inode.ino === ReservedInode.bootLoader) return;
      throw new CorruptionError("inode-type", { inode: inode.ino }, `mode 0${inode.mode.toString(8)}`);
  }
}

/** Whether a symbolic link's target lies in the inode itself (ext4_inode_is_fast_symlink). */
export function isFastSymlink(volume: Volume, inode: Inode): boolean {
  if (volume.features.eaInode) return inode.size > 0 && inode.size < I_BLOCK_SIZE;
  if (inode.hasInlineData) return false;
  return inode.blocks - (inode.fileAcl !== 0 ? volume.geometry.clusterSize / 512 : 0) === 0;
}

function checkFastSymlink(inode: Inode): void {
  const end = inode.block.indexOf(0);
  if (inode.size === 0 || inode.size >= I_BLOCK_SIZE || end !== inode.size) {
    throw new CorruptionError(
      "symlink-target",
      { inode: inode.ino },
      `size ${inode.size}, and the target in the inode has ${end < 0 ? `${I_BLOCK_SIZE} or more` : end} bytes`,
    );
  }
}

/** i_block[0] holds the old 16-bit encoding, or if that is 0, i_block[1] the new one: which is given back for both. */
function deviceNumber(view: DataView): number {
  const old = view.getUint32(I_BLOCK_OFFSET, true);
  if (old === 0) return view.getUint32(I_BLOCK_OFFSET + 4, true);
  const major = (old >>> 8) & 0xff;
  return (old & 0xff) | (major << 8);
}
