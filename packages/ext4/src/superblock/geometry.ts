import { CorruptionError } from "../errors.js";
import { compatFeature, incompatFeature, roCompatFeature } from "../format/features.js";
import { GOOD_OLD_INODE_SIZE, KNOWN_EXTRA_INODE_SIZE, ReservedInode } from "../format/inode.js";
import { CREATOR_OS_HURD, GOOD_OLD_REVISION, type SuperblockView } from "../format/superblock.js";
import type { Features, Geometry } from "../volume.js";

const MIN_BLOCK_BITS = 10;
const MAX_BLOCK_BITS = 16;
const MAX_CLUSTER_BITS = 30;
const MIN_DESCRIPTOR_SIZE_64BIT = 64;
const MAX_DESCRIPTOR_SIZE = 1024;

function wrong(evidence: string): CorruptionError {
  return new CorruptionError("superblock-geometry", {}, evidence);
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && (value & (value - 1)) === 0;
}

/** The feature words, with the frequent questions answered. */
export function featuresOf(superblock: SuperblockView): Features {
  const compat = superblock.featureCompat;
  const incompat = superblock.featureIncompat;
  const roCompat = superblock.featureRoCompat;
  return {
    compat,
    incompat,
    roCompat,
    metadataCsum: (roCompat & roCompatFeature.metadata_csum) !== 0,
    gdtCsum: (roCompat & roCompatFeature.uninit_bg) !== 0,
    is64Bit: (incompat & incompatFeature["64bit"]) !== 0,
    filetype: (incompat & incompatFeature.filetype) !== 0,
    extents: (incompat & incompatFeature.extent) !== 0,
    largeDir: (incompat & incompatFeature.large_dir) !== 0,
    inlineData: (incompat & incompatFeature.inline_data) !== 0,
    eaInode: (incompat & incompatFeature.ea_inode) !== 0,
    bigalloc: (roCompat & roCompatFeature.bigalloc) !== 0,
    hugeFile: (roCompat & roCompatFeature.huge_file) !== 0,
    casefold: (incompat & incompatFeature.casefold) !== 0,
    metaBg: (incompat & incompatFeature.meta_bg) !== 0,
    hasJournal: (compat & compatFeature.has_journal) !== 0,
    dirIndex: (compat & compatFeature.dir_index) !== 0,
  };
}

/** log2 of the block size in bytes. @throws CorruptionError superblock-geometry when it is not between 10 and 16 */
export function blockBitsOf(superblock: SuperblockView): number {
  const bits = superblock.logBlockSize + MIN_BLOCK_BITS;
  if (bits > MAX_BLOCK_BITS) throw wrong(`block size 2^${bits}; at most 64 KiB`);
  return bits;
}

/**
 * The geometry, after every check that the kernel makes before it mounts (ext4_fill_super).
 *
 * @param deviceSize bytes of the device; more than the file system takes is fine
 * @throws CorruptionError superblock-geometry
 */
export function geometryOf(superblock: SuperblockView, features: Features, deviceSize: number): Geometry {
  const blockBits = blockBitsOf(superblock);
  const blockSize = 2 ** blockBits;
  const old = superblock.revLevel === GOOD_OLD_REVISION;

  const inodeSize = old ? GOOD_OLD_INODE_SIZE : superblock.inodeSize;
  const firstInode = old ? ReservedInode.firstOrdinary : superblock.firstInode;
  if (firstInode < ReservedInode.firstOrdinary) throw wrong(`first inode ${firstInode}; at least 11`);
  if (inodeSize < GOOD_OLD_INODE_SIZE || !isPowerOfTwo(inodeSize) || inodeSize > blockSize) {
    throw wrong(`inode size ${inodeSize}; a power of two from 128 to the block size, ${blockSize}`);
  }
  if (superblock.creatorOs === CREATOR_OS_HURD && (features.is64Bit || features.eaInode)) {
    throw wrong("made by the Hurd, which has neither 64bit nor ea_inode");
  }
  if (superblock.reservedGdtBlocks > blockSize / 4) {
    throw wrong(`${superblock.reservedGdtBlocks} reserved descriptor blocks; at most ${blockSize / 4}`);
  }

  const descriptorSize = features.is64Bit ? superblock.descriptorSize : 32;
  if (
    features.is64Bit &&
    (descriptorSize < MIN_DESCRIPTOR_SIZE_64BIT ||
      descriptorSize > MAX_DESCRIPTOR_SIZE ||
      !isPowerOfTwo(descriptorSize))
  ) {
    throw wrong(`group descriptors of ${descriptorSize} bytes; a power of two from 64 to 1024`);
  }

  const { blocksPerGroup, inodesPerGroup } = superblock;
  const inodesPerBlock = blockSize / inodeSize;
  if (blocksPerGroup === 0) throw wrong("0 blocks in a group");
  if (inodesPerGroup < inodesPerBlock || inodesPerGroup > blockSize * 8) {
    throw wrong(`${inodesPerGroup} inodes in a group; from ${inodesPerBlock} to ${blockSize * 8}`);
  }

  const clusterSize = clusterSizeOf(superblock, features, blockSize);
  const { clustersPerGroup } = superblock;
  if (clustersPerGroup > blockSize * 8)
    throw wrong(`${clustersPerGroup} clusters in a group; at most ${blockSize * 8}`);
  if (blocksPerGroup !== clustersPerGroup * (clusterSize / blockSize)) {
    throw wrong(`${blocksPerGroup} blocks and ${clustersPerGroup} clusters of ${clusterSize} bytes in a group`);
  }

  const blockCount = superblock.blocksCountLo + (features.is64Bit ? superblock.blocksCountHi * 0x1_0000_0000 : 0);
  const { firstDataBlock } = superblock;
  const held = Math.floor(deviceSize / blockSize);
  if (blockCount > held) {
    throw wrong(
      `${blockCount} blocks of ${blockSize} bytes, and the device or image holds ${held}: ` +
        "it is cut short, or the offset is wrong",
    );
  }
  // Byte offsets have to be exact; a sparse file may claim more than 8 PiB.
  if (blockCount * blockSize > Number.MAX_SAFE_INTEGER)
    throw wrong(`${blockCount} blocks of ${blockSize} bytes; at most 8 PiB`);
  if (firstDataBlock >= blockCount) throw wrong(`first data block ${firstDataBlock} of ${blockCount}`);
  if (firstDataBlock === 0 && blockSize === 1024 && clusterSize === blockSize) {
    throw wrong("first data block 0 with blocks and clusters of 1 KiB");
  }
  const groupCount = Math.ceil((blockCount - firstDataBlock) / blocksPerGroup);
  const descriptorsPerBlock = blockSize / descriptorSize;
  if (groupCount > 2 ** 32 - descriptorsPerBlock) throw wrong(`${groupCount} block groups`);
  if (groupCount * inodesPerGroup !== superblock.inodesCount) {
    throw wrong(`${superblock.inodesCount} inodes; ${groupCount} groups of ${inodesPerGroup} have another number`);
  }
  const descriptorBlocks = Math.ceil(groupCount / descriptorsPerBlock);
  if (features.metaBg && superblock.firstMetaBlockGroup > descriptorBlocks) {
    throw wrong(`first meta block group ${superblock.firstMetaBlockGroup}; at most ${descriptorBlocks}`);
  }

  return {
    blockSize,
    blockBits,
    clusterSize,
    blockCount,
    firstDataBlock,
    blocksPerGroup,
    clustersPerGroup,
    inodesPerGroup,
    inodeCount: superblock.inodesCount,
    inodeSize,
    inodesPerBlock,
    // As the kernel divides: a table that is not a whole number of blocks loses its tail.
    inodeTableBlocks: Math.floor(inodesPerGroup / inodesPerBlock),
    groupCount,
    descriptorSize,
    descriptorsPerBlock,
    firstInode,
    extraInodeSize: extraInodeSizeOf(superblock, features, inodeSize),
  };
}

/** What the kernel makes of s_min_extra_isize and s_want_extra_isize when it mounts. */
function extraInodeSizeOf(superblock: SuperblockView, { roCompat }: Features, inodeSize: number): number {
  const most = inodeSize - GOOD_OLD_INODE_SIZE;
  if (most === 0) return 0;
  const { minExtraInodeSize, wantExtraInodeSize } = superblock;
  if ((roCompat & roCompatFeature.extra_isize) === 0) return KNOWN_EXTRA_INODE_SIZE;
  const size = Math.max(KNOWN_EXTRA_INODE_SIZE, minExtraInodeSize, wantExtraInodeSize);
  return size > most || (size & 3) !== 0 ? KNOWN_EXTRA_INODE_SIZE : size;
}

function clusterSizeOf(superblock: SuperblockView, features: Features, blockSize: number): number {
  const bits = superblock.logClusterSize + MIN_BLOCK_BITS;
  if (bits > MAX_CLUSTER_BITS) throw wrong(`cluster size 2^${bits}; at most 1 GiB`);
  const size = 2 ** bits;
  if (features.bigalloc ? size < blockSize : size !== blockSize) {
    throw wrong(`clusters of ${size} bytes and blocks of ${blockSize}`);
  }
  return size;
}
