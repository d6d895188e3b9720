/** What a case may know about the file system it runs on: what mke2fs laid down, not who serves it. */
import { run } from "../system/process.js";
import type { Need } from "./case.js";

export interface Facts {
  readonly blockSize: number;
  /** The unit of allocation in bytes; a multiple of the block size with bigalloc. */
  readonly clusterSize: number;
  readonly inodeSize: number;
  /** As dumpe2fs names them. */
  readonly features: readonly string[];
  /** The longest file in bytes, mapped by extents where the file system has them. */
  readonly maxFileSize: number;
  /** Whether what `prepareImage` writes is there. */
  readonly prepared: boolean;
}

/** The facts of an image that is not mounted. */
export function imageFacts(image: string, prepared: boolean): Facts {
  const text = run("dumpe2fs", ["-h", image]).stdout.toString("latin1");
  const field = (name: string): string | undefined => new RegExp(`^${name}:\\s*(.*)$`, "m").exec(text)?.[1];
  const blockSize = Number(field("Block size"));
  const features = (field("Filesystem features") ?? "").split(/\s+/);
  return {
    blockSize,
    clusterSize: Number(field("Cluster size") ?? blockSize),
    inodeSize: Number(field("Inode size")),
    features,
    maxFileSize: features.includes("extent") ? extentLimit(blockSize, features) : indirectLimit(blockSize, features),
    prepared,
  };
}

/** Extents count blocks in 32 bits, and the last number is no block; i_blocks counts fewer without huge_file. */
function extentLimit(blockSize: number, features: readonly string[]): number {
  return Math.min(2 ** 32 - 1, countableBlocks(blockSize, features)) * blockSize;
}

/** What the block pointers of an inode reach, as far as i_blocks can count those and the blocks of pointers. */
function indirectLimit(blockSize: number, features: readonly string[]): number {
  const DIRECT = 12;
  const pointers = blockSize / 4;
  const countable = countableBlocks(blockSize, features);
  const reach = DIRECT + pointers + pointers ** 2 + pointers ** 3;
  const pointerBlocks = 1 + (1 + pointers) + (1 + pointers + pointers ** 2);
  if (reach + pointerBlocks <= countable) return reach * blockSize;
  const third = countable - DIRECT - pointers - pointers ** 2;
  const needed = 1 + (1 + pointers) + (1 + Math.ceil(third / pointers) + Math.ceil(third / pointers ** 2));
  return (countable - needed) * blockSize;
}

/** How many blocks i_blocks can count: 2^32 − 1 units of 512 bytes, or 2^48 − 1 blocks with huge_file. */
function countableBlocks(blockSize: number, features: readonly string[]): number {
  return features.includes("huge_file") ? 2 ** 48 - 1 : Math.floor((2 ** 32 - 1) / (blockSize / 512));
}

function feature(name: string, ...anyOf: readonly string[]): Need {
  return { name, of: (facts) => [name, ...anyOf].some((one) => facts.features.includes(one)) };
}

function without(name: string): Need {
  return { name: `no ${name}`, of: (facts) => !facts.features.includes(name) };
}

export const Needs = {
  extents: feature("extent"),
  noExtents: without("extent"),
  inlineData: feature("inline_data"),
  noInlineData: without("inline_data"),
  noBigalloc: without("bigalloc"),
  bigalloc: feature("bigalloc"),
  project: feature("project"),
  quota: feature("quota"),
  casefold: feature("casefold"),
  noProject: without("project"),
  eaInode: feature("ea_inode"),
  noEaInode: without("ea_inode"),
  dirNlink: feature("dir_nlink"),
  noDirNlink: without("dir_nlink"),
  dirIndex: feature("dir_index"),
  largeInodes: { name: "inodes over 128 bytes", of: (facts) => facts.inodeSize > 128 },
  smallInodes: { name: "inodes of 128 bytes", of: (facts) => facts.inodeSize === 128 },
  prepared: { name: "a prepared image", of: (facts) => facts.prepared },
} as const satisfies Record<string, Need>;
