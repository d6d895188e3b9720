import type { Allocator } from "./alloc/allocator.js";
import type { BlockCache } from "./cache/block-cache.js";
import type { BlockDevice } from "./device/device.js";
import type { Environment } from "./environment.js";
import { CorruptionError, type CorruptionKind, type CorruptionLocation } from "./errors.js";
import type { SuperblockView } from "./format/superblock.js";
import type { GroupDescriptor } from "./groups/group-table.js";
import type { SystemZone } from "./groups/system-zone.js";
import type { InodeCache } from "./inode/inode-cache.js";
import type { Promises } from "./iomap/promises.js";
import type { Transactions } from "./journal/transactions.js";
import type { OrphanTable } from "./orphan/orphan-table.js";

/** Sizes and places that follow from the superblock; checked, so that the rest of the engine may compute with them. */
export interface Geometry {
  /** Bytes: 1024 to 65,536, a power of two. */
  readonly blockSize: number;
  /** log2 of blockSize. */
  readonly blockBits: number;
  /** Bytes; equal to blockSize without bigalloc. */
  readonly clusterSize: number;
  /** Blocks in the file system; block numbers are below it. */
  readonly blockCount: number;
  /** Number of the first block of group 0. */
  readonly firstDataBlock: number;
  readonly blocksPerGroup: number;
  readonly clustersPerGroup: number;
  readonly inodesPerGroup: number;
  readonly inodeCount: number;
  /** Bytes of an on-disk inode: 128 or more, a power of two. */
  readonly inodeSize: number;
  readonly inodesPerBlock: number;
  /** Blocks of a group's inode table. */
  readonly inodeTableBlocks: number;
  readonly groupCount: number;
  /** Bytes of a group descriptor: 32, or 64 and more. */
  readonly descriptorSize: number;
  readonly descriptorsPerBlock: number;
  /** First inode number that is not reserved. */
  readonly firstInode: number;
  /** i_extra_isize of new inodes, as the superblock wants it; 0 where inodes have 128 bytes. */
  readonly extraInodeSize: number;
}

/** Feature words of the superblock, with the questions that are asked often answered once. */
export interface Features {
  readonly compat: number;
  readonly incompat: number;
  readonly roCompat: number;
  readonly metadataCsum: boolean;
  readonly gdtCsum: boolean;
  readonly is64Bit: boolean;
  readonly filetype: boolean;
  readonly extents: boolean;
  readonly largeDir: boolean;
  readonly inlineData: boolean;
  readonly eaInode: boolean;
  readonly bigalloc: boolean;
  readonly hugeFile: boolean;
  readonly casefold: boolean;
  readonly metaBg: boolean;
  readonly hasJournal: boolean;
  readonly dirIndex: boolean;
}

/** What every room of the engine shares: the device, its cache of metadata blocks, and what the superblock says of them. */
export interface Volume {
  readonly device: BlockDevice;
  readonly environment: Environment;
  /** The superblock's bytes in memory. */
  readonly superblock: SuperblockView;
  readonly geometry: Geometry;
  readonly features: Features;
  /** Seed of metadata checksums (metadata_csum), else 0. */
  readonly checksumSeed: number;
  readonly cache: BlockCache;
  /** Decoded inodes, shared by all who use them. */
  readonly inodes: InodeCache;
  /** Block that holds the superblock in use: the descriptor table follows it. */
  readonly superblockBlock: number;
  /** Group descriptors that are decoded and verified already; groups/group-table.ts fills and bounds it. */
  readonly descriptors: Map<number, GroupDescriptor>;
  /** The blocks that no file may map; undefined when that is not asked (noblock_validity). */
  readonly systemZone: SystemZone | undefined;
  /** Whether new inodes get their directory's group, as in BSD (grpid), and not their creator's. */
  readonly directoryGroups: boolean;
  /** Through which everything is changed; undefined on a read-only mount. */
  transactions: Transactions | undefined;
  /** What the allocators know in memory; alloc/allocator.ts fills it. */
  allocator: Allocator | undefined;
  /** Inodes that a crash must not leak; orphan/change.ts fills it. */
  orphans: OrphanTable | undefined;
  /** What a host outside of this process counts on. */
  readonly promises: Promises;
  /**
   * Told of blocks that the engine has read or written itself, before they may hold data of a host outside of this process. All
   * that was written to them is durable, or not wanted any more.
   */
  handOver: ((block: number, count: number) => void) | undefined;
  /** Called when a commit has made freed blocks available, before anybody can have them: whoever still reads them finishes first. */
  beforeReuse: (() => void) | undefined;
  /** Takes errors that do not stop the operation that finds them, to put them on record. */
  report: ((error: unknown) => void) | undefined;
}

/**
 * Checks that `count` blocks from `block` on lie inside the file system, and returns `block`. Hostile numbers (fractions
 * excluded by construction, above 2^53 included) fail here.
 */
export function checkBlockRange(
  volume: Volume,
  block: number,
  count: number,
  kind: CorruptionKind,
  location: CorruptionLocation,
): number {
  const { blockCount, firstDataBlock } = volume.geometry;
  // Block firstDataBlock holds the superblock (1 KiB blocks: block 0 is outside); nothing else may be there.
  if (!(block > firstDataBlock && block + count <= blockCount)) {
    throw new CorruptionError(kind, location, `blocks ${block} to ${block + count - 1} of ${blockCount}`);
  }
  return block;
}
