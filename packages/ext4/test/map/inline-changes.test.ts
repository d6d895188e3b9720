// Oracles: e2fsck, and the kernel's ext4 through a loop mount.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { cachedInode } from "../../src/inode/cached-inode.js";
import type { Inode } from "../../src/inode/inode.js";
import { transact } from "../../src/journal/transactions.js";
import { inlineData } from "../../src/map/inline-data.js";
import {
  initInlineData,
  inlineCapacity,
  spillInlineData,
  truncateInlineData,
  writeInlineData,
} from "../../src/map/write-inline.js";
import type { Volume } from "../../src/volume.js";
import { changeImage } from "../writable.js";
import { inodeNumber, noLoop, noTools, randomFrom, run, withLoopMount, withScratch } from "./images.js";

function withFiles(
  inodeSize: number,
  use: (image: string, inodes: (volume: Volume, name: string) => Inode) => void,
): void {
  withScratch((directory) => {
    const image = join(directory, "image");
    run("mke2fs", "-q", "-F", "-t", "ext4", "-O", "inline_data", "-I", `${inodeSize}`, image, "16M");
    for (const name of ["file", "other"]) run("debugfs", "-w", "-R", `write /dev/null ${name}`, image);
    use(image, (volume, name) => cachedInode(volume, inodeNumber(image, name)));
  });
}

function write(volume: Volume, inode: Inode, pos: number, bytes: Uint8Array): boolean {
  return transact(volume, 100, (handle) => writeInlineData(handle, inode, pos, bytes));
}

describe("changes of inline data", { skip: noTools }, () => {
  for (const inodeSize of [256, 1024]) {
    it(`grows to all that an inode of ${inodeSize} bytes has room for, and out of it`, () => {
      withFiles(inodeSize, (image, inodeOf) => {
        let expected = new Uint8Array(0);
        changeImage(image, (volume) => {
          const inode = inodeOf(volume, "file");
          if (!inode.hasInlineData) transact(volume, 100, (handle) => initInlineData(handle, inode));
          const capacity = inlineCapacity(volume, inode);
          assert.ok(capacity > inodeSize / 3, `capacity ${capacity}`);
          expected = Uint8Array.from({ length: capacity }, (_, n) => n + 1);
          for (let pos = 0; pos < capacity; pos += 7)
            assert.ok(write(volume, inode, pos, expected.subarray(pos, pos + 7)));
          assert.equal(inlineCapacity(volume, inode), capacity);
          assert.equal(write(volume, inode, capacity, Uint8Array.of(1)), false);
          assert.equal(inode.size, capacity);
          assert.deepEqual(inlineData(volume, inode), expected);
          assert.equal(inode.blocks, 0);
        });
        if (noLoop === false) {
          withLoopMount(image, (root) => assert.deepEqual(new Uint8Array(readFileSync(join(root, "file"))), expected));
        }
        changeImage(image, (volume) => {
          const inode = inodeOf(volume, "file");
          transact(volume, 100, (handle) => {
            const { block, bytes } = spillInlineData(handle, inode);
            assert.equal(bytes.length, volume.geometry.blockSize);
            volume.device.write(block * volume.geometry.blockSize, bytes);
          });
          assert.equal(inode.hasInlineData, false);
          assert.equal(inode.blocks, volume.geometry.blockSize / 512);
        });
        if (noLoop === false) {
          withLoopMount(image, (root) => assert.deepEqual(new Uint8Array(readFileSync(join(root, "file"))), expected));
        }
      });
    });
  }

  it("are refused where the inode does not hold what its size says", () => {
    withFiles(256, (image, inodeOf) => {
      changeImage(image, (volume) => {
        const inode = inodeOf(volume, "file");
        if (!inode.hasInlineData) transact(volume, 100, (handle) => initInlineData(handle, inode));
        for (const held of [40, 64]) {
          assert.ok(transact(volume, 100, (handle) => truncateInlineData(handle, inode, held)));
          inode.size = 100; // as an image may say
          for (const pos of [50, 70, 90]) {
            assert.throws(() => write(volume, inode, pos, new Uint8Array(20)), { kind: "inline-data" });
          }
          inode.size = held;
        }
      });
    });
  });

  it("follows a model through writes and changes of size at random", () => {
    withFiles(256, (image, inodeOf) => {
      const random = randomFrom(3);
      let expected = new Uint8Array(0);
      changeImage(image, (volume) => {
        const inode = inodeOf(volume, "file");
        if (!inode.hasInlineData) transact(volume, 100, (handle) => initInlineData(handle, inode));
        const capacity = inlineCapacity(volume, inode);
        for (let n = 0; n < 2000; n++) {
          const old = expected;
          if (random(3) === 0) {
            const size = random(capacity + 1);
            expected = new Uint8Array(size);
            expected.set(old.subarray(0, size));
            assert.ok(transact(volume, 100, (handle) => truncateInlineData(handle, inode, size)));
          } else {
            const pos = random(capacity);
            const bytes = Uint8Array.from({ length: 1 + random(capacity - pos) }, () => random(256));
            expected = new Uint8Array(Math.max(old.length, pos + bytes.length));
            expected.set(old);
            expected.set(bytes, pos);
            assert.ok(write(volume, inode, pos, bytes));
          }
          assert.equal(inode.size, expected.length);
          assert.deepEqual(inlineData(volume, inode).slice(), expected);
        }
        const before = inode.raw.slice();
        assert.throws(() =>
          transact(volume, 100, (handle) => {
            spillInlineData(handle, inode);
            throw new Error("undone");
          }),
        );
        assert.deepEqual(inode.raw, before);
        assert.ok(inode.hasInlineData);
      });
      if (noLoop === false) {
        withLoopMount(image, (root) => assert.deepEqual(new Uint8Array(readFileSync(join(root, "file"))), expected));
      }
    });
  });
});
