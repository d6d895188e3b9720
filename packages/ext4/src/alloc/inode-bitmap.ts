import { type CachedBlock, Verified } from "../cache/block-cache.js";
import { crc32c } from "../checksum/crc32c.js";
import { CorruptionError } from "../errors.js";
import { GroupFlag } from "../format/group-descriptor.js";
import type { GroupDescriptor } from "../groups/group-table.js";
import type { Volume } from "../volume.js";
import { setBits } from "./bits.js";

/**
 * A group's inode bitmap, verified when it enters the cache; that of a group without inodes so far (INODE_UNINIT) is made up,
 * and the flag stays until an inode is allocated.
 *
 * @throws CorruptionError inode-bitmap, DeviceError
 */
export function inodeBitmap(volume: Volume, descriptor: GroupDescriptor): CachedBlock {
  const { group } = descriptor;
  const cached = volume.cache.peek(descriptor.inodeBitmap);
  if (cached !== undefined && cached.verifiedAs === Verified.inodeBitmap && cached.verifiedFor === group + 1) {
    return volume.cache.read(descriptor.inodeBitmap);
  }
  const bitmap = isInodeUninit(volume, descriptor) ? initialBitmap(volume, descriptor) : readBitmap(volume, descriptor);
  bitmap.verifiedAs = Verified.inodeBitmap;
  bitmap.verifiedFor = group + 1;
  return bitmap;
}

/** Whether the bitmap on the device means nothing. Only descriptors with checksums say so. */
export function isInodeUninit(volume: Volume, descriptor: GroupDescriptor): boolean {
  const { metadataCsum, gdtCsum } = volume.features;
  return (metadataCsum || gdtCsum) && (descriptor.flags & GroupFlag.inodeUninit) !== 0;
}

/** The checksum of an inode bitmap, as many bits of it as descriptors hold. */
export function inodeBitmapChecksum(volume: Volume, bitmap: CachedBlock): number {
  const { inodesPerGroup, descriptorSize } = volume.geometry;
  const sum = crc32c(volume.checksumSeed, bitmap.data, 0, inodesPerGroup >>> 3);
  return descriptorSize >= 64 ? sum : sum & 0xffff;
}

function readBitmap(volume: Volume, descriptor: GroupDescriptor): CachedBlock {
  const bitmap = volume.cache.read(descriptor.inodeBitmap);
  if (!volume.features.metadataCsum) return bitmap;
  const computed = inodeBitmapChecksum(volume, bitmap);
  if (computed !== descriptor.inodeBitmapChecksum) {
    const stored = descriptor.inodeBitmapChecksum;
    throw new CorruptionError(
      "inode-bitmap",
      { group: descriptor.group, block: descriptor.inodeBitmap },
      `checksum 0x${stored.toString(16)} in the descriptor, computed 0x${computed.toString(16)}`,
    );
  }
  return bitmap;
}

function initialBitmap(volume: Volume, descriptor: GroupDescriptor): CachedBlock {
  const { group } = descriptor;
  const location = { group, block: descriptor.inodeBitmap };
  if (group === 0) throw new CorruptionError("inode-bitmap", location, "the first group's is marked as never used");
  const bitmap = volume.cache.createBlock(descriptor.inodeBitmap);
  if (bitmap.transaction !== 0 || bitmap.loggedIn !== 0) {
    throw new CorruptionError("inode-bitmap", location, "its block is in use for something else");
  }
  bitmap.data.fill(0);
  setBits(bitmap.view, volume.geometry.inodesPerGroup, volume.geometry.blockSize * 8);
  return bitmap;
}
