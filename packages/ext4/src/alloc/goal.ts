import { isEngineError } from "../errors.js";
import { groupFirstBlock } from "../groups/group-table.js";
import type { Inode } from "../inode/inode.js";
import { mapBlocks } from "../map/map-blocks.js";
import { BlockMapping, MappingType } from "../map/mapping.js";
import type { Volume } from "../volume.js";
import { flexGroupSize } from "./group-geometry.js";

/** From so many groups on a flex group's first is kept for directories (EXT4_FLEX_SIZE_DIR_ALLOC_SCHEME). */
const SMALLEST_FLEX_GROUP = 4;

const mapping = new BlockMapping();

/**
 * Where a file's block should go: behind the block before it in the file, or else into the group of its inode; in a flex group, regular
 * files begin in its second group and all else in its first (ext4_inode_to_goal_block).
 */
export function goalFor(volume: Volume, inode: Inode, fileBlock: number): number {
  if (fileBlock > 0 && inode.blocks > 0 && !inode.hasInlineData) {
    try {
      mapBlocks(volume, inode, fileBlock - 1, mapping);
    } catch (error) {
      if (!isEngineError(error)) throw error;
      return goalOfInode(volume, inode); // whoever maps the block itself meets the error
    }
    if (mapping.type === MappingType.mapped || mapping.type === MappingType.unwritten) {
      return mapping.block + (fileBlock - mapping.fileBlock);
    }
  }
  return goalOfInode(volume, inode);
}

/** The start of the group that an inode's first block should go to. */
export function goalOfInode(volume: Volume, inode: Inode): number {
  const { groupCount, inodesPerGroup } = volume.geometry;
  let group = Math.floor((inode.ino - 1) / inodesPerGroup);
  const flex = flexGroupSize(volume);
  if (flex >= SMALLEST_FLEX_GROUP) {
    group -= group % flex;
    if (inode.isRegular && group + 1 < groupCount) group++;
  }
  return groupFirstBlock(volume, Math.min(group, groupCount - 1));
}
