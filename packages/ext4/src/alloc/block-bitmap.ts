import { type CachedBlock, Verified } from "../cache/block-cache.js";
import { crc32c } from "../checksum/crc32c.js";
import { CorruptionError } from "../errors.js";
import { GroupFlag } from "../format/group-descriptor.js";
import type { GroupDescriptor } from "../groups/group-table.js";
import type { Volume } from "../volume.js";
import { countClear, findClear, setBits } from "./bits.js";
import { clustersInGroup, fixedMetadata, placedMetadata } from "./group-geometry.js";

/**
 * A group's block bitmap: a bit for each cluster. It is verified when it enters the cache; that of a group that was never used
 * (BLOCK_UNINIT) is made up, and the flag stays until something is allocated.
 *
 * @throws CorruptionError block-bitmap, DeviceError
 */
export function blockBitmap(volume: Volume, descriptor: GroupDescriptor): CachedBlock {
  const { group } = descriptor;
  const cached = volume.cache.peek(descriptor.blockBitmap);
  // The first group's mark is 1: 0 is nobody's.
  if (cached !== undefined && cached.verifiedAs === Verified.blockBitmap && cached.verifiedFor === group + 1) {
    return volume.cache.read(descriptor.blockBitmap);
  }
  const bitmap = isBlockUninit(volume, descriptor) ? initialBitmap(volume, descriptor) : readBitmap(volume, descriptor);
  bitmap.verifiedAs = Verified.blockBitmap;
  bitmap.verifiedFor = group + 1;
  return bitmap;
}

/** Whether the bitmap on the device means nothing. Only descriptors with checksums say so. */
export function isBlockUninit(volume: Volume, descriptor: GroupDescriptor): boolean {
  const { metadataCsum, gdtCsum } = volume.features;
  return (metadataCsum || gdtCsum) && (descriptor.flags & GroupFlag.blockUninit) !== 0;
}

/** The checksum of a block bitmap, as many bits of it as descriptors hold. */
export function blockBitmapChecksum(volume: Volume, bitmap: CachedBlock): number {
  const { clustersPerGroup, descriptorSize } = volume.geometry;
  const sum = crc32c(volume.checksumSeed, bitmap.data, 0, clustersPerGroup >>> 3);
  return descriptorSize >= 64 ? sum : sum & 0xffff;
}

function readBitmap(volume: Volume, descriptor: GroupDescriptor): CachedBlock {
  const { group } = descriptor;
  const bitmap = volume.cache.read(descriptor.blockBitmap);
  const location = { group, block: descriptor.blockBitmap };
  if (volume.features.metadataCsum) {
    const computed = blockBitmapChecksum(volume, bitmap);
    if (computed !== descriptor.blockBitmapChecksum) {
      const stored = descriptor.blockBitmapChecksum;
      throw new CorruptionError(
        "block-bitmap",
        location,
        `checksum 0x${stored.toString(16)} in the descriptor, computed 0x${computed.toString(16)}`,
      );
    }
  }
  checkCount(volume, descriptor, bitmap);
  placedMetadata(volume, descriptor, (from, end) => {
    if (findClear(bitmap.view, from, end) < end) {
      throw new CorruptionError("block-bitmap", location, "the group's own metadata is free in it");
    }
  });
  return bitmap;
}

function checkCount(volume: Volume, descriptor: GroupDescriptor, bitmap: CachedBlock): void {
  const free = countClear(bitmap.view, clustersInGroup(volume, descriptor.group));
  if (free === descriptor.freeClusters) return;
  throw new CorruptionError(
    "block-bitmap",
    { group: descriptor.group, block: descriptor.blockBitmap },
    `${free} clusters are free in it, ${descriptor.freeClusters} in the descriptor`,
  );
}

/** What the bitmap of a group is before anything is allocated in it: the group's own metadata and the bits past its end are set. */
function initialBitmap(volume: Volume, descriptor: GroupDescriptor): CachedBlock {
  const { group } = descriptor;
  const location = { group, block: descriptor.blockBitmap };
  if (group === 0) throw new CorruptionError("block-bitmap", location, "the first group's is marked as never used");
  const bitmap = volume.cache.createBlock(descriptor.blockBitmap);
  if (bitmap.transaction !== 0 || bitmap.loggedIn !== 0) {
    throw new CorruptionError("block-bitmap", location, "its block is in use for something else");
  }
  bitmap.data.fill(0);
  setBits(bitmap.view, clustersInGroup(volume, group), volume.geometry.blockSize * 8);
  const set = (from: number, end: number) => setBits(bitmap.view, from, end);
  fixedMetadata(volume, group, set);
  placedMetadata(volume, descriptor, set);
  checkCount(volume, descriptor, bitmap);
  return bitmap;
}
