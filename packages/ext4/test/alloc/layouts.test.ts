// Oracles: e2fsck for the images, dumpe2fs for their counters and for the checksums of the bitmaps.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { allocateBlocks, type BlockRun } from "../../src/alloc/allocate-blocks.js";
import { allocateInode } from "../../src/alloc/allocate-inode.js";
import { freeBlocks } from "../../src/alloc/free-blocks.js";
import { freeInode } from "../../src/alloc/free-inode.js";
import { FileSystemError } from "../../src/errors.js";
import { GroupFlag } from "../../src/format/group-descriptor.js";
import { FileType } from "../../src/format/inode.js";
import { groupDescriptor } from "../../src/groups/group-table.js";
import { cachedInode } from "../../src/inode/cached-inode.js";
import { decodeInode } from "../../src/inode/decode-inode.js";
import type { Inode } from "../../src/inode/inode.js";
import { readRawInode } from "../../src/inode/inode-table.js";
import { transact } from "../../src/journal/transactions.js";
import type { Volume } from "../../src/volume.js";
import { ImageDirectory, missingTool } from "../images.js";
import { checkImage } from "../writable.js";
import { dumpe2fsCounts, makeOverGarbage, variants, withVolume } from "./images.js";

const skip = missingTool("mke2fs", "dumpe2fs", "e2fsck") ?? false;

/** Runs `step` until there is no space. */
function untilFull(step: () => void): void {
  for (;;) {
    try {
      step();
    } catch (error) {
      assert.ok(error instanceof FileSystemError && error.code === "ENOSPC", String(error));
      return;
    }
  }
}

function takeAllBlocks(volume: Volume, count: number): BlockRun[] {
  const runs: BlockRun[] = [];
  const request = { goal: 0, count, inode: undefined, metadata: false };
  untilFull(() =>
    transact(volume, 16, (handle) => {
      for (let n = 0; n < 16; n++) {
        const run = { block: 0, count: 0 };
        handle.asNeeded(() => allocateBlocks(handle, { ...request, count: n === 15 ? 1 : count }, run));
        runs.push(run);
        if (volume.superblock.freeBlocksCountLo === 0) return;
      }
    }),
  );
  return runs;
}

function takeAllInodes(volume: Volume): Inode[] {
  const inodes: Inode[] = [];
  const root = cachedInode(volume, 2);
  untilFull(() => {
    const type = inodes.length % 5 === 0 ? FileType.directory : FileType.regular;
    const parent = inodes.at(-(inodes.length % 7)) ?? root;
    inodes.push(
      transact(volume, 16, (handle) => allocateInode(handle, { parent, mode: type | 0o644, uid: 1, gid: 2 })),
    );
  });
  return inodes;
}

function freeByNumber(volume: Volume, ino: number): void {
  transact(volume, 16, (handle) => {
    const inode = readRawInode(volume, ino);
    decodeInode(volume, inode, true);
    handle.modifyInode(inode);
    inode.dtime = 1_700_000_000;
    freeInode(handle, inode);
  });
}

describe("all blocks and inodes of an image can be allocated and freed again", { skip }, () => {
  const images = new ImageDirectory();
  after(() => images.remove());

  for (const variant of variants) {
    it(variant.name, () => {
      const image = makeOverGarbage(images, variant);
      const before = dumpe2fsCounts(image);
      const taken = withVolume(image, (volume) => {
        const inodes = takeAllInodes(volume);
        assert.equal(inodes.length, before.freeInodes);
        assert.equal(new Set(inodes.map((inode) => inode.ino)).size, inodes.length);
        const runs = takeAllBlocks(volume, 1000);
        const ratio = volume.geometry.clusterSize / volume.geometry.blockSize;
        const clusters = runs.reduce((sum, run) => sum + Math.ceil(run.count / ratio), 0);
        assert.equal(clusters * ratio, before.freeBlocks);
        return { runs, inodes: inodes.map((inode) => inode.ino), ratio };
      });

      const full = dumpe2fsCounts(image);
      assert.equal(full.freeBlocks, 0);
      assert.equal(full.freeInodes, 0);
      for (const group of full.groups) assert.match(group, /^0 free (blocks|clusters), 0 free inodes/);

      withVolume(image, (volume) => {
        for (const ino of taken.inodes) {
          freeByNumber(volume, ino);
        }
        for (const { block, count } of taken.runs) {
          transact(volume, 16, (handle) =>
            freeBlocks(handle, undefined, block, Math.ceil(count / taken.ratio) * taken.ratio),
          );
        }
      });
      checkImage(image);
      assert.deepEqual(dumpe2fsCounts(image), before);
    });
  }
});

describe("an inode in a table that holds old contents", { skip }, () => {
  const images = new ImageDirectory();
  after(() => images.remove());

  for (const features of ["metadata_csum", "^metadata_csum,uninit_bg"]) {
    it(`is alone in its block, and what lies before it is zeroed: ${features}`, () => {
      const options = ["-t", "ext4", "-b", "1024", "-O", features];
      const image = makeOverGarbage(images, { name: "", size: "60M", options });
      const before = dumpe2fsCounts(image);
      const inodes = withVolume(image, (volume) => {
        const { groupCount, inodesPerGroup } = volume.geometry;
        const parent = cachedInode(volume, 2);
        const made = { parent, mode: FileType.regular | 0o600, uid: 0, gid: 0 };
        const created: Inode[] = [];
        for (let group = 1; group < groupCount; group++) {
          // Somewhere in the middle, further on, and in between.
          for (const index of [30 + group, 200, 100]) {
            const goal = group * inodesPerGroup + index + 1;
            created.push(transact(volume, 16, (handle) => allocateInode(handle, { ...made, goal })));
            assert.equal(created.at(-1)!.ino, goal);
          }
          const { flags, unusedInodes } = groupDescriptor(volume, group);
          assert.equal(flags & (GroupFlag.inodeUninit | GroupFlag.blockUninit), 0);
          assert.equal(unusedInodes, inodesPerGroup - 201);
        }
        return created;
      });
      withVolume(image, (volume) => {
        for (const { ino } of inodes) freeByNumber(volume, ino);
      });
      checkImage(image);
      assert.deepEqual(dumpe2fsCounts(image), before);
    });
  }
});
