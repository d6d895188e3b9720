import { BlockCache } from "../../src/cache/block-cache.js";
import { crc32c } from "../../src/checksum/crc32c.js";
import { MemoryDevice } from "../../src/device/memory.js";
import {
  EXTENT_ENTRY_SIZE,
  EXTENT_MAGIC,
  EXTENT_ROOT_CAPACITY,
  ExtentHeaderLayout,
  ExtentIndexLayout,
  ExtentLayout,
  MAX_WRITTEN_EXTENT,
} from "../../src/format/extent.js";
import { FileType, I_BLOCK_OFFSET, InodeFlag } from "../../src/format/inode.js";
import { Inode } from "../../src/inode/inode.js";
import type { Volume } from "../../src/volume.js";

export const BLOCK_SIZE = 1024;
export const BLOCK_COUNT = 128;
/** Entries that fit a node of BLOCK_SIZE bytes. */
export const CAPACITY = 84;
export const INO = 12;
const SEED = 0x1234_5678;

/** What of a volume the mapping code looks at, over a device of zeros; blocks 2 to 127 may be pointed to. */
export class Synthetic {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly volume: Volume;
  readonly inode: Inode;

  constructor(flags: number, metadataCsum = false, blockSize = BLOCK_SIZE) {
    this.bytes = new Uint8Array(blockSize * BLOCK_COUNT);
    this.view = new DataView(this.bytes.buffer);
    this.volume = {
      cache: new BlockCache(new MemoryDevice(this.bytes), blockSize, BLOCK_COUNT, 0),
      features: { metadataCsum },
      geometry: { blockSize, blockCount: BLOCK_COUNT, firstDataBlock: 1 },
    } as unknown as Volume;
    this.inode = new Inode(INO, new Uint8Array(256));
    this.inode.mode = FileType.regular;
    this.inode.flags = flags;
    this.inode.size = 2 ** 30;
    this.inode.checksumSeed = metadataCsum ? SEED : 0;
  }

  static extents(metadataCsum = false, blockSize = BLOCK_SIZE): Synthetic {
    return new Synthetic(InodeFlag.extents, metadataCsum, blockSize);
  }

  static pointers(blockSize = BLOCK_SIZE): Synthetic {
    return new Synthetic(0, false, blockSize);
  }

  /** Writes the node in i_block. */
  root(depth: number, entries: readonly Entry[], header: Header = {}): this {
    writeNode(this.inode.view, I_BLOCK_OFFSET, depth, entries, { max: EXTENT_ROOT_CAPACITY, ...header });
    return this;
  }

  /** Writes a node, with its checksum, in a block of its own. */
  node(block: number, depth: number, entries: readonly Entry[], header: Header = {}): this {
    const { blockSize } = this.volume.geometry;
    const max = header.max ?? Math.floor(blockSize / EXTENT_ENTRY_SIZE) - 1;
    writeNode(this.view, block * blockSize, depth, entries, { ...header, max });
    const tail = EXTENT_ENTRY_SIZE * (max + 1);
    if (tail + 4 <= blockSize) {
      const start = block * blockSize;
      this.view.setUint32(start + tail, crc32c(SEED, this.bytes, start, start + tail), true);
    }
    return this;
  }

  /** Sets a pointer in i_block. */
  iBlock(index: number, pointer: number): this {
    this.inode.view.setUint32(I_BLOCK_OFFSET + 4 * index, pointer, true);
    return this;
  }

  /** Sets a pointer in an indirect block. */
  pointer(block: number, index: number, pointer: number): this {
    this.view.setUint32(block * this.volume.geometry.blockSize + 4 * index, pointer, true);
    return this;
  }
}

/** An extent [first, length, start], with length above 32,768 for unwritten ones; in interior nodes [first, 0, child]. */
export type Entry = readonly [fileBlock: number, length: number, block: number];

interface Header {
  magic?: number;
  max?: number;
  /** The count in the header, if it is to be another than that of the entries. */
  count?: number;
}

function writeNode(view: DataView, base: number, depth: number, entries: readonly Entry[], header: Header): void {
  const node = ExtentHeaderLayout.at(view, base);
  node.magic = header.magic ?? EXTENT_MAGIC;
  node.entries = header.count ?? entries.length;
  node.max = header.max ?? 0;
  node.depth = depth;
  entries.forEach(([fileBlock, length, block], index) => {
    const at = base + EXTENT_ENTRY_SIZE * (index + 1);
    if (depth === 0) {
      const extent = ExtentLayout.at(view, at);
      extent.fileBlock = fileBlock;
      extent.length = length;
      extent.startHi = Math.floor(block / 2 ** 32);
      extent.startLo = block % 2 ** 32;
    } else {
      const child = ExtentIndexLayout.at(view, at);
      child.fileBlock = fileBlock;
      child.leafLo = block % 2 ** 32;
      child.leafHi = Math.floor(block / 2 ** 32);
    }
  });
}

export function unwritten(length: number): number {
  return length + MAX_WRITTEN_EXTENT;
}
