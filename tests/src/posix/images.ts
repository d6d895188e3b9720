/** The file systems that the suite runs on: each a way to call mke2fs, its features spelt out. */
import { closeSync, ftruncateSync, openSync } from "node:fs";
import { run } from "../system/process.js";
import { withScratch } from "../system/scratch.js";
import { limitOwners, makeTree, prepareImage } from "./prepare.js";

export interface Configuration {
  readonly name: string;
  readonly features: readonly string[];
  /** Other arguments of mke2fs. */
  readonly arguments: readonly string[];
  /** Our mount is asked in the long tests only; the kernel in every run. */
  readonly long?: boolean;
  /** Why the kernel here cannot be asked, where it cannot. */
  readonly unproved?: string;
}

const EXT2 = ["filetype", "sparse_super", "large_file", "ext_attr", "resize_inode"];
const EXT3 = [...EXT2, "dir_index", "has_journal"];
const EXT4 = [
  ...EXT3,
  ...["extent", "huge_file", "flex_bg", "metadata_csum", "64bit", "dir_nlink", "extra_isize", "orphan_file"],
];
const WITHOUT_JOURNAL = EXT4.filter((name) => !["has_journal", "orphan_file"].includes(name));

export const CONFIGURATIONS: readonly Configuration[] = [
  { name: "ext4", features: EXT4, arguments: ["-b", "4096", "-I", "256"] },
  { name: "ext4-1k-no-journal", features: WITHOUT_JOURNAL, arguments: ["-b", "1024", "-I", "256"], long: true },
  { name: "ext3", features: EXT3, arguments: ["-b", "4096", "-I", "256"], long: true },
  { name: "ext2-small-inodes", features: EXT2, arguments: ["-b", "1024", "-I", "128"] },
  { name: "inline-data", features: [...EXT4, "inline_data"], arguments: ["-b", "4096", "-I", "512"] },
  {
    name: "bigalloc",
    features: [...EXT4, "bigalloc"],
    arguments: ["-b", "4096", "-C", "16384", "-I", "256"],
  },
  {
    name: "ea-inode",
    features: [...EXT4, "ea_inode", "large_dir"],
    arguments: ["-b", "4096", "-I", "256"],
    long: true,
  },
  {
    name: "quota-project-casefold",
    features: [...EXT4, "quota", "project", "casefold"],
    arguments: ["-b", "4096", "-I", "256", "-E", "quotatype=usrquota:grpquota:prjquota,encoding=utf8"],
    unproved: "the kernel's ext4 mounts it for writing only if it was built with CONFIG_QFMT_V2 and CONFIG_UNICODE",
  },
];

const MAIN_SIZE = 512 << 20;
const SMALL_SIZE = 6 << 20;

/** Makes the image that most cases run on, with what `prepare.ts` has for it. */
export function makeImage(configuration: Configuration, path: string): void {
  const journal = configuration.features.includes("has_journal") ? ["-J", "size=8"] : [];
  withScratch("tree", (tree) => {
    makeTree(tree);
    mke2fs(configuration, path, MAIN_SIZE, ["-d", tree, ...journal]);
  });
  run("debugfs", ["-w", "-R", "sif / mode 040755", path]); // the scratch directory's came along
  prepareImage(path);
  if (configuration.features.includes("quota")) limitOwners(path);
}

/** Makes one that is soon full: 64 inodes, a few MiB, a twentieth of it reserved for root. */
export function makeSmallImage(configuration: Configuration, path: string): void {
  const journal = configuration.features.includes("has_journal") ? ["-J", "size=4"] : [];
  mke2fs(configuration, path, SMALL_SIZE, ["-N", "64", "-m", "5", ...journal]);
}

function mke2fs(configuration: Configuration, path: string, size: number, more: readonly string[]): void {
  const fd = openSync(path, "w");
  try {
    ftruncateSync(fd, size);
  } finally {
    closeSync(fd);
  }
  const features = `none,${configuration.features.join(",")}`;
  run("mke2fs", ["-q", "-F", "-O", features, ...configuration.arguments, ...more, path]);
}
