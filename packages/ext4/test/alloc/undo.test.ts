// Oracles: the image's bytes, and e2fsck.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, beforeEach, describe, it } from "node:test";
import { allocateBlocks, type BlockRun } from "../../src/alloc/allocate-blocks.js";
import { allocateInode } from "../../src/alloc/allocate-inode.js";
import { freeBlocks } from "../../src/alloc/free-blocks.js";
import { freeBlockCount } from "../../src/alloc/free-counts.js";
import { freeInode } from "../../src/alloc/free-inode.js";
import { FileSystemError } from "../../src/errors.js";
import { GroupFlag } from "../../src/format/group-descriptor.js";
import { FileType } from "../../src/format/inode.js";
import { groupDescriptor } from "../../src/groups/group-table.js";
import { cachedInode } from "../../src/inode/cached-inode.js";
import type { Handle } from "../../src/journal/handle.js";
import { transact } from "../../src/journal/transactions.js";
import type { Volume } from "../../src/volume.js";
import { ImageDirectory, missingTool } from "../images.js";
import { checkImage } from "../writable.js";
import { withVolume } from "./images.js";

const skip = missingTool("mke2fs", "e2fsck") ?? false;

const request = { goal: 0, inode: undefined, metadata: false };

function take(handle: Handle, count: number, goal = 0): BlockRun {
  const run = { block: 0, count: 0 };
  handle.asNeeded(() => allocateBlocks(handle, { ...request, goal, count }, run));
  return run;
}

function takeAll(volume: Volume): BlockRun[] {
  const runs: BlockRun[] = [];
  while (freeBlockCount(volume) > 0) runs.push(transact(volume, 16, (handle) => take(handle, 100_000)));
  return runs;
}

const noSpace = (error: unknown) => error instanceof FileSystemError && error.code === "ENOSPC";

describe("an operation that fails", { skip }, () => {
  const images = new ImageDirectory();
  let image = "";
  after(() => images.remove());
  beforeEach(() => {
    image = images.make("image", "20M", ["-t", "ext4", "-b", "1024", "-N", "64"]);
  });

  it("leaves the image as it was", () => {
    withVolume(image, () => {});
    const before = fs.readFileSync(image);
    const meaningless = new Set<number>();
    withVolume(image, (volume) => {
      const root = cachedInode(volume, 2);
      assert.throws(
        () =>
          transact(volume, 64, (handle) => {
            for (let n = 0; n < 20; n++) take(handle, 300, n * 1000);
            const made = { parent: root, uid: 0, gid: 0 };
            for (let n = 0; n < 20; n++) allocateInode(handle, { ...made, mode: FileType.directory | 0o755 });
            const file = allocateInode(handle, { ...made, mode: FileType.regular | 0o644 });
            freeInode(handle, file);
            take(handle, 100_000);
            throw new Error("undone");
          }),
        /undone/,
      );
      for (let group = 0; group < volume.geometry.groupCount; group++) {
        const { flags, blockBitmap, inodeBitmap } = groupDescriptor(volume, group);
        if (flags & GroupFlag.blockUninit) meaningless.add(blockBitmap);
        if (flags & GroupFlag.inodeUninit) meaningless.add(inodeBitmap);
      }
    });
    const times = [0x42c, 0x430, 0x578, 0x57c, 0x7fc]; // of mounting and writing, what was written in all, the checksum
    const after = fs.readFileSync(image);
    for (const at of times) before.copy(after, at, at, at + 4);
    const changed = new Set<number>();
    for (let at = 0; at < after.length; at++) if (after[at] !== before[at]) changed.add(at >> 10);
    assert.deepEqual(
      [...changed].filter((block) => !meaningless.has(block)),
      [],
    );
    checkImage(image);
  });

  it("for lack of space, leaves what was there", () => {
    withVolume(image, (volume) => {
      const free = freeBlockCount(volume);
      assert.throws(
        () =>
          transact(volume, 64, (handle) => {
            for (;;) take(handle, 1000);
          }),
        noSpace,
      );
      assert.equal(freeBlockCount(volume), free);
      const runs = takeAll(volume);
      assert.equal(
        runs.reduce((sum, run) => sum + run.count, 0),
        free,
      );
      assert.throws(() => transact(volume, 64, (handle) => take(handle, 1)), noSpace);
      for (const run of runs) transact(volume, 64, (handle) => freeBlocks(handle, undefined, run.block, run.count));
    });
    checkImage(image);
  });

  it("gives inodes back to the cache as they were", () => {
    withVolume(image, (volume) => {
      const root = cachedInode(volume, 2);
      const inode = transact(volume, 16, (handle) => {
        const made = allocateInode(handle, { parent: root, mode: FileType.regular | 0o600, uid: 7, gid: 8 });
        made.linksCount = 1;
        return made;
      });
      assert.equal(cachedInode(volume, inode.ino), inode);
      assert.throws(
        () =>
          transact(volume, 16, (handle) => {
            handle.modifyInode(inode);
            inode.linksCount = 0;
            freeInode(handle, inode);
            const again = allocateInode(handle, {
              parent: root,
              mode: FileType.regular,
              uid: 0,
              gid: 0,
              goal: inode.ino,
            });
            assert.equal(again.ino, inode.ino);
            assert.equal(cachedInode(volume, inode.ino), again);
            throw new Error("undone");
          }),
        /undone/,
      );
      assert.equal(cachedInode(volume, inode.ino), inode);
      assert.equal(inode.linksCount, 1);
      assert.equal(inode.uid, 7);
      transact(volume, 16, (handle) => {
        handle.modifyInode(inode);
        inode.linksCount = 0;
        inode.dtime = 1_700_000_000;
        freeInode(handle, inode);
      });
    });
    checkImage(image);
  });
});

describe("blocks that were freed", { skip }, () => {
  const images = new ImageDirectory();
  let image = "";
  after(() => images.remove());
  beforeEach(() => {
    image = images.make("image", "20M", ["-t", "ext4", "-b", "1024", "-N", "64"]);
  });

  it("are not used again before the commit", () => {
    withVolume(image, (volume) => {
      const run = transact(volume, 16, (handle) => take(handle, 50, 3000));
      transact(volume, 16, (handle) => freeBlocks(handle, undefined, run.block, run.count));
      const other = transact(volume, 16, (handle) => take(handle, 50, run.block));
      assert.ok(other.block >= run.block + run.count || other.block + other.count <= run.block);
      volume.transactions.commit();
      const again = transact(volume, 16, (handle) => take(handle, 50, run.block));
      assert.equal(again.block, run.block);
      for (const { block, count } of [other, again]) {
        transact(volume, 16, (handle) => freeBlocks(handle, undefined, block, count));
      }
    });
    checkImage(image);
  });

  it("are used after a commit when there are no others, and the operation does not notice", () => {
    withVolume(image, (volume) => {
      const runs = takeAll(volume);
      const [first, second] = runs;
      const { tid } = volume.transactions;
      let tries = 0;
      const got = transact(volume, 64, (handle) => {
        tries++;
        if (tries === 1) freeBlocks(handle, undefined, second!.block, 5);
        else assert.equal(freeBlockCount(volume), 0); // the first try was undone
        if (tries === 1) return take(handle, 1);
        freeBlocks(handle, undefined, first!.block, 3);
        return undefined;
      });
      assert.equal(got, undefined);
      assert.equal(tries, 2);
      assert.ok(volume.transactions.tid > tid);
      // Freed before, wanted now.
      const again = transact(volume, 64, (handle) => take(handle, 3));
      assert.deepEqual(again, { block: first!.block, count: 3 });
      for (const run of runs) transact(volume, 64, (handle) => freeBlocks(handle, undefined, run.block, run.count));
    });
    checkImage(image);
  });

  it("are refused when they are free already, or hold metadata", () => {
    withVolume(image, (volume) => {
      const run = transact(volume, 16, (handle) => take(handle, 4, 10_000));
      const free = (block: number, count: number) =>
        transact(volume, 16, (handle) => freeBlocks(handle, undefined, block, count));
      const { inodeTable, blockBitmap } = groupDescriptor(volume, 0);
      for (const [block, count] of [
        [0, 1],
        [1, 1],
        [blockBitmap, 1],
        [inodeTable - 1, 2],
        [volume.geometry.blockCount, 1],
        [volume.geometry.blockCount - 1, 2],
        [run.block, -1],
        [Number.NaN, 1],
        [2 ** 52, 1],
        [-5, 3],
      ] as const) {
        assert.throws(() => free(block, count), { kind: "block-range" }, `${block}, ${count}`);
      }
      free(run.block, 4);
      assert.throws(() => free(run.block + 3, 1), { kind: "block-bitmap" });
      // Its group counts as damaged from now on: nothing is taken from it, and nothing given back.
      const group = Math.floor((run.block - 1) / volume.geometry.blocksPerGroup);
      volume.transactions.commit();
      const next = transact(volume, 16, (handle) => take(handle, 4, run.block));
      assert.notEqual(Math.floor((next.block - 1) / volume.geometry.blocksPerGroup), group);
      free(next.block, 4);
      const before = freeBlockCount(volume);
      free(run.block, 4);
      assert.equal(freeBlockCount(volume), before);
    });
    checkImage(image);
  });
});
