import { keptClusterCount, reservedBlockCount } from "../alloc/free-counts.js";
import { GroupDescriptorLayout } from "../format/group-descriptor.js";
import { descriptorBlock, descriptorBlockCount } from "../groups/group-table.js";
import type { Volume } from "../volume.js";
import { MOST_SUMMED_GROUPS, overheadClusters } from "./overhead.js";

/** What statfs(2) answers, in its units. */
export interface FileSystemStatistics {
  /** Bytes of a block: the unit of the counts. */
  readonly blockSize: number;
  /** Blocks, without the file system's own (unless minixdf). */
  readonly blocks: number;
  readonly blocksFree: number;
  /** Free blocks that ordinary users may have. */
  readonly blocksAvailable: number;
  readonly files: number;
  readonly filesFree: number;
  /** Bytes. */
  readonly nameLength: number;
  /** f_fsid: the two 32-bit words made of the UUID. */
  readonly fsid: readonly [number, number];
}

const NAME_MAX = 255;

const at = GroupDescriptorLayout.offset;

/**
 * The answer to statfs(2), as ext4_statfs gives it.
 *
 * @param minixDf whether to count the file system's own blocks as well (the mount option minixdf)
 */
export function statistics(volume: Volume, minixDf: boolean): FileSystemStatistics {
  const { geometry, superblock } = volume;
  const ratio = geometry.clusterSize / geometry.blockSize;
  const overhead = minixDf ? 0 : cachedOverhead(volume) * ratio;
  const free = freeCounts(volume);
  const blocksFree = free.clusters * ratio;
  const kept = reservedBlockCount(volume) + keptClusterCount(volume) * ratio;
  return {
    blockSize: geometry.blockSize,
    blocks: Math.max(0, geometry.blockCount - overhead),
    blocksFree,
    blocksAvailable: Math.max(0, blocksFree - kept),
    files: geometry.inodeCount,
    filesFree: free.inodes,
    nameLength: NAME_MAX,
    fsid: fsidOf(superblock.uuid),
  };
}

/** What the file system takes for itself does not change while it is mounted. */
const overheads = new WeakMap<Volume, number>();

function cachedOverhead(volume: Volume): number {
  let clusters = overheads.get(volume);
  if (clusters === undefined) {
    clusters = overheadClusters(volume);
    overheads.set(volume, clusters);
  }
  return clusters;
}

function fsidOf(uuid: Uint8Array): readonly [number, number] {
  const view = new DataView(uuid.buffer, uuid.byteOffset, uuid.length);
  return [
    (view.getUint32(0, true) ^ view.getUint32(8, true)) >>> 0,
    (view.getUint32(4, true) ^ view.getUint32(12, true)) >>> 0,
  ];
}

/**
 * Sums over all descriptors, which the kernel trusts here whatever their checksums on a read-only mount. Where there are too
 * many to sum, and on a mount for writing, which keeps them exact, the superblock's counts.
 */
function freeCounts(volume: Volume): { clusters: number; inodes: number } {
  const { geometry, cache, superblock } = volume;
  if (volume.transactions !== undefined || geometry.groupCount > MOST_SUMMED_GROUPS) {
    const high = volume.features.is64Bit ? superblock.freeBlocksCountHi * 0x1_0000_0000 : 0;
    const clusters = Math.floor(((superblock.freeBlocksCountLo + high) * geometry.blockSize) / geometry.clusterSize);
    return { clusters, inodes: superblock.freeInodesCount };
  }
  const { descriptorsPerBlock, descriptorSize, groupCount, blockCount } = geometry;
  const wide = descriptorSize >= 64;
  let clusters = 0;
  let inodes = 0;
  const blocks = descriptorBlockCount(volume);
  for (let index = 0; index < blocks; index++) {
    const block = descriptorBlock(volume, index);
    if (!(block >= 0 && block < blockCount)) continue;
    if (cache.peek(block) === undefined && !volume.features.metaBg) cache.prefetch(block, blocks - index);
    const { view } = cache.read(block);
    const count = Math.min(descriptorsPerBlock, groupCount - index * descriptorsPerBlock);
    for (let n = 0; n < count; n++) {
      const base = n * descriptorSize;
      clusters += view.getUint16(base + at.freeBlocksCountLo, true);
      inodes += view.getUint16(base + at.freeInodesCountLo, true);
      if (wide) {
        clusters += view.getUint16(base + at.freeBlocksCountHi, true) * 0x1_0000;
        inodes += view.getUint16(base + at.freeInodesCountHi, true) * 0x1_0000;
      }
    }
  }
  return { clusters, inodes };
}
