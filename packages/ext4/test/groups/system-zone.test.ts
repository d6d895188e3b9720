// Oracle: dumpe2fs for where metadata is; the kernel's ext4 for what it refuses (block_validity, which is on by default).
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { MemoryDevice } from "../../src/device/memory.js";
import { CorruptionError } from "../../src/errors.js";
import { FileSystem, type MountOptions } from "../../src/filesystem.js";
import { groupDescriptor } from "../../src/groups/group-table.js";
import { checkLayout, SystemZone } from "../../src/groups/system-zone.js";
import type { Inode } from "../../src/inode/inode.js";
import { BlockMapping } from "../../src/map/mapping.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import { ImageDirectory, missingLoopMount, missingTool, openImage, run } from "../images.js";
import { bytesOf, mountForWriting, openForWriting, overwrite, writeFile } from "../journal/writing.js";

const skip = missingTool("mke2fs", "dumpe2fs", "debugfs") ?? false;

/** A byte a block: 1 where dumpe2fs shows a superblock, descriptors, a bitmap or a table. */
function shownByDumpe2fs(image: string, blockCount: number, tableBlocks: number): Uint8Array {
  const shown = new Uint8Array(blockCount);
  const text = run("dumpe2fs", [image]);
  for (const [, first, last] of text.matchAll(/(?:superblock at|Group descriptors? at|bitmap at) (\d+)(?:-(\d+))?/g)) {
    shown.fill(1, Number(first), Number(last ?? first) + 1);
  }
  for (const [, first] of text.matchAll(/Inode table at (\d+)/g)) {
    shown.fill(1, Number(first), Number(first) + tableBlocks);
  }
  return shown;
}

describe("the file system's own metadata", { skip }, () => {
  const images = new ImageDirectory();
  after(() => images.remove());

  for (const [title, size, options] of [
    ["flex_bg", "150M", ["-b", "1024"]],
    ["4 KiB blocks", "600M", ["-b", "4096"]],
    ["no flex_bg, no sparse_super", "80M", ["-b", "1024", "-O", "^flex_bg,^sparse_super,^resize_inode"]],
    ["meta_bg", "300M", ["-b", "1024", "-O", "meta_bg,^resize_inode"]],
    ["sparse_super2", "150M", ["-b", "1024", "-O", "sparse_super2,^resize_inode"]],
    ["bigalloc", "300M", ["-b", "1024", "-O", "bigalloc"]],
    ["flex groups of 1", "80M", ["-b", "1024", "-G", "1"]],
    ["small groups", "40M", ["-b", "1024", "-g", "1024"]],
    ["packed", "300M", ["-b", "1024", "-E", "packed_meta_blocks=1"]],
  ] as const) {
    it(`is where dumpe2fs shows it: ${title}`, () => {
      const image = images.make("zone.img", size, ["-t", "ext4", ...options]);
      const volume = openVolume(openImage(image));
      const { blockCount, firstDataBlock, inodeTableBlocks } = volume.geometry;
      const shown = shownByDumpe2fs(image, blockCount, inodeTableBlocks);
      const zone = new SystemZone();
      checkLayout(volume);
      const found = new Uint8Array(blockCount);
      for (let block = firstDataBlock; block < blockCount; block++) {
        if (zone.firstInside(volume, block, 1, 12) === block) found[block] = 1;
        // What is known of all groups before anything is written is the same.
        assert.equal(volume.systemZone!.firstInside(volume, block, 1, 12) === block, found[block] === 1);
      }
      // dumpe2fs shows the superblock of a 1 KiB bigalloc file system in block 1; block 0 is nobody's either.
      if (firstDataBlock === 0) shown[0] = found[0]!;
      const different = [...shown.keys()].filter((block) => shown[block] !== found[block]);
      assert.deepEqual(different.slice(0, 10), []);
      // The first of a range is found wherever the range starts.
      const first = shown.indexOf(1, Math.floor(blockCount / 3));
      if (first > 2000) {
        const gap = first - shown.lastIndexOf(1, first - 1) - 1;
        const before = Math.min(gap, 1500);
        assert.equal(zone.firstInside(volume, first - before, before + 3, 12), first);
        assert.equal(zone.firstInside(volume, first - before, before, 12), -1);
      }
      volume.device.close();
    });
  }

  it("is not protected by a damaged descriptor, which says nothing reliable", () => {
    const image = images.make("damaged.img", "40M", ["-t", "ext4", "-b", "1024"]);
    const volume = openVolume(openImage(image));
    const table = Number(/Inode table at (\d+)/.exec(run("dumpe2fs", [image]))![1]);
    const block = volume.cache.read(2);
    block.data[0] = block.data[0]! ^ 1;
    assert.equal(new SystemZone().firstInside(volume, table, 1, 12), -1);
    assert.equal(new SystemZone().firstInside(volume, 2, 1, 12), 2, "the place of descriptors is known");
    volume.device.close();
  });

  /** An image with the files /f (of data) and /g, of which debugfs changes what `change` tells. */
  function damaged(name: string, options: readonly string[], change: (where: Places) => string[]): string {
    fs.mkdirSync(images.file("source"), { recursive: true });
    fs.writeFileSync(join(images.file("source"), "f"), Buffer.alloc(40_000, 7));
    fs.writeFileSync(join(images.file("source"), "g"), "");
    const image = images.make(name, "24M", [
      ...["-t", "ext4", "-b", "1024", "-g", "8192", ...options],
      ...["-d", images.file("source")],
    ]);
    const dump = run("dumpe2fs", [image]);
    const journal = /\(0-?\d*\):(\d+)/.exec(run("debugfs", ["-R", "stat <8>", image]))?.[1];
    const places = {
      table: Number(/Inode table at (\d+)/.exec(dump)![1]),
      bitmap: Number(/Block bitmap at (\d+)/.exec(dump)![1]),
      backup: Number(/Backup superblock at (\d+)/.exec(dump)![1]),
      journal: Number(journal ?? 0),
    };
    for (const command of change(places)) run("debugfs", ["-w", "-R", command, image]);
    return image;
  }

  interface Places {
    table: number;
    bitmap: number;
    backup: number;
    journal: number;
  }

  const isMetadata = (error: unknown) => error instanceof CorruptionError && error.kind === "block-range";

  function withEngine<T>(image: string, options: MountOptions, use: (engine: FileSystem, file: Inode) => T): T {
    const engine = FileSystem.mount(openImage(image), { loadJournal: false, ...options });
    try {
      return use(engine, engine.inode(engine.lookup(engine.root, Buffer.from("f"))));
    } finally {
      engine.close();
    }
  }

  /** The errno's name with which the kernel refuses to open or read /f; EIO where it finds out while reading ahead. */
  function kernelRefusal(image: string): string | undefined {
    return images.mounted(image, "ro,noload", (root) => {
      try {
        fs.readFileSync(join(root, "f"));
        return undefined;
      } catch (error) {
        const { errno, code } = error as NodeJS.ErrnoException;
        return errno === -117 ? "EUCLEAN" : code;
      }
    });
  }

  const loop = missingLoopMount() ?? false;
  // The first extent's start is word 5 of i_block; in an inode of block pointers, word 0 is the first block, and IND names the indirect one.
  for (const [title, options, change] of [
    ["an extent over the inode table", [], ({ table }) => [`sif /f block[5] ${table}`]],
    ["an extent that reaches into a bitmap", [], ({ bitmap }) => [`sif /f block[5] ${bitmap - 3}`]],
    ["an extent over a copy of the superblock", [], ({ backup }) => [`sif /f block[5] ${backup}`]],
    ["an extent over the journal", [], ({ journal }) => [`sif /f block[5] ${journal + 5}`]],
    ["a block pointer", ["-O", "^extents,^64bit"], ({ table }) => [`sif /f block[0] ${table}`]],
    ["an indirect block", ["-O", "^extents,^64bit"], ({ table }) => [`sif /f block[IND] ${table}`]],
  ] as [string, string[], (where: Places) => string[]][]) {
    it(`is refused to files, as by the kernel: ${title}`, { skip: loop }, () => {
      const mapping = new BlockMapping();
      const whole = damaged("whole.img", options, () => []);
      assert.equal(kernelRefusal(whole), undefined);
      withEngine(whole, {}, (engine, file) => engine.mapBlocks(file, 0, mapping));

      const image = damaged("files.img", options, change);
      assert.equal(kernelRefusal(image), title === "an indirect block" ? "EIO" : "EUCLEAN");
      const read = (engine: FileSystem, file: Inode) => {
        for (let at = 0; at < 40; at += mapping.length) engine.mapBlocks(file, at, mapping);
      };
      assert.throws(() => withEngine(image, {}, read), isMetadata);
      // Without the check an inode table is read as an indirect block, and its pointers lead anywhere.
      if (title !== "an indirect block") withEngine(image, { blockValidity: false }, read);
    });
  }

  it("is refused to attributes, as by the kernel", { skip: loop }, () => {
    const image = damaged("xattr.img", [], ({ table }) => [`sif /f file_acl ${table}`]);
    assert.equal(kernelRefusal(image), "EUCLEAN");
    assert.throws(() => withEngine(image, {}, (engine, file) => engine.listXattrs(file)), isMetadata);
  });

  it("is the journal's own to map", () => {
    const image = damaged("journal.img", [], () => []);
    withEngine(image, {}, (engine) => {
      const mapping = new BlockMapping();
      engine.mapBlocks(engine.inode(8), 0, mapping);
      assert.ok(mapping.block > 0);
      assert.equal(engine.volume.systemZone!.firstInside(engine.volume, mapping.block, 1, 12), mapping.block);
      assert.equal(engine.volume.systemZone!.firstInside(engine.volume, mapping.block, 1, 8), -1);
    });
  });

  /** Descriptors of 32 bytes from block 2 on. */
  const plain = [
    "-t",
    "ext4",
    "-b",
    "1024",
    "-g",
    "1024",
    "-N",
    "96",
    "-O",
    "none,filetype,extents,flex_bg,sparse_super",
  ];
  const BLOCK_BITMAP = 2048;
  const INODE_BITMAP = BLOCK_BITMAP + 4;
  const INODE_TABLE = BLOCK_BITMAP + 8;

  for (const [title, field, value] of [
    ["in the descriptor table", INODE_BITMAP + 32, () => 2],
    ["in a copy of the superblock", INODE_BITMAP + 32, () => 1 + 1024],
    ["in another's inode table", INODE_TABLE + 64, (view) => view.getUint32(INODE_TABLE, true) + 1],
    ["in another's bitmap", INODE_BITMAP + 32, (view) => view.getUint32(BLOCK_BITMAP, true)],
    ["twice in one block", INODE_BITMAP, (view) => view.getUint32(BLOCK_BITMAP, true)],
  ] as [string, number, (view: DataView) => number][]) {
    it(`of one group must not lie ${title}, for whoever writes`, { skip: loop }, () => {
      const image = images.make("overlap.img", "6M", plain);
      images.mounted(image, "rw", () => {});
      const bytes = new Uint8Array(fs.readFileSync(image));
      mountForWriting(new MemoryDevice(bytes.slice())).unmount();
      const view = new DataView(bytes.buffer);
      view.setUint32(field, value(view), true);
      fs.writeFileSync(image, bytes);
      assert.throws(() => images.mounted(image, "rw", () => {}));
      const before = bytes.slice();
      assert.throws(() => mountForWriting(new MemoryDevice(bytes)), { kind: "group-descriptor-location" });
      assert.deepEqual(bytes, before);
      FileSystem.mount(new MemoryDevice(bytes)).close();
    });
  }

  it("may be damaged in some groups, for whoever writes, but not in thousands", () => {
    const image = images.make("many.img", "280M", plain.with(5, "256").with(7, "8192"));
    const damage = (groups: number) => {
      const device = openForWriting(image);
      device.write(BLOCK_BITMAP + 32, new Uint8Array(32 * groups));
      return device;
    };
    const mounted = mountForWriting(damage(1024));
    mounted.unmount();
    mounted.close();
    assert.throws(() => mountForWriting(damage(1025)), { kind: "group-descriptor-location" });
  });

  it("is known wherever a group has it, for whoever writes", () => {
    const image = images.make("far.img", "20M", plain.with(5, "256").with(7, "640"));
    const bytes = new Uint8Array(fs.readFileSync(image));
    let mounted = mountForWriting(new MemoryDevice(bytes));
    assert.ok(mounted.geometry.groupCount > 2 * mounted.geometry.descriptorsPerBlock);
    const file = writeFile(mounted, mounted.root, "f", new Uint8Array(4096));
    const mapping = new BlockMapping();
    mounted.mapBlocks(file, 0, mapping);
    mounted.unmount();
    // The inode table of a group far away moves there.
    new DataView(bytes.buffer).setUint32(INODE_TABLE + 32 * 70, mapping.block, true);
    mounted = mountForWriting(new MemoryDevice(bytes));
    assert.equal(groupDescriptor(mounted.volume, 70).inodeTable, mapping.block);
    const found = mounted.inode(mounted.lookup(mounted.root, bytesOf("f")));
    assert.throws(() => overwrite(mounted, found, new Uint8Array(4096)), isMetadata);
    mounted.close();
  });

  it("is known where groups are small", () => {
    // One group of 240 blocks: the superblock may say so, although mke2fs makes none of fewer than 256.
    const bytes = new Uint8Array(
      fs.readFileSync(images.make("small.img", "240k", plain.with(5, "8192").with(7, "16"))),
    );
    const view = new DataView(bytes.buffer);
    for (const field of [0x20, 0x24]) view.setUint32(1024 + field, 248, true);
    const mounted = mountForWriting(new MemoryDevice(bytes));
    const table = view.getUint32(INODE_TABLE, true);
    assert.equal(mounted.volume.systemZone!.firstInside(mounted.volume, table, 1, 12), table);
    mounted.close();
    assert.equal(new SystemZone().firstInside(openVolume(new MemoryDevice(bytes)), table, 1, 12), table);
  });

  it("is not written where groups are small, and more than can be known", () => {
    const bytes = new Uint8Array(
      fs.readFileSync(images.make("small.img", "240k", plain.with(5, "8192").with(7, "16"))),
    );
    const view = new DataView(bytes.buffer);
    const groups = 131_073;
    const device = Object.defineProperty(new MemoryDevice(bytes), "size", { value: (16 * groups + 1) * 1024 });
    view.setUint32(1024, view.getUint32(1024 + 0x28, true) * groups, true);
    view.setUint32(1024 + 4, 16 * groups + 1, true);
    for (const field of [0x20, 0x24]) view.setUint32(1024 + field, 16, true);
    assert.throws(() => mountForWriting(device), { code: "ERR_EXT4_UNSUPPORTED" });
  });
});
