// Oracle: the rules of the format, and the bytes of the image. What damage of a kind must not lead to when the file system is changed.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  CorruptionError,
  FallocateMode,
  FileSystem,
  type Inode,
  MemoryDevice,
  roCompatFeature,
  SuperblockLayout,
} from "@bulkhead/ext4";
import { withoutTools } from "../facilities.js";
import { Editor, SUPERBLOCK } from "./editor.js";
import { makeWritableSpecimen, writableSpecimens } from "./writable-specimens.js";

const USER_QUOTA = 3;
const JOURNAL = 8;
const encode = (text: string) => new TextEncoder().encode(text);
const isCorruption = (kind: string) => (error: unknown) => error instanceof CorruptionError && error.kind === kind;

/** Byte offset of the entry of a name in the first block of a directory. */
function entryAt(editor: Editor, path: string, name: string): number {
  const start = editor.block(path, 0);
  for (let at = start; at < start + editor.blockSize; at += editor.u16(at + 4)) {
    const found = editor.bytes.subarray(at + 8, at + 8 + (editor.bytes[at + 6] ?? 0));
    if (Buffer.from(found).toString("latin1") === name) return at;
  }
  throw new Error(`no ${name} in ${path}`);
}

describe("changes of a damaged file system", { skip: withoutTools("mke2fs", "debugfs", "e2fsck") }, () => {
  const specimen = writableSpecimens.find(({ name }) => name === "a journal") ?? assert.fail();

  const named = (part: string) => writableSpecimens.find(({ name }) => name.includes(part)) ?? assert.fail(part);

  /** Mounts the damaged image for writing. */
  function open(inflict: (editor: Editor) => void, of = specimen) {
    const editor = new Editor(makeWritableSpecimen(of));
    inflict(editor);
    const fs = FileSystem.mount(new MemoryDevice(editor.bytes), { writable: true, errors: "continue" });
    const at = (path: string): Inode => fs.inode(editor.inode(path).ino);
    return { fs, at, editor };
  }

  it("take nothing away that a name must not lead to: the journal, the root, the directory itself", () => {
    for (const target of [JOURNAL, 2, 0]) {
      const { fs, at } = open((editor) => {
        editor.set32(entryAt(editor, "d", "small"), target === 0 ? editor.inode("d").ino : target);
      });
      const dir = at("d");
      for (const change of [
        () => fs.unlink(dir, encode("small")),
        () => fs.rmdir(dir, encode("small")),
        () => fs.rename(dir, encode("small"), fs.root, encode("moved")),
        () => fs.rename(fs.root, encode("many"), dir, encode("small")),
      ]) {
        assert.throws(change, isCorruption("directory-entry"));
      }
      assert.equal(fs.inode(JOURNAL).linksCount, 1);
      fs.unmount();
    }
  });

  it("find out that directories are a ring before something is moved into it", () => {
    const { fs, at } = open((editor) => {
      editor.set32(entryAt(editor, "d/below", ".."), editor.inode("d/below/further").ino);
    });
    const start = performance.now();
    assert.throws(
      () => fs.rename(fs.root, encode("many"), at("d/below/further"), encode("many")),
      isCorruption("directory-entry"),
    );
    assert.ok(performance.now() - start < 1000);
    fs.unmount();
  });

  it("end with an unmount that brings the rest home when an inode cannot be deleted", () => {
    const { fs, at, editor } = open((image) => {
      // Its first extent lies in the inode table, which nobody may free.
      image.set32(image.pointer("d/blocks", 5), image.u32(image.descriptorAt() + 8));
    });
    fs.unlink(at("d"), encode("blocks"));
    fs.mkdir(fs.root, encode("kept"), { mode: 0o755, uid: 0, gid: 0 });
    fs.unmount();
    const again = FileSystem.mount(new MemoryDevice(editor.bytes, { readOnly: true }));
    assert.notEqual(again.lookup(again.root, encode("kept")), 0);
    assert.equal(again.replay, undefined, "the journal is empty");
    assert.ok(again.superblock.errorCount > 0, "the error is on record");
  });

  it("leave the orphans to others when their file is damaged", () => {
    const other = writableSpecimens.find(({ name }) => name.includes("orphan file")) ?? assert.fail();
    const editor = new Editor(makeWritableSpecimen(other));
    const file = editor.fs.inode(editor.fs.superblock.orphanFileInode);
    editor.flip(editor.block(file, 0) + editor.blockSize - 8);
    const device = new MemoryDevice(editor.bytes);
    assert.throws(() => FileSystem.mount(device, { writable: true }), isCorruption("orphan-list"));
    assert.ok(editor.u32(SUPERBLOCK + SuperblockLayout.offset.featureRoCompat) & roCompatFeature.orphan_present);
  });

  it("clear the end of the last block when they end a truncation", () => {
    const editor = new Editor(makeWritableSpecimen(writableSpecimens[0] ?? assert.fail()));
    const { ino } = editor.inode("d/blocks");
    const tail = editor.block("d/blocks", 1) + 500;
    assert.equal(editor.bytes[tail], 0x61);
    editor.set32(editor.field(ino, "sizeLo"), editor.blockSize + 500);
    editor.set32(SUPERBLOCK + SuperblockLayout.offset.lastOrphan, ino);
    const fs = FileSystem.mount(new MemoryDevice(editor.bytes), { writable: true });
    assert.equal(fs.superblock.lastOrphan, 0);
    assert.equal(fs.inode(ino).blocks, 4, "two blocks of 1 KiB");
    fs.unmount();
    assert.equal(editor.bytes[tail - 1], 0x61);
    assert.equal(editor.bytes[tail], 0);
    assert.equal(editor.bytes[tail + 523], 0);
  });

  it("write no data where it lies once an error has ended all changing", () => {
    const editor = new Editor(makeWritableSpecimen(specimen));
    const fs = FileSystem.mount(new MemoryDevice(editor.bytes), { writable: true, errors: "remount-ro" });
    const inode = fs.inode(editor.inode("d/blocks").ino);
    const mapping = { type: 0, flags: 0, offset: 0, length: 0, addr: 0, dev: 0 };
    fs.iomapBegin(inode, 0, 100, 1, mapping);
    fs.recordError(new CorruptionError("block-bitmap", {}, "as if"));
    assert.throws(() => fs.iomapBegin(inode, 0, 100, 1, mapping), /EROFS/);
  });

  it("show in one directory what was changed in another one that has the same block", () => {
    const bytes = makeWritableSpecimen(specimen);
    const before = FileSystem.mount(new MemoryDevice(bytes), { writable: true });
    const make = (name: string) => before.mkdir(before.root, encode(name), { mode: 0o755, uid: 0, gid: 0 }).ino;
    const [one, other] = [make("one"), make("other")];
    const name = (n: number) => encode(`${"n".repeat(30)}${n}`);
    const file = { mode: 0o100644, uid: 0, gid: 0 };
    for (let n = 0; n < 12; n++) before.create(before.inode(one), name(n), file);
    before.unmount();
    const editor = new Editor(bytes);
    const map = editor.inodeAt(one) + 0x28;
    editor.bytes.copyWithin(editor.inodeAt(other) + 0x28, map, map + 60);

    const fs = FileSystem.mount(new MemoryDevice(editor.bytes), { writable: true, errors: "continue" });
    const names = (ino: number) => {
      const found: string[] = [];
      fs.readDirectory(fs.inode(ino), 0, 0, (_ino, _type, block, start, length) => {
        found.push(Buffer.from(block.subarray(start, start + length)).toString());
        return true;
      });
      return found;
    };
    assert.equal(names(one).length, 14);
    for (let n = 0; n < 12; n++) fs.unlink(fs.inode(other), name(n));
    for (const letter of ["a", "b"]) fs.create(fs.inode(other), encode(letter.repeat(250)), file);
    assert.deepEqual(names(one), names(other));
    fs.unmount();
  });

  it("give no file the metadata that shares a cluster with a block of its own", () => {
    let bitmap = 0;
    const { fs, at } = open((image) => {
      bitmap = image.u32(image.descriptorAt() + 4);
      const ratio = image.fs.geometry.clusterSize / image.blockSize;
      const start = bitmap - (bitmap % ratio);
      const neighbour = [0, 1, 2, 3].map((n) => start + n).find((block) => block !== bitmap) ?? assert.fail();
      image.set32(image.pointer("d/blocks", 3), neighbour % ratio); // the only extent: its first file block,
      image.set32(image.pointer("d/blocks", 4), 1); // length
      image.set32(image.pointer("d/blocks", 5), neighbour); // and place
    }, named("clusters"));
    const inode = at("d/blocks");
    const { blockSize, clusterSize } = fs.geometry;
    const mapping = { type: 0, flags: 0, offset: 0, length: 0, addr: 0, dev: 0 };
    const position = (bitmap * blockSize) % clusterSize;
    for (const host of ["inside", "outside"] as const) {
      const begin = () => fs.iomapBegin(inode, position, blockSize, 1, mapping, false, host);
      assert.throws(begin, isCorruption("block-range"));
    }
    fs.unmount();
  });

  it("visit an indirect block once, also where no group takes its blocks back", () => {
    const { fs, at } = open((image) => {
      const block = freeRun(image, 2);
      const [triple, double] = [block * image.blockSize, (block + 1) * image.blockSize];
      image.set32(image.pointer("d/blocks", 14), block);
      for (let n = 0; n < 256; n++) image.set32(triple + 4 * n, block + 1);
      for (let n = 0; n < 256; n++) image.set32(double + 4 * n, image.u32(image.pointer("d/fragments", 12)));
      const free = image.descriptorAt() + 12;
      image.set16(free, image.u16(free) - 1);
    }, named("block pointers"));
    // The bitmap is known to be wrong from here on.
    assert.throws(() => fs.resize(at("d/small"), 0), isCorruption("block-bitmap"));
    assert.throws(() => fs.resize(at("d/blocks"), 0), isCorruption("indirect-cycle"));
    fs.unmount();
  });

  it("let no quota file write into a node of another file that has been verified", () => {
    const far = 0x7fff_f30a; // in its place, a node's magic number and 32,767 entries
    const alias = 0x10_0000;
    const { fs, at } = open((image) => {
      const file = image.fs.inode(USER_QUOTA);
      const count = file.size / image.blockSize;
      const start = freeRun(image, count);
      for (let n = 0; n < count; n++) {
        const from = image.block(file, n);
        image.bytes.copyWithin((start + n) * image.blockSize, from, from + image.blockSize);
      }
      const header = start * image.blockSize;
      const leaf = header + image.u32(header + 0x1c) * image.blockSize; // the first with room
      image.set32(header + 0x14, 0xf000_0000);
      image.set32(leaf, far);
      image.set32(leaf + 4, alias);
      image.set16(leaf + 8, 13); // one more, and it is full: it leaves the list, and its neighbours hear of each other
      const node = image.u32(image.pointer("d/fragments", 4));
      const data = image.block("d/blocks", 0) / image.blockSize;
      const root = image.inodeAt(USER_QUOTA) + 0x28;
      const extents = [
        [0, count, start],
        [alias, 1, node],
        [far, 1, data],
      ] as const;
      image.set16(root + 2, extents.length);
      for (const [n, [fileBlock, length, block]] of extents.entries()) {
        const entry = root + 12 * (n + 1);
        image.set32(entry, fileBlock);
        image.set32(entry + 4, length);
        image.set32(entry + 8, block);
      }
      image.set32(image.field(USER_QUOTA, "sizeHi"), 1000);
    }, named("quota"));
    const mapping = { type: 0, flags: 0, offset: 0, length: 0, addr: 0, dev: 0 };
    const read = () => fs.iomapBegin(at("d/fragments"), 20_000, 1000, 0, mapping);
    read();
    const owner = { mode: 0o100644, uid: 5, gid: 0 };
    assert.throws(() => fs.create(fs.root, encode("new"), owner), isCorruption("quota-file"));
    read();
    fs.unmount();
  });

  it("count nothing in a quota file's block that is a directory's by now", () => {
    const { fs, at } = open((image) => {
      const file = image.fs.inode(USER_QUOTA);
      const leaf = image.block(file, image.u32(image.block(file, 0) + 0x1c));
      image.set32(leaf + 4, image.blockSize); // to a directory: an unused record over the whole block
      image.set32(image.pointer("d/below/further", 5), leaf / image.blockSize);
    }, named("quota"));
    const create = (name: string) => fs.create(at("d/below/further"), encode(name), { mode: 0o100644, uid: 0, gid: 0 });
    create("first");
    assert.throws(() => create("second"), isCorruption("quota-file"));
    fs.unmount();
  });

  it("remove no entry from a block of a quota file that leads to it", () => {
    const uid = 0x0102_6405; // one of the tree's digits each
    const bytes = makeWritableSpecimen(named("quota"));
    const before = FileSystem.mount(new MemoryDevice(bytes), { writable: true });
    before.create(before.root, encode("theirs"), { mode: 0o100644, uid, gid: 0 });
    before.unmount();
    const image = new Editor(bytes);
    const file = image.fs.inode(USER_QUOTA);
    const block = (number: number) => image.block(file, number);
    const upper = image.u32(block(image.u32(block(1) + 4 * 1)) + 4 * 2);
    const last = block(image.u32(block(upper) + 4 * 0x64));
    const leaf = block(image.u32(last + 4 * 5));
    const [at] = Array.from({ length: 14 }, (_, n) => leaf + 16 + 72 * n).filter((entry) => image.u32(entry) === uid);
    image.bytes.copyWithin(block(upper) + 16, at!, at! + 72);
    image.set16(block(upper) + 8, 1);
    image.set32(last + 4 * 5, upper);
    const fs = FileSystem.mount(new MemoryDevice(image.bytes), { writable: true, errors: "continue" });
    const inTheTree = (error: unknown) => {
      assert.ok(error instanceof CorruptionError && error.kind === "quota-file");
      assert.equal(error.location.fileBlock, upper);
      return true;
    };
    const theirs = fs.inode(fs.lookup(fs.root, encode("theirs")));
    assert.throws(() => fs.setAttributes(theirs, { uid: 0 }), inTheTree);
    fs.unmount();
  });

  it("notice that what they are in the middle of is given to a quota file", () => {
    const inside = Array.from({ length: 8 }, (_, n) => `${"n".repeat(100)}${n}`); // one more, and the directory gets an index
    const fragments = 84; // as many as a node takes: one more, and it is split
    const bytes = makeWritableSpecimen(named("quota"));
    const before = FileSystem.mount(new MemoryDevice(bytes), { writable: true });
    const dir = before.mkdir(before.root, encode("full"), { mode: 0o755, uid: 0, gid: 0 });
    const file = before.create(before.root, encode("fragments"), { mode: 0o100644, uid: 0, gid: 0 });
    for (const name of inside) before.link(file, dir, encode(name));
    for (let n = 0; n < fragments; n++) before.fallocate(file, 0, 4 * n * 1024, 3 * 1024);
    before.unmount();

    /** Has the next block for a quota file be `block`, and its owner be one for whom there has to be one. */
    const take = (image: Editor, path: string, block: number, also: number) => {
      image.set16(image.field(path, "uidLo"), 0x150);
      const bitmap = image.u32(image.descriptorAt()) * 1024;
      const free = [block, also, ...Array.from({ length: 100 }, (_, n) => 1800 + n)];
      image.bytes.fill(0xff, bitmap, bitmap + 256);
      for (const number of free) image.bytes[bitmap + ((number - 1) >> 3)]! &= ~(1 << ((number - 1) & 7));
      image.set16(image.descriptorAt() + 12, new Set(free).size);
    };
    const leaf = new Editor(bytes);
    const first = leaf.block("full", 0) / 1024;
    take(leaf, "full", first, first + 1);
    const fs = FileSystem.mount(new MemoryDevice(leaf.bytes), { writable: true, errors: "continue" });
    const link = () => fs.link(fs.inode(file.ino), fs.inode(dir.ino), encode("m".repeat(100)), true);
    assert.throws(link, isCorruption("block-range"));
    fs.unmount();

    const tree = new Editor(bytes);
    const node = tree.u32(tree.pointer("fragments", 4));
    take(tree, "fragments", node, node);
    const other = FileSystem.mount(new MemoryDevice(tree.bytes), { writable: true, errors: "continue" });
    const { punchHole, keepSize } = FallocateMode;
    const punch = () => other.fallocate(other.inode(file.ino), punchHole | keepSize, (4 * 80 + 1) * 1024, 1024, true);
    assert.throws(punch, isCorruption("block-range"));
    other.unmount();
  });
});

/** The first of so many blocks in a row that are free in the first group's bitmap. */
function freeRun(image: Editor, count: number): number {
  const bitmap = image.u32(image.descriptorAt()) * image.blockSize;
  const { firstDataBlock, blockCount } = image.fs.geometry;
  let length = 0;
  for (let bit = 0; bit < blockCount - firstDataBlock; bit++) {
    length = ((image.bytes[bitmap + (bit >> 3)]! >> (bit & 7)) & 1) === 0 ? length + 1 : 0;
    if (length === count) return firstDataBlock + bit + 1 - count;
  }
  throw new Error(`no ${count} free blocks in a row`);
}
