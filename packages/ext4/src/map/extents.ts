import { EXTENT_ENTRY_SIZE, MAX_WRITTEN_EXTENT } from "../format/extent.js";
import { I_BLOCK_OFFSET } from "../format/inode.js";
import type { Inode } from "../inode/inode.js";
import type { Volume } from "../volume.js";
import {
  entryFileBlock,
  extentStart,
  indexChild,
  lastEntry,
  lastEntryUpTo,
  lengthOf,
  nodeDepth,
  rawLength,
  readExtentNode,
  verifyExtentRoot,
} from "./extent-node.js";
import { type BlockMapping, MAX_FILE_BLOCKS, MappingType } from "./mapping.js";

/** Maps a block of a file that has an extent tree; see mapBlocks. */
export function mapExtents(volume: Volume, inode: Inode, fileBlock: number, out: BlockMapping): void {
  verifyExtentRoot(volume, inode);
  let { view } = inode;
  let base = I_BLOCK_OFFSET;
  let end = MAX_FILE_BLOCKS;
  for (let depth = nodeDepth(view, base); depth > 0; depth--) {
    const at = lastEntryUpTo(view, base, fileBlock);
    const next = at + EXTENT_ENTRY_SIZE;
    if (next <= lastEntry(view, base)) end = entryFileBlock(view, next);
    if (at === base) {
      out.set(MappingType.hole, fileBlock, end - fileBlock, 0); // only at the root: a child starts where its entry says
      return;
    }
    view = readExtentNode(volume, inode, indexChild(view, at), depth - 1, entryFileBlock(view, at), end).view;
    base = 0;
  }
  mapInLeaf(view, base, fileBlock, end, out);
}

/** @param end file block at which the next leaf starts: as nodes start with what their parents say, an extent is there */
function mapInLeaf(view: DataView, base: number, fileBlock: number, end: number, out: BlockMapping): void {
  const last = lastEntry(view, base);
  let at = lastEntryUpTo(view, base, fileBlock);
  if (at > base) {
    const first = entryFileBlock(view, at);
    const raw = rawLength(view, at);
    let stop = first + lengthOf(raw);
    if (fileBlock < stop) {
      const unwritten = raw > MAX_WRITTEN_EXTENT;
      const start = extentStart(view, at);
      for (at += EXTENT_ENTRY_SIZE; at <= last; at += EXTENT_ENTRY_SIZE) {
        const raw = rawLength(view, at);
        if (entryFileBlock(view, at) !== stop || extentStart(view, at) !== start + stop - first) break;
        if (raw > MAX_WRITTEN_EXTENT !== unwritten) break;
        stop += lengthOf(raw);
      }
      const type = unwritten ? MappingType.unwritten : MappingType.mapped;
      out.set(type, fileBlock, stop - fileBlock, start + fileBlock - first);
      return;
    }
  }
  const next = at + EXTENT_ENTRY_SIZE;
  const stop = next <= last ? entryFileBlock(view, next) : end;
  out.set(MappingType.hole, fileBlock, stop - fileBlock, 0);
}
