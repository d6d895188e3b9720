// A directory of 1,000,000 entries. Oracles: e2fsck -fn, the kernel's ext4 on a loop mount.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, before, describe, it } from "node:test";
import { changeImage } from "../writable.js";
import { Bench, checkWithKernel, makeImage } from "./changing.js";
import { makeFolder, skipWithout } from "./images.js";

const COUNT = 1_000_000;

describe("a directory of 1,000,000 entries", { skip: skipWithout("mke2fs", "e2fsck") }, () => {
  let folder = "";
  before(() => {
    folder = makeFolder();
  });
  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  for (const [title, size, options] of [
    ["4 KiB blocks", "256m", ["-b", "4096", "-O", "^has_journal,^resize_inode"]],
    ["1 KiB blocks, large_dir", "256m", ["-b", "1024", "-O", "^has_journal,^resize_inode,large_dir"]],
  ] as const) {
    it(`is filled and thinned out: ${title}`, (context) => {
      const image = makeImage(folder, "image", size, options);
      const model = changeImage(image, (volume) => {
        const bench = new Bench(volume);
        const start = performance.now();
        for (let i = 0; i < COUNT; i++) bench.add(`an-entry-${i}`, i);
        const filled = performance.now();
        bench.check();
        const checked = performance.now();
        for (let i = 0; i < COUNT; i += 3) bench.remove(`an-entry-${i}`);
        const thinned = performance.now();
        for (let i = 0; i < COUNT; i += 9) bench.add(`another-${i}`, i);
        bench.check();
        const each = (from: number, to: number, count: number) => `${(((to - from) * 1000) / count).toFixed(1)} us`;
        context.diagnostic(
          `added in ${each(start, filled, COUNT)}, listed and found in ${each(filled, checked, COUNT)}, removed in ${each(checked, thinned, COUNT / 3)} each`,
        );
        return bench.model;
      });
      assert.equal(model.size, COUNT - Math.ceil(COUNT / 3) + Math.ceil(COUNT / 9));
      if (skipWithout("root", "loop", "python3") === false) checkWithKernel(image, model);
    });
  }
});
