import type { CachedBlock } from "../cache/block-cache.js";
import { CorruptionError } from "../errors.js";
import type { Inode } from "../inode/inode.js";
import { mapBlocks } from "../map/map-blocks.js";
import { BlockMapping, MappingType } from "../map/mapping.js";
import { prefetchFileBlocks, readFileBlock } from "../map/read-data.js";
import type { Volume } from "../volume.js";
import { blocksOf } from "./kind.js";

/** A block of a directory that must be there. */
export function readDirectoryBlock(volume: Volume, dir: Inode, fileBlock: number): CachedBlock {
  const block = readFileBlock(volume, dir, fileBlock);
  if (block === undefined) {
    throw new CorruptionError(
      "directory-hole",
      { inode: dir.ino, fileBlock },
      "a block that the index names is a hole",
    );
  }
  return block;
}

/** Number of blocks, checked against the file system: a bound for whoever walks the directory. */
export function boundedBlocksOf(volume: Volume, dir: Inode): number {
  const blocks = blocksOf(volume, dir);
  if (!(blocks <= volume.geometry.blockCount)) {
    throw new CorruptionError(
      "inode-geometry",
      { inode: dir.ino },
      `a directory of ${dir.size} bytes is bigger than the file system`,
    );
  }
  return blocks;
}

const mapping = new BlockMapping();

/** Reads ahead the aligned run of directory blocks around `fileBlock`, if that one is not cached: a listing will want them all. */
export function prefetchAround(volume: Volume, dir: Inode, fileBlock: number): void {
  const { cache } = volume;
  mapBlocks(volume, dir, fileBlock, mapping);
  if (mapping.type !== MappingType.mapped || cache.peek(mapping.block) !== undefined) return;
  const run = Math.max(1, Math.floor(cache.longestRun));
  const from = fileBlock - (fileBlock % run);
  prefetchFileBlocks(volume, dir, from, Math.min(run, blocksOf(volume, dir) - from));
}

/** The first mapped block of the directory at or after `fileBlock`, or `end`. */
export function nextMappedBlock(volume: Volume, dir: Inode, fileBlock: number, end: number): number {
  for (let at = fileBlock; at < end; at += Math.max(1, mapping.length)) {
    mapBlocks(volume, dir, at, mapping);
    if (mapping.type === MappingType.mapped) return at;
  }
  return end;
}
