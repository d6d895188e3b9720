import type { Inode } from "../inode/inode.js";
import type { Volume } from "../volume.js";
import { mapExtents } from "./extents.js";
import { mapIndirect } from "./indirect.js";
import { type BlockMapping, MAX_FILE_BLOCKS, MappingType } from "./mapping.js";

/**
 * Where a file's blocks from `fileBlock` on lie: fills `out` with the longest run that the nodes on the way to `fileBlock` tell
 * of, starting at `fileBlock`. The run may end before the next change (at the end of a leaf, an indirect block or a missing
 * subtree), so equal states may follow each other; it may reach past the end of the file.
 *
 * For files whose i_block maps blocks: regular files, directories, and symbolic links that are not fast ones.
 *
 * @param fileBlock 0 or more; blocks from MAX_FILE_BLOCKS on are holes
 * @throws CorruptionError when a node on the way breaks a rule, DeviceError when one cannot be read
 */
export function mapBlocks(volume: Volume, inode: Inode, fileBlock: number, out: BlockMapping): void {
  if (fileBlock >= MAX_FILE_BLOCKS) out.set(MappingType.hole, fileBlock, 1, 0);
  else if (inode.hasInlineData) mapInline(fileBlock, out);
  else if (inode.hasExtents) mapExtents(volume, inode, fileBlock, out);
  else mapIndirect(volume, inode, fileBlock, out);
}

/** Inline data is shorter than an inode, so it never reaches block 1. */
function mapInline(fileBlock: number, out: BlockMapping): void {
  if (fileBlock === 0) out.set(MappingType.inline, 0, 1, 0);
  else out.set(MappingType.hole, fileBlock, MAX_FILE_BLOCKS - fileBlock, 0);
}
