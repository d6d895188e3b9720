import { type CachedBlock, Verified } from "../cache/block-cache.js";
import { crc32c, crc32cLe32, crc32cZeros } from "../checksum/crc32c.js";
import { CorruptionError } from "../errors.js";
import { XATTR_MAGIC, XattrBlockLayout } from "../format/xattr.js";
import { checkOutsideMetadata } from "../groups/system-zone.js";
import type { Inode } from "../inode/inode.js";
import { checkBlockRange, type Volume } from "../volume.js";
import { checkEntries, type XattrSpace } from "./entries.js";

const { magic, blocks, checksum } = XattrBlockLayout.offset;

/**
 * The attributes in the inode's attribute block, checked; undefined when the inode has none.
 *
 * @param from another block to look into, which the inode may come to share
 * @throws CorruptionError block-range, xattr-header, xattr-checksum, xattr-entry
 */
export function blockXattrs(volume: Volume, inode: Inode, from = inode.fileAcl): XattrSpace | undefined {
  if (from === 0) return undefined;
  const number = checkBlockRange(volume, from, 1, "block-range", { inode: inode.ino, block: from });
  const block = volume.cache.read(number);
  const { view, data } = block;
  const first = XattrBlockLayout.size;
  const space = { view, data, first, valueBase: 0, end: data.length, location: { block: number, inode: inode.ino } };
  if (block.verifiedAs !== Verified.xattrs) {
    checkOutsideMetadata(volume, number, 1, inode.ino, space.location);
    verifyHeader(volume, block, space);
    checkEntries(volume, space);
    // What holds for one of the inodes that share the block holds for all.
    block.verifiedAs = Verified.xattrs;
    block.verifiedFor = 0;
  }
  return space;
}

function verifyHeader(volume: Volume, block: CachedBlock, { location }: XattrSpace): void {
  const found = block.view.getUint32(magic, true);
  if (found !== XATTR_MAGIC) {
    throw new CorruptionError("xattr-header", location, `magic number 0x${found.toString(16)}`);
  }
  const count = block.view.getUint32(blocks, true);
  if (count !== 1) throw new CorruptionError("xattr-header", location, `attributes in ${count} blocks`);
  if (!volume.features.metadataCsum) return;
  const stored = block.view.getUint32(checksum, true);
  const computed = xattrBlockChecksum(volume.checksumSeed, block.block, block.data);
  if (stored !== computed) {
    throw new CorruptionError(
      "xattr-checksum",
      location,
      `checksum 0x${stored.toString(16)} instead of 0x${computed.toString(16)}`,
    );
  }
}

/** h_checksum: over the block's number (64 bits) and its bytes, with zeros in place of the checksum. */
export function xattrBlockChecksum(seed: number, block: number, data: Uint8Array): number {
  let sum = crc32cLe32(seed, block >>> 0);
  sum = crc32cLe32(sum, Math.floor(block / 0x1_0000_0000));
  sum = crc32c(sum, data, 0, checksum);
  sum = crc32cZeros(sum, 4);
  return crc32c(sum, data, checksum + 4);
}
