/**
 * Where a filesystem lies: in a partition, at an offset, behind a lost primary superblock. It reads the same from there.
 * Oracle: Linux's ext4 on a loop device at the offset, or with its own `sb=`.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { describe, test } from "node:test";
import { CorruptionError, Ext4, FileDevice, readPartitions } from "@bulkhead/ext4";
import { withoutLoopMounts } from "./facilities.js";
import { checkImage } from "./images/build.js";
import { PARTITION_NUMBER, PARTITION_OFFSET } from "./images/partition.js";
import { findVariant } from "./images/variants.js";
import { compareWalks } from "./walk/compare.js";
import { copySparse, kernelWalk, libraryWalk } from "./walk/truth.js";
import { withZooImage } from "./zoo.js";

const SUPERBLOCK_AT = 1024;
const SUPERBLOCK_SIZE = 1024;

/** Images, and the 1 KiB unit in which a backup of their superblock begins. */
const BACKUPS: readonly (readonly [variant: string, unit: number])[] = [
  ["ext3-1k", 8193],
  ["no-csum", 131_072],
  ["meta-bg", 8193],
];

describe("where a filesystem lies", { skip: withoutLoopMounts() }, () => {
  for (const name of ["in-gpt", "in-mbr"]) {
    test(`${name}: the partition table leads to the filesystem`, async () => {
      await withZooImage(findVariant(name), async (image) => {
        const disk = new FileDevice(fs, fs.openSync(image.path, "r"));
        const found = readPartitions(disk)?.partitions.find((partition) => partition.number === PARTITION_NUMBER);
        disk.close();
        assert.equal(found?.offset, PARTITION_OFFSET);
        assert.equal(found?.length, findVariant(name).size);
        const truth = await kernelWalk(image.path, { offset: image.offset });
        assert.deepEqual(compareWalks(truth, await libraryWalk(image.path, { offset: image.offset })), []);
        checkImage(image.path, image.offset);
      });
    });
  }

  for (const [name, unit] of BACKUPS) {
    test(`${name}: a backup superblock serves when the first is lost`, async () => {
      await withZooImage(findVariant(name), async (image) => {
        checkImage(image.path);
        const damaged = `${image.path}.damaged`;
        copySparse(image.path, damaged);
        const fd = fs.openSync(damaged, "r+");
        fs.writeSync(fd, Buffer.alloc(SUPERBLOCK_SIZE), 0, SUPERBLOCK_SIZE, SUPERBLOCK_AT);
        fs.closeSync(fd);
        assert.throws(() => Ext4.open(new FileDevice(fs, fs.openSync(damaged, "r"))), CorruptionError);
        const truth = await kernelWalk(damaged, { options: ["noload", `sb=${unit}`] });
        const library = await libraryWalk(damaged, { superblock: unit });
        assert.deepEqual(compareWalks(truth, library), []);
      });
    });
  }
});
