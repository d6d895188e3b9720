import type { Inode } from "../inode/inode.js";
import type { FileSystemStatistics } from "../superblock/statfs.js";
import type { Volume } from "../volume.js";
import { LIMIT_UNIT } from "./limits.js";
import { projectUsage } from "./quota.js";

/**
 * What statfs(2) answers for a directory that hands its project down, where the limits of projects are enforced: no more than the project
 * may have, and has left (ext4_statfs_project). For all else, what it answers for the file system.
 *
 * @throws CorruptionError quota-file
 */
export function projectStatistics(volume: Volume, inode: Inode, whole: FileSystemStatistics): FileSystemStatistics {
  const usage = projectUsage(volume, inode);
  if (usage === undefined) return whole;
  let { blocks, blocksFree, blocksAvailable, files, filesFree } = whole;
  const { blockSize } = whole;
  const limit = Math.floor((smallest(usage.spaceSoftLimit, usage.spaceHardLimit) * LIMIT_UNIT) / blockSize);
  if (limit !== 0) {
    const left = Math.max(0, limit - Math.floor(usage.space / blockSize));
    blocks = Math.min(blocks, limit);
    blocksFree = Math.min(blocksFree, left);
    blocksAvailable = Math.min(blocksAvailable, left);
  }
  const most = smallest(usage.inodeSoftLimit, usage.inodeHardLimit);
  if (most !== 0) {
    files = Math.min(files, most);
    filesFree = Math.min(filesFree, Math.max(0, most - usage.inodes));
  }
  return { ...whole, blocks, blocksFree, blocksAvailable, files, filesFree };
}

/** The smaller one of two limits, of which 0 is none. */
function smallest(a: number, b: number): number {
  return a === 0 ? b : b === 0 ? a : Math.min(a, b);
}
