// Oracles: e2fsck -fn (order of hashes, limits and checksums of index blocks), the kernel's ext4 on a loop mount.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, before, describe, it } from "node:test";
import { InodeFlag } from "../../src/format/inode.js";
import { readFileBlock } from "../../src/map/read-data.js";
import { changeImage } from "../writable.js";
import { Bench, checkWithKernel, makeImage } from "./changing.js";
import { debugfs, makeFolder, run, seededRandom, skipWithout } from "./images.js";
import { collidingNames, legacyMajor } from "./legacy-collisions.js";

const base = "^has_journal,^resize_inode";
const kernelMissing = skipWithout("root", "loop", "python3") !== false;

/** Index blocks between the directory and its leaves. */
function levelsOf({ volume, dir }: Bench): number {
  return dir.has(InodeFlag.index) ? readFileBlock(volume, dir, 0)!.data[0x1e]! + 1 : 0;
}

describe("growing indexes", { skip: skipWithout("mke2fs", "e2fsck") }, () => {
  let folder = "";
  before(() => {
    folder = makeFolder();
  });
  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  it("makes an index of a directory when its block is full, not before", () => {
    const image = makeImage(folder, "image", "4m", ["-b", "1024", "-O", base]);
    const model = changeImage(image, (volume) => {
      const bench = new Bench(volume);
      // 1024 - 12 (checksum) - 24 (. and ..) bytes take 41 records of 24.
      for (let i = 0; i < 41; i++) bench.add(`name-of-16-b-${100 + i}`, i);
      assert.equal(bench.dir.size, 1024);
      assert.equal(levelsOf(bench), 0);
      bench.add("name-of-16-b-999", 0);
      assert.equal(levelsOf(bench), 1);
      assert.equal(bench.dir.size, 2048);
      bench.add(`name-of-16-b-998`, 1);
      assert.equal(bench.dir.size, 3072);
      bench.check();
      return bench.model;
    });
    if (!kernelMissing) checkWithKernel(image, model);
  });

  for (const csum of ["metadata_csum", "^metadata_csum"]) {
    it(`grows to three levels with large_dir, ${csum}`, () => {
      const image = makeImage(folder, "image", "64m", ["-b", "1024", "-O", `${base},large_dir,${csum}`]);
      const model = changeImage(image, (volume) => {
        const bench = new Bench(volume);
        const random = seededRandom(3);
        const names: string[] = [];
        for (let i = 0; levelsOf(bench) < 3; i++) {
          const name = `${i}`.padEnd(255, "-");
          bench.add(name, i);
          names.push(name);
          assert.ok(i < 100_000);
        }
        for (let i = 0; i < 5000; i++) bench.add(`${i} more`, i);
        for (let i = 0; i < 3000; i++) bench.remove(names.splice(random(names.length), 1)[0]!);
        bench.check();
        return bench.model;
      });
      if (!kernelMissing) checkWithKernel(image, model);
    });
  }

  it("is full after two levels without large_dir, and leaves all as it was", () => {
    const image = makeImage(folder, "image", "64m", ["-b", "1024", "-O", base]);
    const model = changeImage(image, (volume) => {
      const bench = new Bench(volume);
      let refused = 0;
      for (let i = 0; refused < 20; i++) {
        assert.ok(i < 100_000);
        const { blocks, size } = bench.dir;
        try {
          bench.add(`${i}`.padEnd(255, "-"), i);
        } catch (error) {
          assert.match(String(error), /ENOSPC.*index.*large_dir/);
          assert.deepEqual([bench.dir.blocks, bench.dir.size], [blocks, size]);
          refused++;
        }
      }
      assert.equal(levelsOf(bench), 2);
      assert.ok(bench.model.size > 20_000);
      bench.check();
      return bench.model;
    });
    if (!kernelMissing) checkWithKernel(image, model);
  });

  it("keeps names of one hash together, over many leaves", () => {
    const names = collidingNames();
    assert.deepEqual(new Set(names.map(legacyMajor)), new Set([legacyMajor(names[0]!)]));
    const image = makeImage(folder, "image", "4m", ["-b", "1024", "-O", base]);
    run("tune2fs", ["-E", "hash_alg=legacy", image]);
    const model = changeImage(image, (volume) => {
      const bench = new Bench(volume);
      for (let i = 0; i < 400; i++) bench.add(`others-${i}`, i);
      for (const [i, name] of names.entries()) {
        bench.add(name, i);
        assert.throws(() => bench.add(name, i), { code: "EEXIST" });
      }
      bench.check();
      for (let i = 0; i < names.length; i += 3) bench.remove(names[i]!);
      for (let i = 0; i < 400; i += 2) bench.remove(`others-${i}`);
      for (let i = 0; i < names.length; i += 3) bench.add(names[i]!, i);
      bench.check();
      return bench.model;
    });
    if (!kernelMissing) checkWithKernel(image, model);
  });

  for (const hash of ["legacy", "half_md4", "tea"]) {
    for (const signed of [true, false]) {
      it(`orders names by ${hash}, ${signed ? "signed" : "unsigned"}`, () => {
        const image = makeImage(folder, "image", "8m", ["-b", "1024", "-O", base]);
        run("tune2fs", ["-E", `hash_alg=${hash}`, image]);
        if (!signed) debugfs(image, ["ssv flags 2"]);
        const model = changeImage(image, (volume) => {
          const bench = new Bench(volume);
          for (let i = 0; i < 1500; i++) bench.add(`${String.fromCharCode(128 + (i % 128))}-${i}`, i);
          bench.check();
          return bench.model;
        });
        if (!kernelMissing) checkWithKernel(image, model);
      });
    }
  }
});
