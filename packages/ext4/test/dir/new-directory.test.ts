// Oracles: e2fsck -fn, which knows what a new directory looks like; the kernel's ext4 on a loop mount.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, before, describe, it } from "node:test";
import { allocateInode } from "../../src/alloc/allocate-inode.js";
import { addEntry, initDirectory, isEmpty, removeEntry, setDotDot } from "../../src/dir/change.js";
import { lookup } from "../../src/dir/directory.js";
import { cachedInode } from "../../src/inode/cached-inode.js";
import type { Inode } from "../../src/inode/inode.js";
import { changeImage } from "../writable.js";
import { Bench, checkWithKernel, makeImage } from "./changing.js";
import { bytesOf, list, makeFolder, skipWithout } from "./images.js";

const base = "^has_journal,^resize_inode";
const kernelMissing = skipWithout("root", "loop", "python3") !== false;
const DIRECTORY = 2;

/** Makes a directory the way mkdir does, link counts included. */
function mkdir(bench: Bench, parent: Inode, name: string): Inode {
  return bench.run((handle) => {
    const dir = allocateInode(handle, { parent, mode: 0o40755, uid: 0, gid: 0 });
    dir.linksCount = 2;
    initDirectory(handle, dir, parent.ino);
    addEntry(handle, parent, bytesOf(name), dir.ino, DIRECTORY);
    handle.modifyInode(parent);
    parent.linksCount++;
    return dir;
  });
}

describe("new directories", { skip: skipWithout("mke2fs", "e2fsck") }, () => {
  let folder = "";
  before(() => {
    folder = makeFolder();
  });
  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  for (const [title, options] of [
    ["1 KiB blocks", ["-b", "1024", "-O", base]],
    ["no checksums, no file types", ["-b", "2048", "-O", `${base},^metadata_csum,^filetype`]],
    ["64 KiB blocks", ["-b", "65536", "-O", base]],
    ["inline data", ["-b", "1024", "-I", "256", "-O", `${base},inline_data`]],
    ["block pointers", ["-b", "1024", "-O", `${base},^extents,^64bit`]],
  ] as const) {
    it(`are empty, are filled, move: ${title}`, () => {
      const image = makeImage(folder, "image", "16m", options);
      const model = changeImage(image, (volume) => {
        const root = cachedInode(volume, 2);
        const bench = new Bench(volume);
        const made = mkdir(bench, root, "made");
        assert.equal(made.hasInlineData, title === "inline data");
        assert.ok(isEmpty(volume, made));
        assert.deepEqual(
          list(volume, made).map(({ name, ino }) => [name, ino]),
          [
            [".", made.ino],
            ["..", 2],
          ],
        );
        const inner = mkdir(bench, made, "inner");
        assert.ok(!isEmpty(volume, made));
        assert.equal(lookup(volume, inner, bytesOf("..")), made.ino);

        // Moves `inner` to the root, its parent named in a directory that is full enough for an index as well.
        const filled = new Bench(volume, "made");
        for (let i = 0; i < 200; i++) filled.add(`name ${i}`, i);
        for (const directory of [inner, made]) {
          bench.run((handle) => setDotDot(handle, directory, bench.dir.ino));
          assert.equal(lookup(volume, directory, bytesOf("..")), bench.dir.ino);
        }
        bench.run((handle) => {
          const { dir } = bench;
          assert.equal(removeEntry(handle, made, bytesOf("inner")), inner.ino);
          assert.equal(removeEntry(handle, root, bytesOf("made")), made.ino);
          addEntry(handle, dir, bytesOf("made"), made.ino, DIRECTORY);
          addEntry(handle, dir, bytesOf("inner"), inner.ino, DIRECTORY);
          for (const inode of [dir, made, root]) handle.modifyInode(inode);
          dir.linksCount += 2;
          made.linksCount--;
          root.linksCount--;
        });
        filled.model.delete("inner");
        filled.check();
        return filled.model;
      });
      if (!kernelMissing && !title.startsWith("64 KiB")) checkWithKernel(image, model, "d/made");
    });
  }

  it("are empty again when all names are gone, whatever their index was", () => {
    const image = makeImage(folder, "image", "16m", ["-b", "1024", "-O", base]);
    changeImage(image, (volume) => {
      const bench = new Bench(volume);
      assert.ok(isEmpty(volume, bench.dir));
      for (let i = 0; i < 6000; i++) bench.add(`some name of a length ${i}`, i);
      for (const name of [...bench.model.keys()]) {
        if (bench.model.size < 3) assert.ok(!isEmpty(volume, bench.dir));
        bench.remove(name);
      }
      assert.ok(isEmpty(volume, bench.dir));
      bench.check();
    });
  });

  it("refuse what is no name", () => {
    const image = makeImage(folder, "image", "4m", ["-b", "1024", "-O", base]);
    changeImage(image, (volume) => {
      const bench = new Bench(volume);
      for (const [name, code] of [
        ["", "EINVAL"],
        ["a/b", "EINVAL"],
        ["a\0", "EINVAL"],
        [".", "EEXIST"],
        ["..", "EEXIST"],
        ["x".repeat(256), "ENAMETOOLONG"],
      ] as const) {
        assert.throws(() => bench.add(name, 1), { code }, name);
      }
      for (const [name, code] of [
        ["", "ENOENT"],
        [".", "EINVAL"],
        ["..", "EINVAL"],
        ["nothing", "ENOENT"],
        ["x".repeat(256), "ENAMETOOLONG"],
      ] as const) {
        assert.throws(() => bench.remove(name), { code }, name);
        assert.throws(() => bench.replace(name, 1), { code }, name);
      }
      bench.run((handle) => {
        const file = bench.target(0);
        assert.throws(() => addEntry(handle, file, bytesOf("x"), 12, 1), { code: "ENOTDIR" });
        assert.throws(() => removeEntry(handle, file, bytesOf("x")), { code: "ENOTDIR" });
      });
    });
  });
});
