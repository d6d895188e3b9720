/** State of a range of file blocks. The values are those of the fuse-iomap mapping types. */
export const MappingType = { hole: 0, mapped: 2, unwritten: 3, inline: 4 } as const;

/**
 * Where a range of a file's blocks lies; one object is reused for many answers. `length` may reach past what was asked for and
 * past the end of the file. A hole ends no later than the next mapping, and reaches to MAX_FILE_BLOCKS when none follows.
 */
export class BlockMapping {
  type = 0;
  /** First file block of the range. */
  fileBlock = 0;
  /** Blocks, at least 1. */
  length = 0;
  /** First block on the device; 0 for holes and inline data. */
  block = 0;
  /** Whether allocateRange allocated the blocks just now: what they hold on the device is anything. */
  isNew = false;

  set(type: number, fileBlock: number, length: number, block: number): void {
    this.type = type;
    this.fileBlock = fileBlock;
    this.length = length;
    this.block = block;
    this.isNew = false;
  }
}

/** One past the highest file block that ext4 can map. */
export const MAX_FILE_BLOCKS = 0xffff_ffff;
