// Oracles: e2fsck, and the kernel's ext4 through a loop mount for what is free.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, describe, it } from "node:test";
import { MemoryDevice } from "../../src/device/memory.js";
import { BlockMapping, MappingType } from "../../src/map/mapping.js";
import { ImageDirectory, missingLoopMount, missingTool } from "../images.js";
import { bytesOf, mountForWriting, overwrite, remove, withWritable, writeFile } from "../journal/writing.js";
import { checkImage } from "../writable.js";

const skip = missingTool("mke2fs", "e2fsck") ?? false;

/** Clusters of 16 blocks, and 3 blocks of the last one. */
const CLUSTER = 16 * 1024;
const BLOCKS = 61 * 16 + 3;
const BLOCK_BITMAP = 2048; // the descriptor's first field

describe("a bigalloc file system that ends inside of a cluster", { skip }, () => {
  const images = new ImageDirectory();
  after(() => images.remove());

  function make(): string {
    const image = images.make("partial.img", "992k", [
      ...["-t", "ext4", "-b", "1024", "-C", String(CLUSTER), "-N", "32", "-m", "0"],
      ...["-O", "^has_journal,^metadata_csum,^resize_inode,bigalloc"],
    ]);
    const bytes = fs.readFileSync(image);
    bytes.writeUInt32LE(BLOCKS, 1024 + 4);
    fs.writeFileSync(image, bytes);
    checkImage(image);
    return image;
  }

  it("has nothing allocated there, and counts it as free", () => {
    const image = make();
    withWritable(image, (mounted) => {
      const { blocksFree } = mounted.statfs();
      const mapping = new BlockMapping();
      const all = mounted.create(mounted.root, bytesOf("all"), { mode: 0o100644, uid: 0, gid: 0 });
      // A write of all, then single blocks in the middle of clusters.
      assert.throws(() => overwrite(mounted, all, new Uint8Array(BLOCKS * 1024)), { code: "ENOSPC" });
      assert.equal(mounted.statfs().blocksFree, 16);
      for (let at = 0; ; at += mapping.length) {
        mounted.mapBlocks(all, at, mapping);
        if (mapping.type === MappingType.hole) break;
        assert.ok(mapping.block + mapping.length <= 61 * 16);
      }
      const other = mounted.create(mounted.root, bytesOf("other"), { mode: 0o100644, uid: 0, gid: 0 });
      const where = { type: 0, flags: 0, offset: 0, length: 0, addr: 0, dev: 0 };
      assert.throws(() => mounted.iomapBegin(other, 5 * 1024, 100, 1, where), { code: "ENOSPC" });
      assert.throws(() => mounted.fallocate(other, 0, 5 * 1024, 4096), { code: "ENOSPC" });
      remove(mounted, mounted.root, "all");
      mounted.sync();
      assert.equal(mounted.statfs().blocksFree, blocksFree);
      writeFile(mounted, mounted.root, "again", new Uint8Array(5 * CLUSTER));
    });
    checkImage(image);
  });

  it("keeps what is mapped there, adds nothing to it, and frees it", () => {
    const image = make();
    const bytes = new Uint8Array(fs.readFileSync(image));
    const mounted = mountForWriting(new MemoryDevice(bytes));
    const file = writeFile(mounted, mounted.root, "file", new Uint8Array(3 * 1024).fill(1));
    const mapping = new BlockMapping();
    mounted.mapBlocks(file, 0, mapping);
    const { blocksFree } = mounted.statfs();
    const { inodeSize } = mounted.geometry;
    mounted.unmount();
    // The file moves there.
    const view = new DataView(bytes.buffer);
    const bitmap = view.getUint32(BLOCK_BITMAP, true) * 1024;
    const cluster = mapping.block / 16;
    bytes[bitmap + (cluster >> 3)]! &= ~(1 << (cluster & 7));
    bytes[bitmap + (61 >> 3)]! |= 1 << (61 & 7);
    const inode = view.getUint32(BLOCK_BITMAP + 8, true) * 1024 + (file.ino - 1) * inodeSize;
    view.setUint32(inode + 40 + 12 + 8, 61 * 16, true);
    fs.writeFileSync(image, bytes);
    checkImage(image);

    withWritable(image, (fs) => {
      const found = fs.inode(fs.lookup(fs.root, bytesOf("file")));
      assert.throws(() => overwrite(fs, found, new Uint8Array(4 * 1024)), { code: "ENOSPC" });
      fs.mapBlocks(found, 0, mapping);
      assert.deepEqual([mapping.block, mapping.length], [61 * 16, 3]);
      fs.resize(found, 0);
      fs.sync();
      assert.equal(fs.statfs().blocksFree, blocksFree + 16);
    });
    checkImage(image);
  });

  it("has as much free as the kernel says", { skip: missingLoopMount() ?? false }, () => {
    const image = make();
    const { bfree, blocks } = images.mounted(image, "ro", (root) => fs.statfsSync(root));
    const ours = withWritable(image, (mounted) => mounted.statfs());
    assert.deepEqual([ours.blocksFree, ours.blocks], [bfree, blocks]);
  });
});
