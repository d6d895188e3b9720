// Oracle: the rules of the format, and the bytes of the image. What damage of a kind must not lead to when the file system is changed.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  CorruptionError,
  FileSystem,
  type Inode,
  MemoryDevice,
  roCompatFeature,
  SuperblockLayout,
} from "@bulkhead/ext4";
import { withoutTools } from "../facilities.js";
import { Editor, SUPERBLOCK } from "./editor.js";
import { makeWritableSpecimen, writableSpecimens } from "./writable-specimens.js";

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
});
