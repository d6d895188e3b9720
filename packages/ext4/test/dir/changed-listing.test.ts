// What POSIX promises of readdir while entries come and go: whatever stays is listed once, nothing twice.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, before, describe, it } from "node:test";
import { InodeFlag } from "../../src/format/inode.js";
import { changeImage } from "../writable.js";
import { Bench, makeImage } from "./changing.js";
import { list, makeFolder, seededRandom, skipWithout } from "./images.js";

const base = "^has_journal,^resize_inode";

describe("listings of directories that change meanwhile", { skip: skipWithout("mke2fs", "e2fsck") }, () => {
  let folder = "";
  before(() => {
    folder = makeFolder();
  });
  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  /** Lists `perCall` entries at a time and calls `change` in between; what was there from start to end has to be listed. */
  function listMeanwhile(bench: Bench, perCall: number, change: (call: number) => void): void {
    const before = new Set(bench.model.keys());
    const ever = new Set(before);
    let calls = 0;
    const listed = list(bench.volume, bench.dir, perCall, () => {
      change(calls++);
      for (const name of before) if (!bench.model.has(name)) before.delete(name);
      for (const name of bench.model.keys()) ever.add(name);
    }).map(({ name }) => name);
    const seen = new Set(listed);
    assert.equal(seen.size, listed.length, "nothing twice");
    for (const name of before) if (!seen.has(name)) assert.fail(`${name} is not listed`);
    for (const name of seen) if (name !== "." && name !== ".." && !ever.has(name)) assert.fail(`${name} never was`);
  }

  for (const [title, features, start, grown] of [
    ["a block that becomes an index", "", 20, "index"],
    ["an inode that becomes a block, and an index", ",inline_data", 6, "index"],
    ["blocks without an index", ",^dir_index", 20, "blocks"],
    ["an inode that becomes a block, without an index", ",inline_data,^dir_index", 6, "blocks"],
  ] as const) {
    it(`holds for ${title}`, () => {
      for (const perCall of [1, 3]) {
        const image = makeImage(folder, "image", "4m", ["-b", "1024", "-I", "256", "-O", base + features]);
        changeImage(image, (volume) => {
          const bench = new Bench(volume);
          for (let i = 0; i < start; i++) bench.add(`name${i}`, i);
          assert.equal(bench.dir.hasInlineData, features.includes("inline"));
          assert.ok(!bench.dir.has(InodeFlag.index));
          listMeanwhile(bench, perCall, (call) => {
            if (call < 6) for (let i = 0; i < 20; i++) bench.add(`new-${call}-${i}`, i);
            if (call === 2) bench.remove("name1");
            if (call === 3) bench.remove("name4");
          });
          assert.equal(bench.dir.has(InodeFlag.index), grown === "index");
          assert.ok(bench.dir.size > 1024);
          bench.check();
        });
      }
    });
  }

  it("holds while leaves of an index split and empty", () => {
    const seed = Date.now() & 0x7fff_ffff;
    const random = seededRandom(seed);
    const image = makeImage(folder, "image", "8m", ["-b", "1024", "-O", base]);
    changeImage(image, (volume) => {
      const bench = new Bench(volume);
      for (let i = 0; i < 500; i++) bench.add(`name${i}`, i);
      for (let round = 0; round < 5; round++) {
        listMeanwhile(bench, 7, (call) => {
          for (let i = 0; i < 10; i++) {
            if (call < 60) bench.add(`${round}-${call}-${i}`, i);
            const names = [...bench.model.keys()];
            if (call % 2 === 1) bench.remove(names[random(names.length)]!);
          }
        });
      }
      bench.check();
    });
  });

  it("sees what has changed in the leaf that was sorted for the call before", () => {
    const image = makeImage(folder, "image", "4m", ["-b", "4096", "-O", base]);
    changeImage(image, (volume) => {
      const bench = new Bench(volume);
      for (let i = 0; i < 50; i++) {
        bench.add(`name${i}`, i);
        bench.check();
      }
      for (let i = 0; i < 50; i += 2) {
        bench.remove(`name${i}`);
        bench.check();
      }
    });
  });
});
