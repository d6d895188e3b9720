/** Small images with one of everything, for tests that damage each byte of their metadata. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withLoopMount } from "../system/loop.js";
import { run } from "../system/process.js";
import { withScratch } from "../system/scratch.js";

export interface Specimen {
  readonly name: string;
  readonly mke2fs: readonly string[];
  /** What the kernel does on the mounted image, as a shell script in its root. */
  readonly fill: string;
  /** debugfs commands afterwards. */
  readonly debugfs?: readonly string[];
}

const common = `
  mkdir -p plain/deep
  echo small > plain/small
  head -c 9000 /dev/zero | tr '\\0' a > plain/blocks
  truncate -s 3M plain/sparse; echo end >> plain/sparse
  for i in 1 3 5 7 9 11 13 15; do dd if=/dev/zero of=plain/fragments bs=1k count=1 seek=$((i * 2)) conv=notrunc status=none; done
  ln plain/small plain/deep/hard
  ln -s ../small plain/deep/fast
  ln -s $(printf 'x%.0s' $(seq 100)) plain/deep/slow
  mkfifo plain/fifo; mknod plain/device c 300 70000
  setfattr -n user.note -v "some value" plain/small
  setfattr -n user.long -v "$(printf 'v%.0s' $(seq 400))" plain/blocks
  setfacl -m u:1001:rw plain/small
  mkdir indexed; for i in $(seq 60); do : > indexed/a-name-that-takes-up-room-in-the-block-$i; done
`;

export const specimens: readonly Specimen[] = [
  {
    name: "extents, no checksums",
    mke2fs: [
      "-t",
      "ext4",
      "-b",
      "1024",
      "-N",
      "96",
      "-O",
      "none,extents,filetype,dir_index,sparse_super,large_file,huge_file,dir_nlink,extra_isize,ext_attr,flex_bg,inline_data",
      "-I",
      "256",
    ],
    fill: common,
  },
  {
    name: "extents, metadata_csum, 64bit",
    mke2fs: [
      "-t",
      "ext4",
      "-b",
      "1024",
      "-N",
      "96",
      "-O",
      "none,extents,filetype,dir_index,sparse_super,large_file,huge_file,dir_nlink,extra_isize,ext_attr,flex_bg,metadata_csum,64bit,ea_inode",
      "-I",
      "256",
    ],
    fill: `${common}\nsetfattr -n user.huge -v "$(printf 'w%.0s' $(seq 3000))" plain/deep`,
  },
  {
    name: "ext2 block pointers",
    mke2fs: [
      "-t",
      "ext2",
      "-b",
      "1024",
      "-N",
      "96",
      "-O",
      "none,filetype,sparse_super,large_file,ext_attr,dir_index",
      "-I",
      "128",
    ],
    fill: `${common}\ntruncate -s 70M plain/triple; echo far >> plain/triple`,
  },
];

/** Makes the specimen and returns its bytes. The image is clean by e2fsck. */
export function makeSpecimen(specimen: Specimen, size = "1M"): Uint8Array {
  return withScratch("specimen", (directory) => {
    const image = join(directory, "image");
    execFileSync("truncate", ["-s", size, image]);
    run("mke2fs", ["-q", "-F", "-E", "hash_seed=00000000-0000-4000-8000-000000000001", ...specimen.mke2fs, image]);
    withLoopMount(image, {}, (mountPoint) => run("bash", ["-euc", `cd '${mountPoint}'; ${specimen.fill}`]));
    for (const command of specimen.debugfs ?? []) run("debugfs", ["-w", "-R", command, image]);
    run("e2fsck", ["-fn", image]);
    return new Uint8Array(readFileSync(image));
  });
}

/** Writes bytes to a scratch file for a tool that wants one. */
export function withImageFile<T>(bytes: Uint8Array, work: (image: string) => T): T {
  return withScratch("specimen", (directory) => {
    const image = join(directory, "image");
    writeFileSync(image, bytes);
    return work(image);
  });
}
