// Every change is undone once before it is made, at every shape of directory; and file systems run full. Oracle at the end: e2fsck -fn.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, before, describe, it } from "node:test";
import { addEntry, removeEntry, replaceEntry } from "../../src/dir/change.js";
import { readFileBlock } from "../../src/map/read-data.js";
import { changeImage } from "../writable.js";
import { Bench, makeImage, randomName } from "./changing.js";
import { bytesOf, makeFolder, seededRandom, skipWithout } from "./images.js";

const base = "^has_journal,^resize_inode";
const variants: [string, readonly string[]][] = [
  ["inline data, index", ["-b", "1024", "-I", "256", "-O", `${base},inline_data`]],
  ["index, no checksums, indirect blocks", ["-b", "1024", "-O", `${base},^metadata_csum,^extents,^64bit`]],
  ["inline data, no index", ["-b", "1024", "-I", "256", "-O", `${base},inline_data,^dir_index`]],
];

/** All that a change may touch and that counts: the directory, its blocks, the free blocks. */
function stateOf({ volume, dir }: Bench): unknown {
  const blocks: string[] = [];
  if (!dir.hasInlineData) {
    for (let at = 0; at * volume.geometry.blockSize < dir.size; at++) {
      const block = readFileBlock(volume, dir, at)!;
      blocks.push(`${block.block} ${Buffer.from(block.data).toString("latin1")}`);
    }
  }
  const { size, flags, linksCount } = dir;
  const free = volume.superblock.freeBlocksCountLo;
  return { size, flags, linksCount, inodeBlocks: dir.blocks, raw: dir.raw.slice(0x28), blocks, free };
}

class Undone extends Error {}

describe("undone changes of directories", { skip: skipWithout("mke2fs", "e2fsck") }, () => {
  let folder = "";
  before(() => {
    folder = makeFolder();
  });
  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  it("leave blocks what they were when a commit follows: the index of a directory that stays without one", () => {
    const image = makeImage(folder, "image", "4m", ["-b", "1024", "-O", `${base},metadata_csum`]);
    changeImage(image, (volume) => {
      const bench = new Bench(volume);
      const { dir } = bench;
      const { flags } = dir;
      let indexed = false;
      for (let n = 0; !indexed; n++) {
        const name = `another long name, number ${n + 10}`;
        assert.throws(
          () =>
            bench.run((handle) => {
              addEntry(handle, dir, bytesOf(name), bench.target(0).ino, 1);
              indexed = dir.size > 1024;
              throw new Undone();
            }),
          Undone,
        );
        if (!indexed) bench.add(name, n);
      }
      assert.deepEqual([dir.size, dir.flags], [1024, flags]);
      volume.transactions.commit();
    });
  });

  for (const [title, options] of variants) {
    it(`leave no trace: ${title}`, () => {
      const seed = Date.now() & 0x7fff_ffff;
      const random = seededRandom(seed);
      const image = makeImage(folder, "image", "4m", options);
      changeImage(image, (volume) => {
        const bench = new Bench(volume);
        const { dir } = bench;
        for (let step = 0; step < 600; step++) {
          const names = [...bench.model.keys()];
          const some = names[random(names.length + 1)];
          const fresh = randomName(random, 3 + random(step < 30 ? 8 : 60));
          const known = stateOf(bench);
          assert.throws(
            () =>
              bench.run((handle) => {
                addEntry(handle, dir, bytesOf(fresh), bench.target(step).ino, 1);
                if (some !== undefined) {
                  replaceEntry(handle, dir, bytesOf(some), bench.target(step).ino, 1);
                  removeEntry(handle, dir, bytesOf(some));
                }
                if (step % 20 === 0) {
                  for (let i = 0; i < 40; i++) addEntry(handle, dir, bytesOf(`a longer series ${i}`), 12, 1);
                }
                throw new Undone();
              }),
            Undone,
            `seed ${seed}`,
          );
          assert.deepEqual(stateOf(bench), known, `seed ${seed}, step ${step}`);
          if (step % 60 === 0) bench.check();
          if (step % 100 === 50) volume.transactions.commit();
          bench.add(fresh, step);
          if (some !== undefined && random(4) === 0) bench.remove(some);
        }
        bench.check();
      });
    });
  }

  it("follow when the file system is full, wherever that is noticed", () => {
    for (let left = 0; left < 8; left++) {
      const image = makeImage(folder, "image", "1m", ["-b", "1024", "-m", "0", "-O", base]);
      changeImage(image, (volume) => {
        const bench = new Bench(volume);
        const filler = new Bench(volume, "t");
        // The other directory takes blocks away, so that this one meets the end at another step each time.
        for (let i = 0; i < left * 7; i++) filler.add(`filler ${i}`.padEnd(250, "."), i);
        let refused = 0;
        for (let i = 0; refused < 10; i++) {
          const known = refused === 0 ? undefined : stateOf(bench);
          try {
            bench.add(`${i}`.padEnd(200 + (i % 50), "-"), i);
          } catch (error) {
            assert.match(String(error), /ENOSPC/);
            if (known !== undefined) assert.deepEqual(stateOf(bench), known);
            refused++;
          }
          assert.ok(i < 20_000);
        }
        bench.check();
        const [first] = bench.model.keys();
        bench.remove(first!);
        bench.add(first!, 1);
        bench.check();
      });
    }
  });
});
