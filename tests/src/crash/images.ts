/** The file systems that crash: as small as they come, with files in them, and everything that is not in use full of rubbish. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32c, Ext4, MemoryDevice, type MountOptions } from "@bulkhead/ext4";
import { run } from "../system/process.js";
import { withScratch } from "../system/scratch.js";
import { Actor } from "./actor.js";
import { Expected } from "./expected.js";

export interface CrashImage {
  readonly name: string;
  /** KiB. */
  readonly size: number;
  readonly mke2fs: readonly string[];
  readonly options: MountOptions;
  readonly journal: boolean;
  /** Kind of the journal's checksums that is set by hand; otherwise what follows from metadata_csum. */
  readonly checksum?: 1 | 2;
  /** Whether fast commits are written. */
  readonly fastCommits?: boolean;
  /** Block of a copy of the superblock. */
  readonly backup: number;
}

/** An image to begin with. */
export interface Base {
  readonly image: CrashImage;
  readonly bytes: Uint8Array;
  readonly blockSize: number;
  /** What is in it; to be cloned. */
  readonly model: Expected;
  /** Byte ranges of the log, without the journal's superblock. */
  readonly log: readonly (readonly [start: number, end: number])[];
  /** Byte where the journal's superblock is; 0 where there is none. */
  readonly journalAt: number;
  /** Whether the superblock has a checksum. */
  readonly checksums: boolean;
}

/** What mke2fs makes an ext4 of by itself; every image says what it has besides, and what not. */
const PLAIN = "none,ext_attr,dir_index,filetype,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize";
const MODERN = `${PLAIN},extent,64bit,metadata_csum`;
const INODES = ["-I", "256", "-N", "128"];
/** Groups of so many blocks that there are two at least, and with them a copy of the superblock. */
const K1 = ["-b", "1024", "-g", "2048", ...INODES];
const K4 = ["-b", "4096", "-g", "2048", ...INODES];

/** In blocks of 1 KiB, with the smallest journal there is. */
function small(name: string, features: string, rest: Partial<CrashImage> = {}): CrashImage {
  const mke2fs = [...K1, "-J", "size=1", "-O", `${features},has_journal`];
  return { name, size: 3584, mke2fs, options: {}, journal: true, backup: 2049, ...rest };
}

/** In blocks of 4 KiB. */
function large(name: string, features: string, rest: Partial<CrashImage> = {}): CrashImage {
  const mke2fs = [...K4, "-J", "size=4", "-O", `${features},has_journal`];
  return { name, size: 9216, mke2fs, options: {}, journal: true, backup: 2048, ...rest };
}

export const CRASH_IMAGES: readonly CrashImage[] = [
  small("1 KiB, checksums v3", MODERN),
  small("1 KiB, checksums v2", `${PLAIN},extent,64bit`, { checksum: 2 }),
  small("1 KiB, checksums v1", `${PLAIN},extent`, { checksum: 1 }),
  small("1 KiB, no checksums", `${PLAIN},extent`),
  large("4 KiB, checksums v3", MODERN),
  large("4 KiB, no checksums", `${PLAIN},extent,64bit,uninit_bg`),
  small("bigalloc", `${MODERN},bigalloc`, {
    size: 6144,
    mke2fs: [
      ...["-b", "1024", "-C", "4096", "-g", "1024", ...INODES, "-J", "size=1"],
      ...["-O", `${MODERN},bigalloc,has_journal`],
    ],
    backup: 4096,
  }),
  small("inline_data", `${MODERN},inline_data`),
  large("4 KiB, inline_data", `${MODERN},inline_data`),
  small("orphan_file", `${MODERN},orphan_file`),
  small("fast_commit", `${MODERN},fast_commit`, { fastCommits: true }),
  small("block pointers", PLAIN),
  small("quota", `${MODERN},quota,project`),
  small("values in inodes", `${MODERN},ea_inode`),
  small("data=writeback", MODERN, { options: { data: "writeback" } }),
  small("data=journal", MODERN, { options: { data: "journal" } }),
  large("4 KiB, data=journal", `${MODERN},orphan_file,inline_data`, { options: { data: "journal" } }),
  small("asynchronous commits", MODERN, { options: { asyncCommit: true } }),
  small("asynchronous commits, checksums v1", `${PLAIN},extent`, { options: { asyncCommit: true } }),
  { ...small("no journal", ""), mke2fs: [...K1, "-O", MODERN], journal: false },
  {
    ...small("4 KiB, no journal", ""),
    mke2fs: ["-b", "4096", "-g", "512", ...INODES, "-O", `${PLAIN},extent`],
    backup: 512,
    journal: false,
  },
];

/** What blocks hold that are nobody's. */
const RUBBISH = Buffer.from("<not of any file>");
const UUID = "6bdbe2bc-6f5c-4b39-8d4f-0c0f7f0a3f11";

/** Makes the image, with a few files and directories, and rubbish wherever nothing is. */
export function makeBase(image: CrashImage): Base {
  return withScratch("crash", (directory) => {
    const path = join(directory, "image");
    const extended = ["-E", `lazy_itable_init=0,hash_seed=${UUID}`];
    run("mke2fs", ["-q", "-F", "-t", "ext4", "-U", UUID, ...image.mke2fs, ...extended, path, `${image.size}k`]);
    const bytes = new Uint8Array(readFileSync(path));
    if (image.checksum !== undefined) setJournalChecksum(bytes, image.checksum);
    const model = new Expected();
    const actor = new Actor(new MemoryDevice(bytes), model, image.options);
    furnish(actor);
    actor.unmount();
    writeFileSync(path, bytes);
    const blockSize = actor.fs.geometry.blockSize;
    fillFree(bytes, path, blockSize);
    writeFileSync(path, bytes);
    run("e2fsck", ["-fn", path]);
    const { metadataCsum } = actor.fs.features;
    const journal = image.journal ? extentsOfJournal(bytes) : [];
    const log = journal.map(([start, end], n) => [n === 0 ? start + blockSize : start, end] as const);
    return { image, bytes, blockSize, model, log, journalAt: journal[0]?.[0] ?? 0, checksums: metadataCsum };
  });
}

/** The namespace of the sequences: two directories with a file that has blocks, and one that may be inline. */
function furnish(actor: Actor): void {
  actor.mkdir("A");
  actor.mkdir("B");
  actor.mkdir("A/sub");
  actor.create("A/foo");
  actor.write("A/foo", 0, 9000);
  actor.create("B/bar");
  actor.write("B/bar", 0, 40);
  actor.setXattr("B/bar", "user.first", 20);
  actor.create("A/sub/deep");
  actor.write("A/sub/deep", 2000, 700);
  actor.symlink("A/foo", "link");
}

function fillFree(bytes: Uint8Array, path: string, blockSize: number): void {
  const said = run("dumpe2fs", [path]).stdout.toString("utf8");
  const rubbish = Buffer.alloc(bytes.length, RUBBISH);
  for (const [, list] of said.matchAll(/^ {2}Free blocks: (.*)$/gm)) {
    for (const range of list!.split(", ")) {
      if (range === "") continue;
      const [first, last = first] = range.split("-").map(Number);
      const start = first! * blockSize;
      bytes.set(rubbish.subarray(start, (last! + 1) * blockSize), start);
    }
  }
}

/** Where the blocks of the journal's inode lie, in bytes. */
function extentsOfJournal(bytes: Uint8Array): [start: number, end: number][] {
  const { fs } = Ext4.open(new MemoryDevice(bytes));
  const journal = fs.inode(fs.superblock.journalInode);
  const mapping = { type: 0, flags: 0, offset: 0, length: 0, addr: 0, dev: 0 };
  const ranges: [number, number][] = [];
  for (let at = 0; at < journal.size; at = mapping.offset + mapping.length) {
    fs.iomapBegin(journal, at, journal.size - at, 0, mapping);
    ranges.push([mapping.addr, mapping.addr + mapping.length]);
  }
  return ranges;
}

const SUPERBLOCK_SIZE = 1024;

/** jbd2's checksums v1 and v2, which nothing switches on any more: in the journal's superblock. */
function setJournalChecksum(bytes: Uint8Array, version: 1 | 2): void {
  const at = extentsOfJournal(bytes)[0]![0];
  const superblock = bytes.subarray(at, at + SUPERBLOCK_SIZE);
  const view = new DataView(superblock.buffer, superblock.byteOffset, SUPERBLOCK_SIZE);
  if (version === 1) {
    view.setUint32(0x24, view.getUint32(0x24) | 1);
    return;
  }
  view.setUint32(0x28, view.getUint32(0x28) | 8);
  view.setUint8(0x50, 4);
  view.setUint32(0xfc, 0);
  view.setUint32(0xfc, crc32c(0xffff_ffff, superblock));
}
