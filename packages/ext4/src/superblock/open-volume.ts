import { BlockCache } from "../cache/block-cache.js";
import type { BlockDevice } from "../device/device.js";
import { type Environment, systemEnvironment } from "../environment.js";
import { DefaultMountOption } from "../format/superblock.js";
import { SystemZone } from "../groups/system-zone.js";
import { InodeCache } from "../inode/inode-cache.js";
import { Promises } from "../iomap/promises.js";
import type { Volume } from "../volume.js";
import { featuresOf, geometryOf } from "./geometry.js";
import { checksumSeedOf, readSuperblock } from "./read-superblock.js";

/** Bytes of metadata that are cached unless something else is asked for. */
export const DEFAULT_CACHE_BYTES = 32 * 1024 * 1024;

const DEFAULT_INODE_ENTRIES = 16_384;
const MOST_INODE_BYTES = 16 * 1024 * 1024;

function inodeEntries(cacheBytes: number, inodeSize: number, entries = DEFAULT_INODE_ENTRIES): number {
  return Math.min(entries, Math.min(MOST_INODE_BYTES, cacheBytes / 2) / inodeSize);
}

export interface OpenVolumeOptions {
  /** Place of the superblock to use, as in mount's `sb=` option: in units of 1 KiB. Default: the primary one. */
  readonly superblock?: number;
  /** Bound of the block cache, in bytes. Default 32 MiB. */
  readonly cacheBytes?: number;
  /** Bound of the cache of inodes, 16 at least. Default 16,384; fewer when inodes are large or `cacheBytes` is small: their bytes stay below 16 MiB and half of it. */
  readonly inodeCacheEntries?: number;
  /** Whether new inodes get their directory's group: mount's `grpid`. Default: what the superblock says. */
  readonly directoryGroups?: boolean;
  /** Whether files may not map the file system's own metadata: mount's `block_validity`. Default true. */
  readonly blockValidity?: boolean;
}

/**
 * Reads and checks the superblock and makes the volume that all rooms of the engine share. The journal is not looked at.
 *
 * @throws CorruptionError superblock-magic, superblock-checksum, superblock-geometry
 * @throws UnsupportedFeatureError for an incompatible feature that cannot be read
 * @throws DeviceError
 */
export function openVolume(
  device: BlockDevice,
  options: OpenVolumeOptions = {},
  environment: Environment = systemEnvironment,
): Volume {
  const { superblock, offset } = readSuperblock(device, options.superblock);
  const features = featuresOf(superblock);
  const geometry = geometryOf(superblock, features, device.size);
  const cacheBytes = options.cacheBytes ?? DEFAULT_CACHE_BYTES;
  return {
    device,
    environment,
    superblock,
    geometry,
    features,
    checksumSeed: checksumSeedOf(superblock),
    cache: new BlockCache(device, geometry.blockSize, geometry.blockCount, cacheBytes),
    inodes: new InodeCache(inodeEntries(cacheBytes, geometry.inodeSize, options.inodeCacheEntries)),
    superblockBlock: Math.floor(offset / geometry.blockSize),
    descriptors: new Map(),
    systemZone: options.blockValidity === false ? undefined : new SystemZone(),
    directoryGroups: options.directoryGroups ?? (superblock.defaultMountOptions & DefaultMountOption.bsdGroups) !== 0,
    transactions: undefined,
    allocator: undefined,
    orphans: undefined,
    promises: new Promises(),
    handOver: undefined,
    beforeReuse: undefined,
    report: undefined,
  };
}
