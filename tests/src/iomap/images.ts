import * as fs from "node:fs";
import { join } from "node:path";
import { run } from "../system/process.js";
import { withScratch } from "../system/scratch.js";

/** What a block held before it was a file's: where a file shows it, the server gave away what it must not. */
export const STALE = 0xee;

export interface Variant {
  readonly name: string;
  readonly blockSize: number;
  /** Arguments of mke2fs. */
  readonly options: readonly string[];
}

const common = "has_journal,resize_inode,dir_index,filetype,sparse_super,large_file";
const modern = `${common},extent,64bit,flex_bg,metadata_csum,huge_file,dir_nlink,extra_isize`;
const features = (list: string) => ["-I", "256", "-O", `none,${list}`];

export const variants: readonly Variant[] = [
  { name: "ext4, 4 KiB blocks", blockSize: 4096, options: features(modern) },
  { name: "ext4, 1 KiB blocks", blockSize: 1024, options: features(modern) },
  { name: "ext3, block pointers", blockSize: 1024, options: features(common) },
  { name: "inline data", blockSize: 4096, options: features(`${modern},inline_data`) },
  { name: "bigalloc", blockSize: 1024, options: [...features(`${modern},bigalloc`), "-C", "8192"] },
  {
    name: "all features",
    blockSize: 1024,
    options: features(`${modern},inline_data,ea_inode,quota,orphan_file,fast_commit`),
  },
  { name: "no journal", blockSize: 1024, options: features(modern.replace("has_journal,", "")) },
];

/** An empty file system on a device that is full of STALE. */
export function makeImage({ blockSize, options }: Pick<Variant, "blockSize" | "options">, megabytes = 16): Uint8Array {
  return withScratch("iomap", (directory) => {
    const path = join(directory, "image");
    fs.writeFileSync(path, new Uint8Array(megabytes << 20).fill(STALE));
    const fixed = ["-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"];
    run("mke2fs", ["-q", "-F", "-b", String(blockSize), ...fixed, ...options, path]);
    return new Uint8Array(fs.readFileSync(path));
  });
}

/** Fails with e2fsck's findings unless there are none; then hands the image's path to `work`. */
export function withCleanImage<T>(image: Uint8Array, work: (path: string) => T): T {
  return withScratch("iomap", (directory) => {
    const path = join(directory, "image");
    fs.writeFileSync(path, image);
    run("e2fsck", ["-fn", path]);
    return work(path);
  });
}
