// Oracle: dumpe2fs for where descriptors, bitmaps and tables are, and for the groups with superblocks.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, describe, it } from "node:test";
import { MemoryDevice } from "../../src/device/memory.js";
import { CorruptionError } from "../../src/errors.js";
import { descriptorBlock, groupDescriptor } from "../../src/groups/group-table.js";
import { hasSuperblock } from "../../src/groups/superblock-copies.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import { ImageDirectory, missingTool, openImage, run } from "../images.js";

const skip = missingTool("mke2fs") ?? missingTool("dumpe2fs") ?? false;

interface Group {
  superblock: boolean;
  /** Blocks of the descriptor table that the group holds. */
  descriptors: string | undefined;
  blockBitmap: number;
  inodeBitmap: number;
  inodeTable: number;
  freeClusters: number;
  freeInodes: number;
  usedDirectories: number;
  unusedInodes: number;
}

function dumpe2fsGroups(image: string): Group[] {
  const sections = run("dumpe2fs", [image])
    .split(/^Group \d+:/m)
    .slice(1);
  const number = (text: string, pattern: RegExp) => Number(pattern.exec(text)?.[1] ?? 0);
  return sections.map((text) => ({
    superblock: /(Primary|Backup) superblock at/.test(text),
    descriptors: /Group descriptors? at ([\d-]+)/.exec(text)?.[1],
    blockBitmap: number(text, /Block bitmap at (\d+)/),
    inodeBitmap: number(text, /Inode bitmap at (\d+)/),
    inodeTable: number(text, /Inode table at (\d+)/),
    freeClusters: number(text, /(\d+) free (?:blocks|clusters)/),
    freeInodes: number(text, /(\d+) free inodes/),
    usedDirectories: number(text, /(\d+) directories/),
    unusedInodes: number(text, /(\d+) unused inodes/),
  }));
}

const variants: ReadonlyArray<readonly [name: string, size: string, options: readonly string[]]> = [
  ["default, 1 KiB blocks", "300M", ["-t", "ext4", "-b", "1024"]],
  ["4 KiB blocks", "2G", ["-t", "ext4", "-b", "4096"]],
  ["gdt_csum", "300M", ["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,uninit_bg"]],
  ["gdt_csum, 32-bit", "300M", ["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,uninit_bg,^64bit"]],
  ["no checksums", "300M", ["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,^uninit_bg"]],
  ["no flex_bg", "300M", ["-t", "ext4", "-b", "1024", "-O", "^flex_bg"]],
  ["ext2 without sparse_super", "300M", ["-t", "ext2", "-b", "1024", "-O", "^sparse_super,^resize_inode"]],
  ["sparse_super2", "300M", ["-t", "ext4", "-b", "1024", "-O", "sparse_super2,^resize_inode"]],
  ["meta_bg", "600M", ["-t", "ext4", "-b", "1024", "-O", "meta_bg,^resize_inode"]],
  [
    "meta_bg, 32-bit, no sparse_super",
    "600M",
    ["-t", "ext4", "-b", "1024", "-O", "meta_bg,^resize_inode,^64bit,^sparse_super"],
  ],
  ["bigalloc, 1 KiB blocks", "600M", ["-t", "ext4", "-b", "1024", "-O", "bigalloc"]],
  ["bigalloc and meta_bg, 1 KiB blocks", "4G", ["-t", "ext4", "-b", "1024", "-O", "bigalloc,meta_bg,^resize_inode"]],
];

describe("group descriptors", { skip }, () => {
  const images = new ImageDirectory();
  after(() => images.remove());

  for (const [name, size, options] of variants) {
    it(`are where dumpe2fs finds them: ${name}`, () => {
      const image = images.make("image", size, options);
      const truth = dumpe2fsGroups(image);
      const device = openImage(image);
      const volume = openVolume(device);
      assert.equal(volume.geometry.groupCount, truth.length);
      const checksummed = volume.features.metadataCsum || volume.features.gdtCsum;
      truth.forEach((expected, group) => {
        const { superblock, descriptors, ...fields } = expected;
        const ours = groupDescriptor(volume, group);
        assert.equal(ours.group, group);
        for (const [field, value] of Object.entries(checksummed ? fields : { ...fields, unusedInodes: 0 })) {
          assert.equal(ours[field as keyof typeof fields], value, `${field} of group ${group}`);
        }
        assert.equal(hasSuperblock(volume, group), superblock, `superblock of group ${group}`);
        const index = group / volume.geometry.descriptorsPerBlock;
        if (Number.isInteger(index) && descriptors !== undefined && volume.features.metaBg) {
          assert.equal(descriptorBlock(volume, index), Number.parseInt(descriptors, 10));
        }
      });
      device.close();
    });
  }

  it("with a wrong checksum concern their own group alone", () => {
    for (const features of ["metadata_csum", "^metadata_csum,uninit_bg"]) {
      const image = images.make("image", "64M", ["-t", "ext4", "-b", "1024", "-O", features]);
      const bytes = fs.readFileSync(image);
      bytes[2048 + 3 * 64 + 0xe]! ^= 1;
      const volume = openVolume(new MemoryDevice(bytes));
      groupDescriptor(volume, 2);
      assert.throws(
        () => groupDescriptor(volume, 3),
        (error: unknown) =>
          error instanceof CorruptionError && error.kind === "group-descriptor-checksum" && error.location.group === 3,
      );
    }
  });

  it("that point outside the file system, or without flex_bg outside the group, are refused", () => {
    const cases: ReadonlyArray<readonly [features: string, field: number, value: number]> = [
      ["^flex_bg", 0, 1],
      ["^flex_bg", 0, 8192 * 4],
      ["^flex_bg", 8, 8192 * 2 - 3],
      ["flex_bg", 0, 0],
      ["flex_bg", 4, 65_536],
      ["flex_bg", 8, 65_535],
    ];
    for (const [features, field, value] of cases) {
      const options = ["-t", "ext4", "-b", "1024", "-O", `${features},^metadata_csum,^uninit_bg`];
      const bytes = fs.readFileSync(images.make("image", "64M", options));
      bytes.writeUInt32LE(value, 2048 + 64 + field);
      assert.throws(
        () => groupDescriptor(openVolume(new MemoryDevice(bytes)), 1),
        (error: unknown) => error instanceof CorruptionError && error.kind === "group-descriptor-location",
        `${features}: field ${field} = ${value}`,
      );
    }
  });
});
