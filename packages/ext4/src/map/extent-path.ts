import type { CachedBlock } from "../cache/block-cache.js";
import { EXTENT_ENTRY_SIZE, ExtentHeaderLayout, MAX_EXTENT_DEPTH } from "../format/extent.js";
import { I_BLOCK_OFFSET } from "../format/inode.js";
import type { Inode } from "../inode/inode.js";
import type { Volume } from "../volume.js";
import {
  entryCount,
  entryFileBlock,
  indexChild,
  lastEntryUpTo,
  nodeDepth,
  readExtentNode,
  verifyExtentRoot,
} from "./extent-node.js";
import { MAX_FILE_BLOCKS } from "./mapping.js";

/**
 * The way from an inode's extent root (level 0) down to a leaf (level `depth`), for who changes the tree. Every change of the
 * tree's shape makes it stale; `find` again costs less than to keep it true.
 */
export class ExtentPath {
  readonly volume: Volume;
  readonly inode: Inode;
  /** Levels below the root. */
  depth = 0;
  /** The blocks of the nodes by level; the root has none. */
  readonly #nodes: (CachedBlock | undefined)[] = new Array<CachedBlock | undefined>(MAX_EXTENT_DEPTH + 1);
  /** By level: the number of the entry that was followed or found, 1 for the first; 0 in a leaf that starts behind it. */
  readonly index = new Array<number>(MAX_EXTENT_DEPTH + 1).fill(0);
  /** By level: the file block that follows what the node may map. */
  readonly end = new Array<number>(MAX_EXTENT_DEPTH + 1).fill(0);

  constructor(volume: Volume, inode: Inode) {
    this.volume = volume;
    this.inode = inode;
  }

  /**
   * Goes to the last extent that starts at or before `fileBlock`, or before the first one when none does.
   *
   * @returns this
   * @throws CorruptionError, DeviceError
   */
  find(fileBlock: number): this {
    const { volume, inode } = this;
    verifyExtentRoot(volume, inode);
    let { view } = inode;
    let base = I_BLOCK_OFFSET;
    let end = MAX_FILE_BLOCKS;
    const depth = nodeDepth(view, base);
    this.depth = depth;
    this.end[0] = end;
    for (let level = 0; level < depth; level++) {
      const count = entryCount(view, base);
      const index = Math.max(1, (lastEntryUpTo(view, base, fileBlock) - base) / EXTENT_ENTRY_SIZE);
      const at = base + index * EXTENT_ENTRY_SIZE;
      if (index < count) end = entryFileBlock(view, at + EXTENT_ENTRY_SIZE);
      this.index[level] = index;
      this.end[level + 1] = end;
      const first = entryFileBlock(view, at);
      const node = readExtentNode(volume, inode, indexChild(view, at), depth - level - 1, first, end);
      this.#nodes[level + 1] = node;
      view = node.view;
      base = 0;
    }
    this.index[depth] = (lastEntryUpTo(view, base, fileBlock) - base) / EXTENT_ENTRY_SIZE;
    return this;
  }

  /** The node's block; undefined for the root. */
  node(level: number): CachedBlock | undefined {
    return level === 0 ? undefined : this.#nodes[level];
  }

  /** The bytes that the node at `level` is in, from `base(level)` on. */
  view(level: number): DataView {
    return level === 0 ? this.inode.view : this.#nodes[level]!.view;
  }

  bytes(level: number): Uint8Array {
    return level === 0 ? this.inode.raw : this.#nodes[level]!.data;
  }

  base(level: number): number {
    return level === 0 ? I_BLOCK_OFFSET : 0;
  }

  count(level: number): number {
    return entryCount(this.view(level), this.base(level));
  }

  /** Byte offset of entry `index`, 1 for the first. */
  at(level: number, index: number): number {
    return this.base(level) + index * EXTENT_ENTRY_SIZE;
  }

  /** Entries that the node has room for besides those that are there. */
  room(level: number): number {
    const max = this.view(level).getUint16(this.base(level) + ExtentHeaderLayout.offset.max, true);
    return max - this.count(level);
  }

  isFull(level: number): boolean {
    return this.room(level) <= 0;
  }
}
