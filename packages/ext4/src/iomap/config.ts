import { maxExtentFileSize, maxIndirectFileSize } from "../inode/file-limits.js";
import { MAX_FILE_BLOCKS } from "../map/mapping.js";
import { LINK_MAX } from "../namespace/checks.js";
import type { Volume } from "../volume.js";

/** What a host has to know of the file system: fuse-iomap's IOMAP_CONFIG. */
export interface IomapConfig {
  /** Bytes: mappings begin and end on multiples of it. */
  readonly blockSize: number;
  readonly uuid: Uint8Array;
  readonly maxLinks: number;
  /** Nanoseconds. */
  readonly timeGranularity: number;
  /** Seconds since 1970: the earliest and the latest time that an inode can hold. */
  readonly timeMin: number;
  readonly timeMax: number;
  /** Bytes that the longest possible file has; some files must be shorter, and writes there are EFBIG. */
  readonly maxBytes: number;
}

/** Seconds that 32 bits hold, and 34. */
const EARLIEST = -(2 ** 31);
const LATEST = 2 ** 31 - 1;
const LATEST_WITH_EXTRA_BITS = 2 ** 34 - 2 ** 31 - 1;

/** Inodes of this size have no room for nanoseconds, nor for the seconds' higher bits. */
const SMALL_INODE = 128;

export function iomapConfig(volume: Volume): IomapConfig {
  const { blockSize, inodeSize } = volume.geometry;
  const extra = inodeSize > SMALL_INODE;
  return {
    blockSize,
    uuid: volume.superblock.uuid,
    maxLinks: LINK_MAX,
    timeGranularity: extra ? 1 : 1_000_000_000,
    timeMin: EARLIEST,
    timeMax: extra ? LATEST_WITH_EXTRA_BITS : LATEST,
    maxBytes: maxBytes(volume),
  };
}

/** Bytes that the longest file can have. */
export function maxBytes(volume: Volume): number {
  if (volume.features.extents) return maxExtentFileSize(volume);
  return Math.min(maxIndirectFileSize(volume), MAX_FILE_BLOCKS * volume.geometry.blockSize);
}
