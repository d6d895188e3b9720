import type { Volume } from "../volume.js";

const DIRECT_BLOCKS = 12;

/** Most bytes of a file with extents (the kernel's ext4_max_size). Below 2^49. */
export function maxExtentFileSize(volume: Volume): number {
  const { blockSize, blockBits } = volume.geometry;
  const blocks = volume.features.hugeFile ? 2 ** 32 - 1 : Math.floor((2 ** 32 - 1) / 2 ** (blockBits - 9));
  return Math.min(2 ** 32 - 1, blocks) * blockSize;
}

/**
 * Most bytes of a file with indirect blocks (ext4_max_bitmap_size): what the tree can address, or, where the count of
 * 512-byte sectors ends sooner, what is left of those after the tree's own blocks. At most 2^53 - 1.
 */
export function maxIndirectFileSize(volume: Volume): number {
  const { blockSize, blockBits } = volume.geometry;
  const pointers = blockSize / 4;
  const square = pointers * pointers;
  const limit = volume.features.hugeFile ? 2 ** 48 - 1 : Math.floor((2 ** 32 - 1) / 2 ** (blockBits - 9));
  let blocks = DIRECT_BLOCKS + pointers + square + square * pointers;
  const treeBlocks = 1 + (1 + pointers) + (1 + pointers + square);
  if (blocks + treeBlocks > limit) {
    let left = limit - DIRECT_BLOCKS - pointers;
    blocks = limit - 1;
    if (left < square) {
      blocks -= 1 + Math.ceil(left / pointers);
    } else {
      left -= square;
      blocks -= 1 + pointers + 1 + Math.ceil(left / pointers) + Math.ceil(left / square);
    }
  }
  return Math.min(blocks * blockSize, Number.MAX_SAFE_INTEGER);
}
