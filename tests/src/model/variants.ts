/** The images that the model is played against. */
import type { SubjectName } from "./game.js";

const MIB = 1 << 20;
const KIB = 1 << 10;

export interface ModelVariant {
  readonly name: string;
  readonly about: string;
  /** Bytes. */
  readonly size: number;
  readonly mke2fs: readonly string[];
  /** Requests to debugfs -w on the new image. */
  readonly before?: readonly string[];
  /**
   * What the kernel here can do with it: write it, only look at it (it cannot write it, or does so with mistakes of its own), or
   * not even mount it.
   */
  readonly kernel: "writes" | "looks" | "refuses";
  readonly kernelOptions?: readonly string[];
  readonly blockSize: number;
  readonly clusterSize: number;
  /** Whether files are mapped by extents: only they can be allocated ahead. */
  readonly extents: boolean;
  /** Whether there is room for all that is done; otherwise anything that needs room may be refused. */
  readonly roomy: boolean;
  readonly caseless: boolean;
  /** Bytes: where files end, however sparse. */
  readonly farthest: number;
  readonly longestWrite: number;
  readonly longestAllocation: number;
  readonly longestXattr: number;
  /**
   * The same on symbolic links: e2fsck (1.47) takes a short link for a long one when blocks are counted in its inode that are
   * a value's, and so damaged.
   */
  readonly longestLinkXattr: number;
  /** Files that are made at once, at most. */
  readonly crowd: number;
  /** Nanoseconds that times are multiples of, and the seconds that they end at. */
  readonly finestTime: bigint;
  readonly earliest: bigint;
  readonly latest: bigint;
}

/** What mke2fs gives an ext4 by default, spelt out so that no configuration changes it. */
export const FEATURES =
  "none,has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize,filetype,dir_index,sparse_super,large_file,ext_attr,resize_inode";

/** Features of ext4 and what differs from them. */
function ext4(change: string, ...more: readonly string[]): readonly string[] {
  const journal = change.includes("^has_journal") || more.includes("-J") ? [] : ["-J", "size=4"];
  return ["-t", "ext4", "-O", `${FEATURES}${change === "" ? "" : `,${change}`}`, "-I", "256", ...journal, ...more];
}

/** 34 bits of seconds since 1901; inodes of 128 bytes have 32 and no fraction. */
const WIDE = { finestTime: 1n, earliest: -(2n ** 31n), latest: 0x3_7fff_ffffn };
const NARROW = { finestTime: 1_000_000_000n, earliest: -(2n ** 31n), latest: 2n ** 31n - 1n };

/** With delayed allocation, the kernel's SEEK_DATA does not see data in files that are mapped indirectly before it is allocated. */
const INDIRECT = { extents: false, kernelOptions: ["nodelalloc"] };

const ROOMY: Omit<ModelVariant, "name" | "about" | "mke2fs"> = {
  ...WIDE,
  size: 256 * MIB,
  kernel: "writes",
  blockSize: 4096,
  clusterSize: 4096,
  extents: true,
  roomy: true,
  caseless: false,
  farthest: 2 ** 33,
  longestWrite: 200_000,
  longestAllocation: MIB,
  longestXattr: 1000,
  longestLinkXattr: 600,
  crowd: 300,
};

const TINY: typeof ROOMY = {
  ...ROOMY,
  roomy: false,
  farthest: 2 ** 24,
  kernelOptions: ["nodelalloc"],
  longestAllocation: 600 * KIB,
  longestXattr: 3000,
  crowd: 60,
};

export const MODEL_VARIANTS: readonly ModelVariant[] = [
  { ...ROOMY, name: "default", about: "mke2fs's defaults", mke2fs: ext4("", "-b", "4096") },
  {
    ...ROOMY,
    name: "1k",
    about: "1 KiB blocks",
    mke2fs: ext4("", "-b", "1024"),
    blockSize: 1024,
    clusterSize: 1024,
    longestXattr: 600,
  },
  {
    ...ROOMY,
    ...NARROW,
    name: "ext3",
    about: "indirect blocks and a journal, inodes of 128 bytes",
    mke2fs: [
      ...["-t", "ext3", "-b", "1024", "-I", "128", "-J", "size=4", "-O"],
      "none,has_journal,filetype,sparse_super,large_file,ext_attr,dir_index,resize_inode",
    ],
    blockSize: 1024,
    clusterSize: 1024,
    ...INDIRECT,
    longestXattr: 600,
  },
  {
    ...ROOMY,
    ...NARROW,
    name: "ext2",
    about: "indirect blocks of 4 KiB, no journal",
    mke2fs: ["-t", "ext2", "-b", "4096", "-I", "128", "-O", "none,filetype,sparse_super,large_file,ext_attr,dir_index"],
    ...INDIRECT,
  },
  {
    ...ROOMY,
    name: "inline-data",
    about: "files inside their inode",
    kernel: "looks", // Linux 6.18 loses what is written next to a file whose data fallocate(2) has moved out of its inode
    mke2fs: ext4("inline_data", "-b", "4096"),
  },
  {
    ...ROOMY,
    name: "bigalloc",
    about: "clusters of 16 KiB",
    mke2fs: ext4("bigalloc,^resize_inode", "-b", "4096", "-C", "16384"),
    clusterSize: 16_384,
  },
  {
    ...ROOMY,
    name: "no-checksums",
    about: "without metadata_csum and 64bit",
    mke2fs: ext4("^metadata_csum,^64bit,uninit_bg", "-b", "4096"),
  },
  {
    ...ROOMY,
    name: "quota",
    about: "user, group and project quota",
    mke2fs: ext4("quota,project", "-b", "4096", "-E", "quotatype=usrquota:grpquota:prjquota"),
    kernel: "refuses",
  },
  {
    ...ROOMY,
    name: "ea-inode",
    kernel: "looks", // its count of references to a value is one too many at times
    about: "xattr values in inodes of their own",
    mke2fs: ext4("ea_inode", "-b", "4096"),
    longestXattr: 30_000,
    longestLinkXattr: 40,
  },
  {
    ...ROOMY,
    name: "casefold",
    about: "names whose case does not count",
    mke2fs: ext4("casefold", "-b", "4096", "-E", "encoding=utf8"),
    before: ["set_inode_field / flags 0x40080000"],
    kernel: "refuses",
    caseless: true,
  },
  {
    ...ROOMY,
    name: "64k",
    about: "64 KiB blocks",
    size: 1024 * MIB,
    mke2fs: ext4("", "-b", "65536", "-J", "size=64"),
    kernel: "refuses",
    blockSize: 65_536,
    clusterSize: 65_536,
    crowd: 600,
    longestAllocation: 4 * MIB,
  },
  {
    ...ROOMY,
    name: "no-journal",
    about: "ext4 without a journal, orphans in the superblock's list",
    mke2fs: ext4("^has_journal", "-b", "4096"),
  },
  {
    ...ROOMY,
    name: "orphan-file",
    about: "orphans in a file, fast commits allowed",
    mke2fs: ext4("orphan_file,fast_commit", "-b", "1024", "-J", "size=4"),
    blockSize: 1024,
    clusterSize: 1024,
    longestXattr: 600,
  },
  {
    ...TINY,
    name: "tiny-1k",
    about: "700 blocks of 1 KiB, 40 inodes, no journal",
    size: 700 * KIB,
    mke2fs: ext4("^has_journal,^resize_inode", "-b", "1024", "-N", "40", "-m", "0"),
    blockSize: 1024,
    clusterSize: 1024,
    longestXattr: 900,
  },
  {
    ...TINY,
    name: "tiny-journal",
    about: "2,400 blocks of 1 KiB, half of them the journal",
    size: 2400 * KIB,
    mke2fs: ext4("^resize_inode", "-b", "1024", "-N", "120", "-m", "0", "-J", "size=1"),
    blockSize: 1024,
    clusterSize: 1024,
    longestXattr: 900,
  },
  {
    ...TINY,
    ...NARROW,
    name: "tiny-ext2",
    about: "500 blocks of 1 KiB, mapped indirectly",
    size: 500 * KIB,
    mke2fs: [
      "-t",
      "ext2",
      "-b",
      "1024",
      "-I",
      "128",
      "-N",
      "48",
      "-m",
      "0",
      "-O",
      "none,filetype,sparse_super,ext_attr,dir_index",
    ],
    blockSize: 1024,
    clusterSize: 1024,
    ...INDIRECT,
    longestXattr: 900,
  },
  {
    ...TINY,
    name: "tiny-ea-inode",
    about: "900 blocks of 1 KiB, few inodes, xattr values that take one each",
    size: 900 * KIB,
    kernel: "looks",
    mke2fs: ext4("^has_journal,^resize_inode,ea_inode", "-b", "1024", "-N", "64", "-m", "0"),
    blockSize: 1024,
    clusterSize: 1024,
    longestXattr: 9000,
    longestLinkXattr: 40,
  },
  {
    ...TINY,
    name: "tiny-inline",
    about: "900 blocks of 1 KiB, files inside their inode until they find no block",
    kernel: "looks", // it loses data where inline data finds no block to move to
    size: 900 * KIB,
    mke2fs: ext4("^has_journal,^resize_inode,inline_data", "-b", "1024", "-N", "64", "-m", "0"),
    blockSize: 1024,
    clusterSize: 1024,
    longestXattr: 900,
  },
  {
    ...TINY,
    name: "tiny-bigalloc",
    about: "120 clusters of 16 KiB",
    size: 120 * 16 * KIB,
    mke2fs: ext4("^has_journal,bigalloc,^resize_inode", "-b", "4096", "-C", "16384", "-N", "48", "-m", "0"),
    clusterSize: 16_384,
  },
];

export function findModelVariant(name: string): ModelVariant {
  const variant = MODEL_VARIANTS.find((one) => one.name === name);
  if (variant === undefined) throw new Error(`there is no variant ${name}`);
  return variant;
}

/** Who plays in the tests. */
export const READY: readonly SubjectName[] = ["kernel", "engine", "served", "image"];

/** Those of them whose files are files of this system. */
export const MOUNTED = ["kernel", "served"] as const;

/** The images that a subject can be held to the model on: the kernel writes some with mistakes of its own, or not at all. */
export function playable(subject: SubjectName): readonly ModelVariant[] {
  if (subject === "kernel") return MODEL_VARIANTS.filter(({ kernel }) => kernel === "writes");
  return MODEL_VARIANTS;
}

const SECOND = 1_000_000_000n;

/** What becomes of a time in nanoseconds: Linux cuts it to what the inodes can hold, and the fraction of the first and last second off. */
export function keptTime({ finestTime, earliest, latest }: ModelVariant, time: bigint): bigint {
  const fraction = ((time % SECOND) + SECOND) % SECOND;
  const seconds = (time - fraction) / SECOND;
  if (seconds <= earliest) return earliest * SECOND;
  if (seconds >= latest) return latest * SECOND;
  return time - (fraction % finestTime);
}
