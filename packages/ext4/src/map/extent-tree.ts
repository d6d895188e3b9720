import { EXTENT_ENTRY_SIZE, ExtentHeaderLayout, MAX_WRITTEN_EXTENT } from "../format/extent.js";
import { I_BLOCK_OFFSET } from "../format/inode.js";
import type { Inode } from "../inode/inode.js";
import type { Volume } from "../volume.js";
import {
  entryCount,
  entryFileBlock,
  extentStart,
  indexChild,
  lengthOf,
  nodeDepth,
  rawLength,
  readExtentNode,
  verifyExtentRoot,
} from "./extent-node.js";
import { MAX_FILE_BLOCKS } from "./mapping.js";

/** An entry of a node. */
export interface ExtentTreeEntry {
  /** First file block. */
  readonly fileBlock: number;
  /** Blocks: of the extent, or those that the child may map. */
  readonly length: number;
  /** In a leaf, the first block of data; above, the block of the child. */
  readonly block: number;
  /** Whether the extent's blocks are allocated and read as zeros. */
  readonly unwritten: boolean;
}

/** A node of an extent tree. */
export interface ExtentTreeNode {
  /** Block of the node; 0 for the root, which is in the inode. */
  readonly block: number;
  /** Levels below the node; 0 in a leaf. */
  readonly depth: number;
  /** Entries that the node has room for. */
  readonly max: number;
  readonly generation: number;
  readonly entries: readonly ExtentTreeEntry[];
}

export interface ExtentTree {
  /** Levels below the root. */
  readonly depth: number;
  /** Each before its children, left to right. */
  readonly nodes: readonly ExtentTreeNode[];
  /** Whether the tree has more entries than were asked for. */
  readonly truncated: boolean;
}

/**
 * The extent tree as it is on disk, for people to look at.
 *
 * @param limit entries after which the dump ends, give or take those of one node
 * @returns undefined when the inode has no extents
 * @throws CorruptionError, DeviceError
 */
export function extentTree(volume: Volume, inode: Inode, limit = 100_000): ExtentTree | undefined {
  if (!inode.hasExtents || inode.hasInlineData) return undefined;
  verifyExtentRoot(volume, inode);
  const nodes: ExtentTreeNode[] = [];
  let left = limit;
  let truncated = false;

  function add(block: number, view: DataView, base: number, end: number): void {
    const header = ExtentHeaderLayout.at(view, base);
    const depth = nodeDepth(view, base);
    const entries = decodeEntries(view, base, end);
    nodes.push({ block, depth, max: header.max, generation: header.generation, entries });
    left -= entries.length;
    if (depth === 0) return;
    for (const child of entries) {
      if (left <= 0) {
        truncated = true;
        return;
      }
      const stop = child.fileBlock + child.length;
      add(child.block, readExtentNode(volume, inode, child.block, depth - 1, child.fileBlock, stop).view, 0, stop);
    }
  }

  add(0, inode.view, I_BLOCK_OFFSET, MAX_FILE_BLOCKS);
  return { depth: nodes[0]!.depth, nodes, truncated };
}

/** The entries of the node at `base`, nothing in which reaches past file block `end`. */
function decodeEntries(view: DataView, base: number, end: number): ExtentTreeEntry[] {
  const entries: ExtentTreeEntry[] = [];
  const leaf = nodeDepth(view, base) === 0;
  const count = entryCount(view, base);
  for (let index = 1; index <= count; index++) {
    const at = base + index * EXTENT_ENTRY_SIZE;
    const fileBlock = entryFileBlock(view, at);
    if (leaf) {
      const raw = rawLength(view, at);
      const unwritten = raw > MAX_WRITTEN_EXTENT;
      entries.push({ fileBlock, length: lengthOf(raw), block: extentStart(view, at), unwritten });
    } else {
      const next = index < count ? entryFileBlock(view, at + EXTENT_ENTRY_SIZE) : end;
      entries.push({ fileBlock, length: next - fileBlock, block: indexChild(view, at), unwritten: false });
    }
  }
  return entries;
}
