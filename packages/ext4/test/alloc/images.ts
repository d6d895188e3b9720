/** Writable volumes on images made by mke2fs, and what dumpe2fs counts in them. */
import * as fs from "node:fs";
import { FileDevice } from "../../src/device/file.js";
import { NoJournal } from "../../src/journal/no-journal.js";
import { Transactions } from "../../src/journal/transactions.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import { writeSuperblock } from "../../src/superblock/write-superblock.js";
import type { Volume } from "../../src/volume.js";
import { type ImageDirectory, run } from "../images.js";

export interface Variant {
  readonly name: string;
  /** In MiB, as mke2fs takes it. */
  readonly size: string;
  readonly options: readonly string[];
}

const kib = ["-t", "ext4", "-b", "1024"] as const;

/** The layouts that groups come in. */
export const variants: readonly Variant[] = [
  { name: "1 KiB blocks", size: "60M", options: [...kib] },
  { name: "4 KiB blocks", size: "400M", options: ["-t", "ext4", "-b", "4096", "-N", "10000"] },
  { name: "4 KiB blocks, a last group that is small", size: "133M", options: ["-t", "ext4", "-b", "4096"] },
  { name: "64 KiB blocks", size: "64M", options: ["-t", "ext4", "-b", "65536", "-N", "4096"] },
  { name: "gdt_csum", size: "60M", options: [...kib, "-O", "^metadata_csum,uninit_bg"] },
  { name: "gdt_csum, 32-bit", size: "60M", options: [...kib, "-O", "^metadata_csum,uninit_bg,^64bit"] },
  { name: "metadata_csum, 32-bit", size: "60M", options: [...kib, "-O", "^64bit"] },
  { name: "no checksums", size: "60M", options: [...kib, "-O", "^metadata_csum,^uninit_bg"] },
  { name: "no flex_bg", size: "60M", options: [...kib, "-O", "^flex_bg"] },
  { name: "flex groups of 4", size: "60M", options: [...kib, "-G", "4"] },
  { name: "packed metadata", size: "60M", options: [...kib, "-G", "4", "-E", "packed_meta_blocks=1"] },
  { name: "small groups", size: "60M", options: [...kib, "-g", "1024"] },
  {
    name: "ext2 without sparse_super",
    size: "60M",
    options: ["-t", "ext2", "-b", "1024", "-O", "^sparse_super,^resize_inode"],
  },
  { name: "inodes of 128 bytes", size: "60M", options: [...kib, "-I", "128"] },
  { name: "sparse_super2", size: "60M", options: [...kib, "-O", "sparse_super2,^resize_inode"] },
  { name: "meta_bg", size: "160M", options: [...kib, "-O", "meta_bg,^resize_inode", "-N", "8000"] },
  {
    name: "meta_bg, 32-bit, no flex_bg",
    size: "300M",
    options: [...kib, "-O", "meta_bg,^resize_inode,^64bit,^flex_bg", "-N", "8000"],
  },
  { name: "bigalloc, 1 KiB blocks", size: "200M", options: [...kib, "-O", "bigalloc", "-N", "8000"] },
  {
    name: "bigalloc, 4 KiB blocks",
    size: "1G",
    options: ["-t", "ext4", "-b", "4096", "-O", "bigalloc", "-C", "65536"],
  },
];

/** Makes an image over old contents, so that what mke2fs leaves alone holds garbage. */
export function makeOverGarbage(images: ImageDirectory, { size, options }: Variant): string {
  const image = images.file("image");
  const bytes = Number.parseInt(size, 10) * 2 ** 20;
  fs.rmSync(image, { force: true });
  const garbage = Buffer.alloc(2 ** 20, 0xa5);
  const fd = fs.openSync(image, "w");
  for (let at = 0; at < bytes; at += garbage.length) fs.writeSync(fd, garbage, 0, garbage.length, at);
  fs.closeSync(fd);
  run("mke2fs", ["-q", "-F", "-E", "nodiscard,lazy_itable_init=1,lazy_journal_init=1", ...options, image, size]);
  return image;
}

export type WritableVolume = Volume & { transactions: Transactions };

/** Opens an image without a journal to log to; `work` gets it, and then everything is committed. */
export function withVolume<T>(image: string, work: (volume: WritableVolume) => T): T {
  const device = new FileDevice(fs, fs.openSync(image, "r+"), { readOnly: false });
  try {
    const volume = openVolume(device, { cacheBytes: 64 * 2 ** 20 });
    volume.transactions = new Transactions(volume, new NoJournal(volume));
    const result = work(volume as WritableVolume);
    volume.transactions.commit();
    writeSuperblock(volume);
    return result;
  } finally {
    device.close();
  }
}

export interface Counts {
  /** Of the superblock. */
  freeBlocks: number;
  freeInodes: number;
  /** For each group: free blocks or clusters, free inodes, directories. */
  groups: string[];
}

/** What dumpe2fs counts. It fails when the checksum of a bitmap is wrong. */
export function dumpe2fsCounts(image: string): Counts {
  const text = run("dumpe2fs", [image]);
  return {
    freeBlocks: Number(/^Free blocks:\s+(\d+)/m.exec(text)?.[1]),
    freeInodes: Number(/^Free inodes:\s+(\d+)/m.exec(text)?.[1]),
    groups: [...text.matchAll(/^ {2}(\d+ free (?:blocks|clusters), \d+ free inodes, \d+ directories)/gm)].map(
      (match) => match[1]!,
    ),
  };
}
