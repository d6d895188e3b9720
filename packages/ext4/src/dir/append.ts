import { type CachedBlock, type Seal, Verified } from "../cache/block-cache.js";
import { CorruptionError, FileSystemError } from "../errors.js";
import { INDEX_BLOCK_MASK } from "../format/directory.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import { mapBlocks } from "../map/map-blocks.js";
import { BlockMapping, MappingType } from "../map/mapping.js";
import { appendBlock } from "../map/write-data.js";

/** Most bytes of a directory without the large_dir feature. */
const MAX_SIZE = 2 ** 31;

const mapping = new BlockMapping();

/**
 * Adds a block of zeros to a directory, as an index block or a block of entries. Its number in the directory is the last one.
 *
 * @param others blocks of the directory that are in use, verified: a hostile bitmap may call them free, and they may be nodes of
 *   its map as well
 * @throws FileSystemError ENOSPC; CorruptionError
 */
export function appendDirectoryBlock(
  handle: Handle,
  dir: Inode,
  role: typeof Verified.directoryLeaf | typeof Verified.directoryIndex,
  seal: Seal,
  ...others: readonly (CachedBlock | undefined)[]
): CachedBlock {
  const { volume } = handle;
  const { blockSize } = volume.geometry;
  const fileBlock = Math.floor(dir.size / blockSize);
  if (fileBlock > INDEX_BLOCK_MASK || (!volume.features.largeDir && dir.size + blockSize > MAX_SIZE)) {
    throw new FileSystemError("ENOSPC", `directory ${dir.ino} has ${dir.size} bytes and can have no more`);
  }
  if (dir.size % blockSize !== 0) {
    throw new CorruptionError("inode-geometry", { inode: dir.ino }, `a directory of ${dir.size} bytes`);
  }
  mapBlocks(volume, dir, fileBlock, mapping);
  if (mapping.type !== MappingType.hole) {
    throw new CorruptionError("inode-geometry", { inode: dir.ino, fileBlock }, "a block past the end of a directory");
  }
  handle.changes?.refuse();
  const block = appendBlock(handle, dir, seal, dir.checksumSeed);
  for (const other of others) {
    // It may be this one, or have been given to a quota file when that was charged, or have got the new block's extent.
    if (other === undefined || (other.block !== block.block && isVerified(dir, other))) continue;
    throw new CorruptionError(
      "block-range",
      { inode: dir.ino, block: other.block },
      "a block of the directory that is free, or in use for something else",
    );
  }
  block.verifiedAs = role;
  block.verifiedFor = dir.ino;
  return block;
}

function isVerified(dir: Inode, { verifiedAs, verifiedFor }: CachedBlock): boolean {
  return (verifiedAs === Verified.directoryLeaf || verifiedAs === Verified.directoryIndex) && verifiedFor === dir.ino;
}

/** Number in the directory of the block that was appended last. */
export function lastBlockOf(handle: Handle, dir: Inode): number {
  return Math.floor(dir.size / handle.volume.geometry.blockSize) - 1;
}
