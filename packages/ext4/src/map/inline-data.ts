import { CorruptionError } from "../errors.js";
import { I_BLOCK_SIZE } from "../format/inode.js";
import type { Inode } from "../inode/inode.js";
import type { Volume } from "../volume.js";
import { findInInode } from "../xattr/in-inode.js";

/** e_name_index and name of the attribute that continues inline data: "system.data". */
export const DATA_INDEX = 7;
export const DATA_NAME = "data";

const nothing = new Uint8Array(0);

/**
 * The contents of an inode with the inline_data flag: i_block, continued in the value of the attribute system.data. The value
 * may be longer than the contents need. A window onto the inode where i_block is enough, else a copy.
 *
 * @returns `inode.size` bytes
 * @throws CorruptionError "inline-data" when the inode does not hold as many, "xattr-entry" when its attributes are wrong
 */
export function inlineData(volume: Volume, inode: Inode): Uint8Array {
  const { size, block } = inode;
  const value = findInInode(volume, inode, DATA_INDEX, DATA_NAME) ?? nothing;
  const capacity = I_BLOCK_SIZE + value.length;
  if (size > capacity) {
    throw new CorruptionError("inline-data", { inode: inode.ino }, `${size} bytes where the inode holds ${capacity}`);
  }
  if (size <= I_BLOCK_SIZE) return block.subarray(0, size);
  const contents = new Uint8Array(size);
  contents.set(block);
  contents.set(value.subarray(0, size - I_BLOCK_SIZE), I_BLOCK_SIZE);
  return contents;
}
