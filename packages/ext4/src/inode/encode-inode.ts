import { FileSystemError } from "../errors.js";
import { roCompatFeature } from "../format/features.js";
import { GOOD_OLD_INODE_SIZE, InodeFlag, InodeLayout } from "../format/inode.js";
import type { Volume } from "../volume.js";
import { type Inode, inodeChecksumSeed } from "./inode.js";
import { hasChecksumHigh, inodeChecksum } from "./inode-table.js";

const at = InodeLayout.offset;

/** Largest i_blocks that 48 bits hold. */
const MAX_BLOCKS_48 = 2 ** 48 - 1;
/** First and last second that two epoch bits above a signed 32-bit number of seconds can say. */
const FIRST_SECOND = -(2 ** 31);
const LAST_SECOND = 2 ** 34 - 2 ** 31 - 1;
const LAST_SECOND_32 = 2 ** 31 - 1;

/** Brings `inode.raw` up to date with the decoded fields, its checksum included: the inverse of decodeInode. */
export function encodeInode(volume: Volume, inode: Inode): void {
  const { view } = inode;
  const { inodeSize, blockBits } = volume.geometry;
  view.setUint16(at.mode, inode.mode, true);
  view.setUint16(at.uidLo, inode.uid & 0xffff, true);
  view.setUint16(at.uidHi, inode.uid >>> 16, true);
  view.setUint16(at.gidLo, inode.gid & 0xffff, true);
  view.setUint16(at.gidHi, inode.gid >>> 16, true);
  // The size of an encrypted link is that of what readLink shows; the one on disk stays.
  if (!(inode.isSymlink && inode.has(InodeFlag.encrypt))) {
    view.setUint32(at.sizeLo, inode.size % 0x1_0000_0000, true);
    view.setUint32(at.sizeHi, Math.floor(inode.size / 0x1_0000_0000), true);
  }
  view.setUint16(at.linksCount, inode.linksCount, true);
  encodeBlocks(volume, inode, blockBits);
  view.setUint32(at.flags, inode.flags, true);
  view.setUint32(at.generation, inode.generation, true);
  view.setUint32(at.fileAclLo, inode.fileAcl % 0x1_0000_0000, true);
  if (volume.features.is64Bit) view.setUint16(at.fileAclHi, Math.floor(inode.fileAcl / 0x1_0000_0000), true);
  view.setUint32(at.dtime, inode.dtime, true);
  if (inodeSize > GOOD_OLD_INODE_SIZE) view.setUint16(at.extraInodeSize, inode.extraSize, true);

  inode.atimeNanoseconds = encodeTime(inode, at.atime, at.atimeExtra, inode.atime, inode.atimeNanoseconds);
  inode.mtimeNanoseconds = encodeTime(inode, at.mtime, at.mtimeExtra, inode.mtime, inode.mtimeNanoseconds);
  inode.ctimeNanoseconds = encodeTime(inode, at.ctime, at.ctimeExtra, inode.ctime, inode.ctimeNanoseconds);
  if (fits(inode, at.crtime + 4)) encodeTime(inode, at.crtime, at.crtimeExtra, inode.crtime, inode.crtimeNanoseconds);
  if (volume.features.roCompat & roCompatFeature.project && fits(inode, at.projectId + 4)) {
    view.setUint32(at.projectId, inode.projectId, true);
  }
  if (volume.features.metadataCsum) {
    inode.checksumSeed = inodeChecksumSeed(volume.checksumSeed, inode.ino, inode.generation);
    const sum = inodeChecksum(inode.checksumSeed, inode.raw, inode.extraSize);
    view.setUint16(at.checksumLo, sum & 0xffff, true);
    if (hasChecksumHigh(inode.raw, inode.extraSize)) view.setUint16(at.checksumHi, sum >>> 16, true);
  }
}

/** Whether the inode's extra part reaches to byte `end`. */
export function fits(inode: Inode, end: number): boolean {
  return inode.raw.length > GOOD_OLD_INODE_SIZE && end <= GOOD_OLD_INODE_SIZE + inode.extraSize;
}

/** i_blocks: 32 bits, with huge_file 48 of them in units of 512 bytes or of blocks. */
function encodeBlocks(volume: Volume, inode: Inode, blockBits: number): void {
  const { view } = inode;
  let { blocks } = inode;
  inode.flags &= ~InodeFlag.hugeFile;
  if (blocks > 0xffff_ffff) {
    if (!volume.features.hugeFile) {
      throw new FileSystemError(
        "EFBIG",
        `inode ${inode.ino} would take more than 2 TiB, and there is no huge_file feature`,
      );
    }
    if (blocks > MAX_BLOCKS_48) {
      inode.flags |= InodeFlag.hugeFile;
      blocks = Math.ceil(blocks / 2 ** (blockBits - 9));
    }
  }
  view.setUint32(at.blocksLo, blocks % 0x1_0000_0000, true);
  if (volume.features.hugeFile) view.setUint16(at.blocksHi, Math.floor(blocks / 0x1_0000_0000), true);
}

/**
 * A time outside of what the inode can say is cut to its first or last second, as the kernel does.
 *
 * @returns the nanoseconds that it holds: none where it has whole seconds only, and nobody shall see more until it is read again
 */
function encodeTime(inode: Inode, low: number, extra: number, seconds: number, nanoseconds: number): number {
  const wide = fits(inode, extra + 4);
  const cut = Math.max(FIRST_SECOND, Math.min(seconds, wide ? LAST_SECOND : LAST_SECOND_32));
  inode.view.setInt32(low, cut | 0, true);
  if (!wide) return 0;
  inode.view.setUint32(extra, ((nanoseconds << 2) | (Math.floor((cut - (cut | 0)) / 2 ** 32) & 3)) >>> 0, true);
  return nanoseconds;
}
