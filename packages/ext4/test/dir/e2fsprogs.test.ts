// Oracle: e2fsprogs, for what the kernel here may not mount: mke2fs -d fills, e2fsck -D indexes, debugfs lists.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { lookup } from "../../src/dir/directory.js";
import { InodeFlag } from "../../src/format/inode.js";
import { readInode } from "../../src/inode/inode-table.js";
import type { Volume } from "../../src/volume.js";
import { debugfs, list, makeFolder, openImage, run, skipWithout } from "./images.js";

const encoder = new TextEncoder();

/** Inode numbers by name as debugfs lists them. */
function listedByDebugfs(image: string, path: string): Map<string, number> {
  const inodes = new Map<string, number>();
  for (const line of debugfs(image, [`ls -p ${path}`]).split("\n")) {
    const [, ino, , , , name] = line.split("/");
    if (name !== undefined && name !== "") inodes.set(name, Number(ino));
  }
  return inodes;
}

function checkListing(volume: Volume, ino: number, expected: Map<string, number>): void {
  const dir = readInode(volume, ino);
  const listed = list(volume, dir);
  assert.deepEqual(new Map(listed.map((entry) => [entry.name, entry.ino])), expected);
  assert.equal(listed.length, expected.size);
  assert.deepEqual(list(volume, dir, 13), listed);
  for (const [name, ino] of expected) assert.equal(lookup(volume, dir, Buffer.from(name, "latin1")), ino, name);
}

describe("directories that e2fsprogs wrote", { skip: skipWithout("mke2fs", "debugfs", "e2fsck") }, () => {
  let folder = "";
  before(() => {
    folder = makeFolder();
  });
  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  /** An image with the directories /d0, /d1, … of these names; `commands` for debugfs, and then e2fsck -D indexes. */
  function build(file: string, size: string, options: string[], names: string[][], commands: string[], index: boolean) {
    const source = join(folder, `${file}-source`);
    for (const [i, list] of names.entries()) {
      fs.mkdirSync(join(source, `d${i}`), { recursive: true });
      for (const name of list) fs.writeFileSync(join(source, `d${i}`, name), "");
    }
    const image = join(folder, file);
    run("mke2fs", ["-q", "-F", "-t", "ext4", ...options, "-d", source, image, size]);
    fs.rmSync(source, { recursive: true });
    if (commands.length > 0) debugfs(image, commands);
    if (index) spawnSync("e2fsck", ["-fyD", image]);
    const check = spawnSync("e2fsck", ["-fn", image], { encoding: "utf8" });
    assert.equal(check.status, 0, check.stdout);
    return image;
  }

  const numbered = (count: number, prefix: string) => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

  for (const [title, options] of [
    ["64 KiB blocks", ["-b", "65536", "-N", "4096", "-O", "^has_journal"]],
    ["64 KiB blocks without checksums", ["-b", "65536", "-N", "4096", "-O", "^has_journal,^metadata_csum"]],
  ] as const) {
    for (const index of [false, true]) {
      it(`${title}, ${index ? "indexed" : "as they lie"}`, () => {
        const many = numbered(1500, `a-name-of-${"x".repeat(30)}`);
        const image = build("blocks.img", "32m", [...options], [numbered(3, "n"), many], [], index);
        const volume = openImage(image);
        const big = lookup(volume, readInode(volume, 2), encoder.encode("d1"));
        assert.equal(readInode(volume, big).has(InodeFlag.index), index);
        for (const path of ["/", "/d0", "/d1"]) {
          const expected = listedByDebugfs(image, path);
          checkListing(volume, expected.get(".")!, expected);
        }
        fs.rmSync(image);
      });
    }
  }

  for (const index of [false, true]) {
    it(`case-insensitive directories, ${index ? "indexed" : "as they lie"}`, () => {
      const words = ["Straße", "ΌΣΟΣ", "Ångström", "File", "ﬃ-ligature", "İstanbul", "Ǆ", "ᾈ", "한글"];
      const names = words.flatMap((word) => numbered(60, `${word}-`));
      const image = build(
        "casefold.img",
        "32m",
        ["-b", "1024", "-O", "casefold", "-E", "encoding=utf8"],
        [names, ["One", "Zwö"]],
        ["sif d0 flags 0x40080000", "sif d1 flags 0x40080000"],
        index,
      );
      const volume = openImage(image);
      const root = readInode(volume, 2);
      for (const path of ["d0", "d1"]) {
        const dir = readInode(volume, lookup(volume, root, encoder.encode(path)));
        assert.equal(dir.has(InodeFlag.index), index && path === "d0");
        const expected = listedByDebugfs(image, `/${path}`);
        checkListing(volume, dir.ino, expected);
        for (const [name, ino] of expected) {
          const text = Buffer.from(name, "latin1").toString("utf8");
          for (const other of [
            text.toUpperCase(),
            text.toLowerCase(),
            text.normalize("NFD"),
            text.replace("Å", "a\u030a"),
          ]) {
            if (/[ıİ]/.test(text) && other !== text.normalize("NFD")) continue;
            assert.equal(lookup(volume, dir, encoder.encode(other)), ino, `${other} is ${text}`);
          }
        }
        assert.equal(lookup(volume, dir, encoder.encode("straße-60")), 0);
        assert.equal(lookup(volume, dir, Uint8Array.of(0xff, 0x41)), 0);
      }
      assert.equal(lookup(volume, root, encoder.encode("D0")), 0, "the root is not case-insensitive");
      fs.rmSync(image);
    });
  }
});
