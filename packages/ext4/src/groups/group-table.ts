import type { CachedBlock } from "../cache/block-cache.js";
import { crc16 } from "../checksum/crc16.js";
import { crc32c, crc32cLe32, crc32cZeros } from "../checksum/crc32c.js";
import { CorruptionError } from "../errors.js";
import { incompatFeature } from "../format/features.js";
import { GroupDescriptorLayout } from "../format/group-descriptor.js";
import type { Volume } from "../volume.js";
import { hasSuperblock } from "./superblock-copies.js";

/** A group descriptor, decoded and verified. Counts and flags change through `Handle.modifyGroup` only. */
export interface GroupDescriptor {
  readonly group: number;
  /** Block of the block (cluster) bitmap. */
  readonly blockBitmap: number;
  /** Block of the inode bitmap. */
  readonly inodeBitmap: number;
  /** First block of the inode table. */
  readonly inodeTable: number;
  /** Clusters. */
  freeClusters: number;
  freeInodes: number;
  usedDirectories: number;
  /** Inodes at the end of the table that were never used; 0 where descriptors have no checksums. */
  unusedInodes: number;
  /** bg_flags; see GroupFlag. */
  flags: number;
  /** Checksums of the bitmaps (metadata_csum); 16 bits of them where descriptors have 32 bytes. */
  blockBitmapChecksum: number;
  inodeBitmapChecksum: number;
  /** Number of the handle that changes it. */
  modifiedIn: number;
}

/** Most decoded descriptors that are kept: 8 TiB worth of groups of 128 MiB. */
const MOST_DESCRIPTORS = 65_536;

const at = GroupDescriptorLayout.offset;

/** First block of a group. */
export function groupFirstBlock(volume: Volume, group: number): number {
  return volume.geometry.firstDataBlock + group * volume.geometry.blocksPerGroup;
}

/** Group that a block belongs to. */
export function groupOfBlock(volume: Volume, block: number): number {
  return Math.floor((block - volume.geometry.firstDataBlock) / volume.geometry.blocksPerGroup);
}

/** Number of blocks that the whole descriptor table takes. */
export function descriptorBlockCount(volume: Volume): number {
  return Math.ceil(volume.geometry.groupCount / volume.geometry.descriptorsPerBlock);
}

/** The block that holds the descriptor table's block number `index` (the kernel's descriptor_loc). */
export function descriptorBlock(volume: Volume, index: number): number {
  const { geometry, superblock } = volume;
  if (!volume.features.metaBg || index < superblock.firstMetaBlockGroup) return volume.superblockBlock + index + 1;
  const group = index * geometry.descriptorsPerBlock;
  let skip = hasSuperblock(volume, group) ? 1 : 0;
  // With 1 KiB blocks and block 0 inside the file system (bigalloc), the superblock is in block 1 and the table in block 2.
  if (geometry.blockSize === 1024 && index === 0 && geometry.firstDataBlock === 0) skip++;
  return groupFirstBlock(volume, group) + skip;
}

/**
 * The descriptor of a block group, verified once while it stays cached.
 *
 * @param group 0 <= group < geometry.groupCount; checked by the caller
 * @throws CorruptionError group-descriptor-checksum or group-descriptor-location
 */
export function groupDescriptor(volume: Volume, group: number): GroupDescriptor {
  const known = volume.descriptors.get(group);
  if (known !== undefined) return known;
  const { geometry } = volume;
  const index = Math.floor(group / geometry.descriptorsPerBlock);
  const block = descriptorBlock(volume, index);
  if (!(block >= 0 && block < geometry.blockCount)) {
    throw new CorruptionError("group-descriptor-location", { group, block }, "its descriptor lies outside");
  }
  const cached = volume.cache.read(block);
  const { view } = cached;
  const base = (group - index * geometry.descriptorsPerBlock) * geometry.descriptorSize;
  verifyChecksum(volume, group, block, cached.data, view, base);

  const wide = geometry.descriptorSize >= 64;
  const high = (offset: number) => (wide ? view.getUint32(base + offset, true) * 0x1_0000_0000 : 0);
  const descriptor: GroupDescriptor = {
    group,
    modifiedIn: 0,
    blockBitmap: view.getUint32(base + at.blockBitmapLo, true) + high(at.blockBitmapHi),
    inodeBitmap: view.getUint32(base + at.inodeBitmapLo, true) + high(at.inodeBitmapHi),
    inodeTable: view.getUint32(base + at.inodeTableLo, true) + high(at.inodeTableHi),
    freeClusters: 0,
    freeInodes: 0,
    usedDirectories: 0,
    unusedInodes: 0,
    flags: 0,
    blockBitmapChecksum: 0,
    inodeBitmapChecksum: 0,
  };
  decodeCounts(volume, descriptor, view, base);
  checkLocation(volume, descriptor, "the block bitmap", descriptor.blockBitmap, 1);
  checkLocation(volume, descriptor, "the inode bitmap", descriptor.inodeBitmap, 1);
  checkLocation(volume, descriptor, "the inode table", descriptor.inodeTable, geometry.inodeTableBlocks);
  if (volume.descriptors.size >= MOST_DESCRIPTORS) makeRoom(volume);
  volume.descriptors.set(group, descriptor);
  return descriptor;
}

/** Reads the fields that change from the descriptor's bytes at `base`. */
function decodeCounts(volume: Volume, descriptor: GroupDescriptor, view: DataView, base: number): void {
  const { geometry, features } = volume;
  const wide = geometry.descriptorSize >= 64;
  const high16 = (offset: number) => (wide ? view.getUint16(base + offset, true) * 0x1_0000 : 0);
  const checksummed = features.metadataCsum || features.gdtCsum;
  descriptor.freeClusters = view.getUint16(base + at.freeBlocksCountLo, true) + high16(at.freeBlocksCountHi);
  descriptor.freeInodes = view.getUint16(base + at.freeInodesCountLo, true) + high16(at.freeInodesCountHi);
  descriptor.usedDirectories = view.getUint16(base + at.usedDirsCountLo, true) + high16(at.usedDirsCountHi);
  descriptor.unusedInodes = checksummed
    ? view.getUint16(base + at.itableUnusedLo, true) + high16(at.itableUnusedHi)
    : 0;
  descriptor.flags = view.getUint16(base + at.flags, true);
  descriptor.blockBitmapChecksum =
    view.getUint16(base + at.blockBitmapChecksumLo, true) + high16(at.blockBitmapChecksumHi);
  descriptor.inodeBitmapChecksum =
    view.getUint16(base + at.inodeBitmapChecksumLo, true) + high16(at.inodeBitmapChecksumHi);
}

/** Drops the decoded descriptors, but for those in blocks that are not sealed yet. */
function makeRoom(volume: Volume): void {
  const { cache, geometry } = volume;
  for (const group of volume.descriptors.keys()) {
    const block = cache.peek(descriptorBlock(volume, Math.floor(group / geometry.descriptorsPerBlock)));
    if (block === undefined || block.transaction === 0) volume.descriptors.delete(group);
  }
}

/** The cached block that holds a group's descriptor. */
export function descriptorBlockOf(volume: Volume, group: number): CachedBlock {
  return volume.cache.read(descriptorBlock(volume, Math.floor(group / volume.geometry.descriptorsPerBlock)));
}

function descriptorBase(volume: Volume, group: number): number {
  return (group % volume.geometry.descriptorsPerBlock) * volume.geometry.descriptorSize;
}

/** Reads the fields that change anew, after the bytes were put back. */
export function reloadDescriptor(volume: Volume, descriptor: GroupDescriptor): void {
  const { view } = descriptorBlockOf(volume, descriptor.group);
  decodeCounts(volume, descriptor, view, descriptorBase(volume, descriptor.group));
}

/** Writes the fields that change into the descriptor's bytes in the cache; `sealDescriptors` does the checksum. */
export function encodeDescriptor(volume: Volume, descriptor: GroupDescriptor): void {
  const { geometry, features } = volume;
  const { view } = descriptorBlockOf(volume, descriptor.group);
  const base = descriptorBase(volume, descriptor.group);
  const wide = geometry.descriptorSize >= 64;
  const put = (lo: number, hi: number, value: number) => {
    view.setUint16(base + lo, value & 0xffff, true);
    if (wide) view.setUint16(base + hi, value >>> 16, true);
  };
  put(at.freeBlocksCountLo, at.freeBlocksCountHi, descriptor.freeClusters);
  put(at.freeInodesCountLo, at.freeInodesCountHi, descriptor.freeInodes);
  put(at.usedDirsCountLo, at.usedDirsCountHi, descriptor.usedDirectories);
  view.setUint16(base + at.flags, descriptor.flags, true);
  if (features.metadataCsum || features.gdtCsum) put(at.itableUnusedLo, at.itableUnusedHi, descriptor.unusedInodes);
  if (features.metadataCsum) {
    put(at.blockBitmapChecksumLo, at.blockBitmapChecksumHi, descriptor.blockBitmapChecksum);
    put(at.inodeBitmapChecksumLo, at.inodeBitmapChecksumHi, descriptor.inodeBitmapChecksum);
  }
}

/**
 * The seal of a block of descriptors. Only those that are decoded, and so were verified, are sealed: one that is damaged
 * keeps its wrong checksum.
 */
export function sealDescriptors(volume: Volume, block: CachedBlock): void {
  const { descriptorsPerBlock } = volume.geometry;
  const first = block.sealSeed * descriptorsPerBlock;
  for (let n = 0; n < descriptorsPerBlock; n++) {
    if (volume.descriptors.has(first + n)) sealDescriptor(volume, first + n, block);
  }
}

/** The checksum of one descriptor, whatever is in it. */
export function sealDescriptor(volume: Volume, group: number, block: CachedBlock): void {
  const { features } = volume;
  if (!features.metadataCsum && !features.gdtCsum) return;
  const base = descriptorBase(volume, group);
  block.view.setUint16(base + at.checksum, descriptorChecksum(volume, group, block.data, base), true);
}

function descriptorChecksum(volume: Volume, group: number, data: Uint8Array, base: number): number {
  const { features, geometry } = volume;
  const end = base + geometry.descriptorSize;
  if (features.metadataCsum) {
    const sum = crc32c(crc32cLe32(volume.checksumSeed, group), data, base, base + at.checksum);
    return crc32c(crc32cZeros(sum, 2), data, base + at.checksum + 2, end) & 0xffff;
  }
  let sum = crc16(crc16(0xffff, volume.superblock.uuid), groupNumber(group));
  sum = crc16(sum, data, base, base + at.checksum);
  return features.is64Bit ? crc16(sum, data, base + at.checksum + 2, end) : sum;
}

function verifyChecksum(
  volume: Volume,
  group: number,
  block: number,
  data: Uint8Array,
  view: DataView,
  base: number,
): void {
  const { features } = volume;
  if (!features.metadataCsum && !features.gdtCsum) return;
  const stored = view.getUint16(base + at.checksum, true);
  const computed = descriptorChecksum(volume, group, data, base);
  if (stored !== computed) {
    throw new CorruptionError(
      "group-descriptor-checksum",
      { group, block, offset: base },
      `stored 0x${stored.toString(16)}, computed 0x${computed.toString(16)}`,
    );
  }
}

function groupNumber(group: number): Uint8Array {
  return Uint8Array.of(group, group >>> 8, group >>> 16, group >>> 24);
}

/** What ext4_check_descriptors demands: inside the file system, and without flex_bg inside the group. */
function checkLocation(volume: Volume, descriptor: GroupDescriptor, what: string, block: number, count: number): void {
  const { geometry, features } = volume;
  const flexible = (features.incompat & incompatFeature.flex_bg) !== 0;
  const { group } = descriptor;
  const first = flexible ? geometry.firstDataBlock : groupFirstBlock(volume, group);
  const end = flexible || group === geometry.groupCount - 1 ? geometry.blockCount : first + geometry.blocksPerGroup;
  if (!(block >= first && block + count <= end && block > geometry.firstDataBlock)) {
    throw new CorruptionError(
      "group-descriptor-location",
      { group, block },
      `${what} takes ${count} blocks from block ${block} on and must lie in ${first} to ${end - 1}`,
    );
  }
}
