// Oracle: the rules of case-insensitive directories, by hand; few kernels have them (CONFIG_UNICODE).
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, before, describe, it } from "node:test";
import { MemoryDevice } from "../../src/device/memory.js";
import { lookup, readDirectory } from "../../src/dir/directory.js";
import { applyFastCommits } from "../../src/fast-commit/apply.js";
import { InodeFlag } from "../../src/format/inode.js";
import { FastCommitTag } from "../../src/format/journal.js";
import type { Inode } from "../../src/inode/inode.js";
import { readInode } from "../../src/inode/inode-table.js";
import type { EntryRecord } from "../../src/journal/fast-commit-scan.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import type { Volume } from "../../src/volume.js";
import { ImageDirectory, missingTool, run } from "../images.js";

const skip = missingTool("mke2fs", "debugfs") ?? false;

describe("fast commits in case-insensitive directories", { skip }, () => {
  const images = new ImageDirectory();
  after(() => images.remove());
  let pristine: Uint8Array;
  let volume: Volume;
  let dir: Inode;
  const ino = new Map<string, number>();

  before(() => {
    const tree = images.file("tree");
    fs.mkdirSync(`${tree}/folded`, { recursive: true });
    fs.mkdirSync(`${tree}/exact`);
    for (const name of ["Alpha", "Beta", "grün"]) {
      fs.writeFileSync(`${tree}/folded/${name}`, name);
      fs.writeFileSync(`${tree}/exact/${name}`, name);
    }
    const options = ["-t", "ext4", "-b", "4096", "-O", "casefold,fast_commit", "-E", "encoding=utf8", "-d", tree];
    const image = images.make("image", "32M", options);
    const flags = InodeFlag.extents | InodeFlag.casefold;
    run("debugfs", ["-w", "-R", `set_inode_field /folded flags 0x${flags.toString(16)}`, image]);
    pristine = fs.readFileSync(image);
  });

  /** Opens the image with these changes of one directory. */
  function changed(
    directory: string,
    changes: readonly [tag: "link" | "unlink", name: string, of: string][],
  ): string[] {
    volume = openVolume(new MemoryDevice(pristine));
    const number = (parent: number, name: string) => lookup(volume, readInode(volume, parent), Buffer.from(name));
    const parent = number(2, directory);
    dir = readInode(volume, parent);
    for (const name of ["Alpha", "Beta", "grün"]) ino.set(name, number(parent, name));
    const records = changes.map(
      ([tag, name, of]): EntryRecord => ({
        tag: FastCommitTag[tag],
        parent,
        ino: ino.get(of)!,
        name: Buffer.from(name),
      }),
    );
    volume = openVolume(applyFastCommits(new MemoryDevice(pristine), records));
    dir = readInode(volume, parent);
    const names: string[] = [];
    readDirectory(volume, dir, 0, 0, (_ino, _type, bytes, start, length) => {
      names.push(Buffer.from(bytes.subarray(start, start + length)).toString());
      return true;
    });
    return names.filter((name) => !name.startsWith(".")).sort();
  }

  const found = (name: string) => lookup(volume, dir, Buffer.from(name));

  it("remove a name however it is spelt", () => {
    assert.deepEqual(changed("folded", [["unlink", "bETA", "Beta"]]), ["Alpha", "grün"]);
    assert.equal(found("Beta"), 0);
    assert.equal(found("BETA"), 0);
    assert.deepEqual(changed("folded", [["unlink", "GRÜN", "grün"]]), ["Alpha", "Beta"]);
  });

  it("find an added name however it is asked for", () => {
    assert.deepEqual(changed("folded", [["link", "Neu", "Alpha"]]), ["Alpha", "Beta", "Neu", "grün"]);
    for (const name of ["Neu", "neu", "NEU"]) assert.equal(found(name), ino.get("Alpha"));
    assert.deepEqual(changed("folded", [["link", "NEÜ", "Beta"]]), ["Alpha", "Beta", "NEÜ", "grün"]);
    for (const name of ["NEÜ", "neü", "neu\u0308"]) assert.equal(found(name), ino.get("Beta"));
  });

  it("do not replace what has the name in another spelling", () => {
    assert.deepEqual(changed("folded", [["link", "ALPHA", "Beta"]]), ["Alpha", "Beta", "grün"]);
    assert.equal(found("ALPHA"), ino.get("Alpha"));
  });

  it("spell a name anew when it is removed and added again", () => {
    const renamed = changed("folded", [
      ["unlink", "alpha", "Alpha"],
      ["link", "ALPHA", "Alpha"],
    ]);
    assert.deepEqual(renamed, ["ALPHA", "Beta", "grün"]);
    assert.equal(found("aLpHa"), ino.get("Alpha"));
  });

  it("tell spellings apart in other directories", () => {
    const names = changed("exact", [
      ["link", "ALPHA", "Beta"],
      ["unlink", "beta", "Beta"],
    ]);
    assert.deepEqual(names, ["ALPHA", "Alpha", "Beta", "grün"]);
    assert.equal(found("aLPHA"), 0);
  });
});
