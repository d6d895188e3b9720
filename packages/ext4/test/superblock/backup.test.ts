// Oracle: mke2fs -n's list of copies; the kernel's sb= option.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, describe, it } from "node:test";
import { MemoryDevice } from "../../src/device/memory.js";
import { CorruptionError, UnsupportedFeatureError } from "../../src/errors.js";
import { FileSystem } from "../../src/filesystem.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import { ImageDirectory, missingLoopMount, missingTool, openImage, run } from "../images.js";

const skip = missingTool("mke2fs") ?? false;

/** Block numbers of the copies, as mke2fs prints them. */
function copiesOf(image: string, options: readonly string[], size: string): number[] {
  const text = run("mke2fs", ["-n", "-F", ...options, image, size]);
  const list = /stored on blocks:\s+([\d,\s]+)/.exec(text)?.[1] ?? "";
  return list.split(",").map((number) => Number(number.trim()));
}

describe("backup superblocks", { skip }, () => {
  const images = new ImageDirectory();
  after(() => images.remove());

  for (const [blockSize, size] of [
    [1024, "64M"],
    [2048, "200M"],
    [4096, "1G"],
  ] as const) {
    it(`each serve to mount, blocks of ${blockSize} bytes, whichever way the place is given`, () => {
      const options = ["-t", "ext4", "-b", String(blockSize)];
      const image = images.make("image", size, options);
      const copies = copiesOf(image, options, size);
      assert.ok(copies.length >= 3);
      for (const block of copies) {
        for (const place of new Set([block, (block * blockSize) / 1024])) {
          const filesystem = FileSystem.mount(openImage(image), { superblock: place });
          assert.equal(filesystem.superblock.blockGroupNumber > 0, true);
          assert.equal(filesystem.volume.superblockBlock, block);
          assert.equal(filesystem.root.isDirectory, true);
          filesystem.close();
        }
      }
    });
  }

  it("serve to mount as in the kernel when the primary one and its descriptors are gone", {
    skip: missingLoopMount(),
  }, () => {
    const image = images.make("image", "64M", ["-t", "ext4", "-b", "1024"]);
    const fd = fs.openSync(image, "r+");
    fs.writeSync(fd, Buffer.alloc(3 * 1024), 0, 3 * 1024, 1024);
    fs.closeSync(fd);
    const names = images.mounted(image, "ro,sb=24577", (root) => fs.readdirSync(root));
    assert.deepEqual(names, ["lost+found"]);
    const filesystem = FileSystem.mount(openImage(image), { superblock: 24_577 });
    assert.equal(filesystem.lookup(filesystem.root, new TextEncoder().encode("lost+found")), 11);
    filesystem.close();
  });

  it("are named by the error when the primary one is no superblock, or its checksum is wrong", () => {
    const image = images.make("image", "200M", ["-t", "ext4", "-b", "4096"]);
    const bytes = fs.readFileSync(image);
    const broken = (offset: number) => {
      const copy = Buffer.from(bytes);
      copy[offset]! ^= 0xff;
      return new MemoryDevice(copy);
    };
    for (const [offset, kind] of [
      [1024 + 0x38, "superblock-magic"],
      [1024 + 0x78, "superblock-checksum"],
    ] as const) {
      assert.throws(
        () => openVolume(broken(offset)),
        (error: unknown) => error instanceof CorruptionError && error.kind === kind && /sb=131072/.test(error.message),
      );
    }
    assert.throws(
      () => openVolume(broken(0), { superblock: 77 }),
      (error: unknown) => error instanceof CorruptionError && /no superblock at 77 KiB/.test(error.message),
    );
  });

  it("are not looked for in what is known to be something else: a QCOW2 image, what is compressed", () => {
    const image = images.make("image", "8M", ["-t", "ext4"]);
    run("e2image", ["-Q", image, images.file("qcow2")]);
    run("gzip", ["-k", image]);
    for (const [name, hint] of [
      ["qcow2", /but a QCOW2 image: .*qemu-img convert/],
      ["image.gz", /but compressed by gzip: decompress/],
    ] as const) {
      assert.throws(
        () => openVolume(openImage(images.file(name))),
        (error: unknown) => error instanceof UnsupportedFeatureError && hint.test(error.message),
      );
    }
  });

  it("do not help where there is none: an empty device, a tiny one, an external journal", () => {
    assert.throws(
      () => openVolume(new MemoryDevice(new Uint8Array(1 << 20))),
      (error: unknown) => error instanceof CorruptionError && error.kind === "superblock-magic",
    );
    assert.throws(
      () => openVolume(new MemoryDevice(new Uint8Array(100))),
      (error: unknown) => error instanceof CorruptionError && /only 100 bytes/.test(error.message),
    );
    const journal = images.make("journal", "8M", ["-O", "journal_dev"]);
    assert.throws(
      () => openVolume(openImage(journal)),
      (error: unknown) => error instanceof UnsupportedFeatureError && /external journal/.test(error.message),
    );
  });
});
