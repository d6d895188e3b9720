/** Specimens for what changes them: without checksums, so that each damage gets past them, and one of each structure of writing. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { debugfs } from "../images/build.js";
import { run } from "../system/process.js";
import { withScratch } from "../system/scratch.js";
import { Editor } from "./editor.js";

export interface WritableSpecimen {
  readonly name: string;
  /** MiB. */
  readonly size: number;
  readonly mke2fs: readonly string[];
  /** A feature that comes last: e2fsprogs waits eleven seconds for other users of an image that is protected from them. */
  readonly last?: string;
  /** Whether a crash left two files: one that was open and had no name any more, one whose truncation was not finished. */
  readonly orphans?: boolean;
}

const BASE = "none,filetype,ext_attr,dir_index,sparse_super,large_file,dir_nlink";
const EXTENTS = `${BASE},extents,huge_file,extra_isize,flex_bg`;
const INODES = ["-N", "96", "-I", "256"];

export const writableSpecimens: readonly WritableSpecimen[] = [
  { name: "extents", size: 2, mke2fs: ["-b", "1024", ...INODES, "-O", EXTENTS] },
  { name: "a journal", size: 4, mke2fs: ["-b", "1024", ...INODES, "-J", "size=1", "-O", `${EXTENTS},has_journal`] },
  {
    name: "block pointers and small inodes",
    size: 2,
    mke2fs: ["-b", "1024", "-N", "96", "-I", "128", "-O", BASE],
  },
  {
    name: "inline data, values in inodes, an orphan file",
    size: 4,
    mke2fs: [
      ...["-b", "1024", ...INODES, "-J", "size=1", "-O"],
      `${EXTENTS},has_journal,inline_data,ea_inode,orphan_file`,
    ],
  },
  {
    name: "quota of users, groups and projects",
    size: 2,
    mke2fs: [
      ...["-b", "1024", ...INODES, "-O", `${EXTENTS},quota,project`],
      ...["-E", "quotatype=usrquota:grpquota:prjquota"],
    ],
  },
  {
    name: "clusters",
    size: 4,
    mke2fs: ["-b", "1024", "-C", "4096", ...INODES, "-O", `${EXTENTS},bigalloc,64bit`],
  },
  {
    name: "checksums and unused groups",
    size: 6,
    mke2fs: ["-b", "1024", "-g", "1024", ...INODES, "-O", `${EXTENTS},metadata_csum,64bit`],
  },
  {
    name: "checksums of descriptors only, orphans on the list",
    size: 4,
    mke2fs: ["-b", "1024", "-g", "1024", ...INODES, "-O", `${EXTENTS},uninit_bg`],
    orphans: true,
  },
];

const FILL = `
  mkdir d many; cd d
  echo small > small
  head -c 9000 /dev/zero | tr '\\0' a > blocks
  echo begin > sparse; truncate -s 300K sparse; echo end >> sparse
  for i in $(seq 0 2 19); do yes | head -c 1024 | dd of=fragments bs=1k seek=$((i * 2)) conv=notrunc status=none; done
  ln small hard; ln -s ../small fast; ln -s $(printf 'x%.0s' $(seq 100)) slow
  mkfifo fifo; mkdir -p below/further
  cd ../many; for i in $(seq 40); do : > a-name-that-takes-up-room-in-the-block-$i; done`;

/** Makes the specimen and returns its bytes. */
export function makeWritableSpecimen({ size, mke2fs, last, orphans }: WritableSpecimen): Uint8Array {
  return withScratch("specimen", (directory) => {
    const image = join(directory, "image");
    const root = join(directory, "root");
    run("bash", ["-euc", `mkdir '${root}'; cd '${root}'; ${FILL}`]);
    const options = ["-q", "-F", "-t", "ext4", "-E", "lazy_itable_init=0"];
    run("mke2fs", [...options, ...mke2fs, "-d", root, image, `${size}M`]);
    debugfs(image, 0, [
      `ea_set d/small user.note note`,
      `ea_set d/sparse user.long ${"v".repeat(500)}`,
      `ea_set d/below user.long ${"w".repeat(500)}`,
    ]);
    // mke2fs counts no quota of what it fills in.
    run("e2fsck", ["-fy", image], { accept: [0, 1] });
    if (orphans === true) leaveOrphans(image);
    if (last !== undefined) run("tune2fs", ["-O", last, image]);
    return new Uint8Array(readFileSync(image));
  });
}

function leaveOrphans(image: string): void {
  const { ino: nameless } = new Editor(readFileSync(image)).inode("d/blocks");
  const { ino: longer } = new Editor(readFileSync(image)).inode("d/sparse");
  debugfs(image, 0, [
    "unlink d/blocks",
    `set_inode_field <${nameless}> links_count 0`,
    `set_inode_field <${nameless}> dtime ${longer}`,
    `set_inode_field <${longer}> size 1500`,
    `set_super_value last_orphan ${nameless}`,
  ]);
}
