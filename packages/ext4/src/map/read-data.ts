import type { CachedBlock } from "../cache/block-cache.js";
import { CorruptionError, DeviceError } from "../errors.js";
import type { Inode } from "../inode/inode.js";
import type { Volume } from "../volume.js";
import { mapBlocks } from "./map-blocks.js";
import { BlockMapping, MappingType } from "./mapping.js";

const mapping = new BlockMapping();

/**
 * A block of a file that the engine reads itself, through the cache of metadata blocks: directories, values of attributes,
 * targets of symbolic links, quota. Unverified: its checks are the caller's.
 *
 * @returns undefined where no data is: in a hole or an unwritten extent (both read as zeros), and in inline data (see inlineData)
 * @throws CorruptionError, DeviceError
 */
export function readFileBlock(volume: Volume, inode: Inode, fileBlock: number): CachedBlock | undefined {
  mapBlocks(volume, inode, fileBlock, mapping);
  return mapping.type === MappingType.mapped ? volume.cache.read(mapping.block) : undefined;
}

/**
 * Brings blocks into the cache that readFileBlock will be asked for soon, in as few device accesses as their layout allows.
 * A hint: reads no more than the cache takes in one run, and leaves errors to readFileBlock.
 *
 * @param count blocks, from `fileBlock` on
 */
export function prefetchFileBlocks(volume: Volume, inode: Inode, fileBlock: number, count: number): void {
  const end = fileBlock + Math.min(count, volume.cache.longestRun);
  let first = 0; // blocks on the device that are wanted together: mappings may follow each other there but not in the file
  let length = 0;
  try {
    for (let at = fileBlock; at < end; at += mapping.length) {
      mapBlocks(volume, inode, at, mapping);
      if (mapping.type !== MappingType.mapped) continue;
      if (mapping.block !== first + length) {
        volume.cache.prefetch(first, length);
        first = mapping.block;
        length = 0;
      }
      length += Math.min(mapping.length, end - at);
    }
  } catch (error) {
    // Whoever needs the block that cannot be mapped gets the error.
    if (!(error instanceof CorruptionError || error instanceof DeviceError)) throw error;
  }
  volume.cache.prefetch(first, length);
}
