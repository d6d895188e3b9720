// Oracles: e2fsck's and the kernel's replay; random writes against an array of bytes.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, describe, it } from "node:test";
import { MemoryDevice } from "../../src/device/memory.js";
import type { FileSystem } from "../../src/filesystem.js";
import { InodeFlag } from "../../src/format/inode.js";
import type { Inode } from "../../src/inode/inode.js";
import { ImageDirectory, missingLoopMount, openImage, run } from "../images.js";
import { checkImage } from "../writable.js";
import { randomFrom } from "./power-loss.js";
import {
  bytesOf,
  contentsOf,
  contentsOfMount,
  memoryOf,
  mountForWriting,
  openForWriting,
  overwrite,
  remove,
  writeFile,
} from "./writing.js";

const skip = missingLoopMount() ?? false;
const images = new ImageDirectory();
after(() => images.remove());

function read(mounted: FileSystem, inode: Inode): Uint8Array {
  const bytes = new Uint8Array(inode.size);
  mounted.readJournalled(inode, 0, bytes);
  return bytes;
}

function create(mounted: FileSystem, name: string): Inode {
  return mounted.create(mounted.root, bytesOf(name), { mode: 0o100644, uid: 0, gid: 0 });
}

describe("file data in the journal", { skip }, () => {
  for (const [name, options] of [
    ["blocks of 1 KiB", ["-b", "1024"]],
    ["blocks of 4 KiB", ["-b", "4096"]],
    ["block pointers", ["-b", "1024", "-O", "^extents,^64bit,^flex_bg"]],
  ] as const) {
    it(`reads as it was written, before and after a commit and a crash: ${name}`, () => {
      const seed = 1 + Math.floor(Math.random() * 1e6);
      const random = randomFrom(seed);
      const image = images.make("image", "32M", ["-t", "ext4", ...options]);
      const mounted = mountForWriting(openForWriting(image), { data: "journal" });
      const inode = create(mounted, "file");
      assert.equal(mounted.journalsData(inode), true);
      let model = new Uint8Array(0);
      for (let n = 0; n < 60; n++) {
        const pos = Math.floor(random() * 150_000);
        const bytes = new Uint8Array(1 + Math.floor(random() * 20_000)).fill(n + 1);
        if (pos + bytes.length > model.length) {
          const longer = new Uint8Array(pos + bytes.length);
          longer.set(model);
          model = longer;
        }
        model.set(bytes, pos);
        assert.equal(mounted.writeJournalled(inode, pos, bytes), bytes.length);
        assert.equal(inode.size, model.length, `seed ${seed}`);
        if (n % 7 === 0) mounted.sync();
        if (n === 31) mounted.volume.transactions!.settle();
        assert.deepEqual(read(mounted, inode), model, `seed ${seed}, write ${n}`);
      }
      mounted.sync();
      mounted.close();
      const expected = contentsOf(openImage(image));
      assert.equal(expected[0]?.split(" ")[1], String(model.length));
      const copy = images.file("copy");
      fs.copyFileSync(image, copy);
      run("e2fsck", ["-p", copy]);
      assert.deepEqual(contentsOf(openImage(copy)), expected);
      images.mounted(image, "rw", (root) => {
        assert.deepEqual(new Uint8Array(fs.readFileSync(`${root}/file`)), model, `seed ${seed}`);
        assert.deepEqual(contentsOfMount(root), expected);
      });
      checkImage(image);
    });
  }

  it("is durable after fdatasync and fsync where nothing but bytes has changed", () => {
    for (const dataOnly of [true, false]) {
      const image = images.make("image", "32M", ["-t", "ext4", "-b", "1024"]);
      const device = new MemoryDevice(new Uint8Array(fs.readFileSync(image)));
      const mounted = mountForWriting(device, { data: "journal" });
      const inode = create(mounted, "file");
      mounted.writeJournalled(inode, 0, new Uint8Array(5000).fill(1));
      mounted.sync();
      mounted.writeJournalled(inode, 700, new Uint8Array(2000).fill(2));
      mounted.fsync(inode, dataOnly);
      const crashed = mountForWriting(new MemoryDevice(device.bytes.slice()));
      const found = new Uint8Array(5000);
      crashed.readJournalled(crashed.inode(inode.ino), 0, found);
      assert.deepEqual(found, new Uint8Array(5000).fill(1).fill(2, 700, 2700), dataOnly ? "fdatasync" : "fsync");
      crashed.unmount();
    }
  });

  it("is not replayed over what its blocks are used for next", () => {
    const image = images.make("image", "16M", ["-t", "ext4", "-b", "1024", "-J", "size=4"]);
    const mounted = mountForWriting(openForWriting(image));
    const first = create(mounted, "first");
    mounted.setFlags(first, first.flags | InodeFlag.journalData);
    assert.equal(mounted.journalsData(first), true);
    const journalled = new Uint8Array(500_000).fill(1);
    assert.equal(mounted.writeJournalled(first, 0, journalled), journalled.length);
    mounted.sync();
    remove(mounted, mounted.root, "first");
    mounted.sync();
    // Enough to take all blocks that were the first file's.
    for (let n = 0; n < 20; n++) writeFile(mounted, mounted.root, `file${n}`, new Uint8Array(400_000).fill(2));
    mounted.sync();
    mounted.close();
    images.mounted(image, "rw", (root) => {
      for (let n = 0; n < 20; n++) {
        assert.ok(
          fs.readFileSync(`${root}/file${n}`).every((byte) => byte === 2),
          `file${n}`,
        );
      }
    });
    checkImage(image);
  });

  it("comes home when a file's flag is taken away", () => {
    const image = images.make("image", "16M", ["-t", "ext4", "-b", "4096"]);
    const device = memoryOf(image);
    const mounted = mountForWriting(device);
    const inode = create(mounted, "file");
    mounted.setFlags(inode, inode.flags | InodeFlag.journalData);
    mounted.writeJournalled(inode, 0, new Uint8Array(10_000).fill(1));
    mounted.setFlags(inode, inode.flags & ~InodeFlag.journalData);
    assert.equal(mounted.journalsData(inode), false);
    overwrite(mounted, inode, new Uint8Array(5000).fill(2));
    mounted.sync();
    mounted.unmount();
    const after = mountForWriting(new MemoryDevice(device.bytes));
    const bytes = read(after, after.inode(inode.ino));
    assert.equal(bytes.indexOf(1), 8192, "the test's host writes whole blocks");
    after.unmount();
  });

  it("ends where space ends, and says how much was written", () => {
    const image = images.make("image", "8M", ["-t", "ext4", "-b", "1024", "-m", "0"]);
    const mounted = mountForWriting(openForWriting(image), { data: "journal" });
    const inode = create(mounted, "file");
    const written = mounted.writeJournalled(inode, 0, new Uint8Array(16 * 1024 * 1024).fill(1));
    assert.ok(written > 1024 * 1024 && written < 8 * 1024 * 1024, String(written));
    assert.equal(inode.size, written);
    assert.throws(() => mounted.writeJournalled(inode, written, new Uint8Array(100_000)), /ENOSPC/);
    mounted.unmount();
    mounted.close();
    checkImage(image);
  });

  it("is the default that a superblock asks for", () => {
    const image = images.make("image", "16M", ["-t", "ext4"]);
    run("tune2fs", ["-o", "journal_data", image]);
    const mounted = mountForWriting(memoryOf(image));
    assert.equal(mounted.journalsData(create(mounted, "file")), true);
    const other = mountForWriting(memoryOf(image), { data: "ordered" });
    assert.equal(other.journalsData(create(other, "file")), false);
  });
});
