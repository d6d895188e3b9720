// Oracles: the kernel's ext4 through FIEMAP on a loop mount, and debugfs on what mke2fs writes.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { FileDevice } from "../../src/device/file.js";
import type { Inode } from "../../src/inode/inode.js";
import { extentTree } from "../../src/map/extent-tree.js";
import { inlineData } from "../../src/map/inline-data.js";
import { mapBlocks } from "../../src/map/map-blocks.js";
import { BlockMapping, MappingType } from "../../src/map/mapping.js";
import { prefetchFileBlocks, readFileBlock } from "../../src/map/read-data.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import type { Volume } from "../../src/volume.js";
import {
  debugfsRuns,
  engineRuns,
  expectedAt,
  inodeAt,
  kernelRuns,
  noLoop,
  noTools,
  type Run,
  randomFrom,
  run,
  withLoopMount,
  withScratch,
} from "./images.js";

/** File blocks of a file that are asked for one by one; every one of a file up to this long. */
const SINGLE_BLOCKS = 300_000;

/** The engine's whole mapping equals the oracle's, and so does every block that is asked for alone. */
function assertMapping(volume: Volume, inode: Inode, expected: readonly Run[], name: string): void {
  assert.deepEqual(engineRuns(volume, inode), expected, name);
  const random = randomFrom(1);
  const last = expected.at(-1);
  const blocks = last === undefined ? 16 : last.fileBlock + last.length + 16;
  const want = new BlockMapping();
  const got = new BlockMapping();
  for (let n = 0; n < Math.min(blocks, SINGLE_BLOCKS); n++) {
    const fileBlock = blocks <= SINGLE_BLOCKS ? n : random(blocks);
    expectedAt(expected, fileBlock, want);
    mapBlocks(volume, inode, fileBlock, got);
    if (
      got.type !== want.type ||
      got.fileBlock !== fileBlock ||
      got.block !== want.block ||
      got.length < 1 ||
      got.length > want.length
    ) {
      assert.deepEqual({ ...got }, { ...want }, `${name}, file block ${fileBlock}`);
    }
  }
}

function withVolume<T>(image: string, use: (volume: Volume) => T): T {
  const device = new FileDevice(fs, openSync(image, "r"));
  try {
    return use(openVolume(device));
  } finally {
    device.close();
  }
}

function makeImage(image: string, size: string, ...options: string[]): void {
  run("mke2fs", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", ...options, image, size);
}

/** Writes one block of data at each of the file blocks. */
function writeBlocks(path: string, blockSize: number, fileBlocks: Iterable<number>): void {
  const data = new Uint8Array(blockSize).fill(0x5a);
  const fd = openSync(path, "w");
  for (const fileBlock of fileBlocks) {
    new DataView(data.buffer).setFloat64(0, fileBlock);
    writeSync(fd, data, 0, blockSize, fileBlock * blockSize);
  }
  closeSync(fd);
}

function lastBlock(runs: readonly Run[]): number {
  const last = runs.at(-1)!;
  return last.fileBlock + last.length - 1;
}

function* every(step: number, count: number): Generator<number> {
  for (let n = 0; n < count; n++) yield n * step;
}

describe("layouts that the kernel makes", { skip: noLoop }, () => {
  for (const features of ["metadata_csum,64bit", "^metadata_csum,^64bit"]) {
    it(`extents on 1 KiB blocks, ${features}`, () => {
      withScratch((directory) => {
        const image = join(directory, "image");
        makeImage(image, "160M", "-t", "ext4", "-b", "1024", "-O", features);
        const expected = new Map<string, Run[]>();
        withLoopMount(image, (mountpoint) => {
          writeBlocks(join(mountpoint, "comb"), 1024, every(2, 60_500));
          const mixed = join(mountpoint, "mixed");
          run("fallocate", "-l", "4M", mixed);
          const fd = openSync(mixed, "r+");
          const random = randomFrom(2);
          for (let n = 0; n < 400; n++) writeSync(fd, "written", random(4 * 2 ** 20));
          closeSync(fd);
          for (let n = 0; n < 100; n++) {
            run("fallocate", "-p", "-o", String(random(4000) * 1024), "-l", String(1024 * (1 + random(20))), mixed);
          }
          run("fallocate", "-l", "40M", join(mountpoint, "unwritten"));
          writeFileSync(join(mountpoint, "past-end"), "");
          run("fallocate", "-n", "-o", "3M", "-l", "2M", join(mountpoint, "past-end"));
          writeFileSync(join(mountpoint, "empty"), "");
          writeBlocks(join(mountpoint, "far"), 1024, [0, 7, 5 * 2 ** 20, 2 ** 32 - 3, 2 ** 32 - 2]);
          for (const name of ["comb", "mixed", "unwritten", "past-end", "empty", "far"]) {
            expected.set(name, kernelRuns(join(mountpoint, name), 1024));
          }
        });
        assert.equal(expected.get("comb")!.length, 60_500);
        assert.ok(expected.get("mixed")!.some((found) => found.unwritten));
        assert.ok(expected.get("past-end")!.every((found) => found.unwritten && found.fileBlock >= 3072));
        assert.equal(lastBlock(expected.get("far")!), 2 ** 32 - 2);
        withVolume(image, (volume) => {
          for (const [name, runs] of expected) assertMapping(volume, inodeAt(volume, image, `/${name}`), runs, name);
          assert.ok(assertTree(volume, image, "/comb") >= 2);
          assert.ok(assertTree(volume, image, "/mixed") >= 1);
        });
      });
    });
  }

  it("block pointers to triple, on 1 KiB blocks", () => {
    withScratch((directory) => {
      const image = join(directory, "image");
      makeImage(image, "64M", "-t", "ext2", "-b", "1024");
      const double = 12 + 256;
      const triple = double + 65_536;
      const random = randomFrom(3);
      const files: Record<string, number[]> = {
        edges: [0, 11, 12, double - 1, double, triple - 1, triple, triple + 255, triple + 256, triple + 65_536],
        last: [triple + 256 ** 3 - 1],
        scattered: Array.from({ length: 600 }, () => random(triple + 3 * 65_536)),
        "alone-in-triple": [triple + 5 * 65_536 + 77],
        dense: [...every(1, 3000)],
        comb: [...every(2, 3000)],
        empty: [],
      };
      const expected = new Map<string, Run[]>();
      withLoopMount(image, (mountpoint) => {
        for (const [name, blocks] of Object.entries(files)) {
          const path = join(mountpoint, name);
          writeBlocks(path, 1024, blocks);
          expected.set(name, kernelRuns(path, 1024));
        }
      });
      assert.equal(lastBlock(expected.get("last")!), triple + 256 ** 3 - 1);
      withVolume(image, (volume) => {
        for (const [name, runs] of expected) {
          const inode = inodeAt(volume, image, `/${name}`);
          assert.ok(!inode.hasExtents);
          assertMapping(volume, inode, runs, name);
          assert.deepEqual(runs, debugfsRuns(image, `/${name}`), `${name}: the oracles agree`);
        }
      });
    });
  });

  it("bigalloc, and files past 4 GiB on 4 KiB blocks", () => {
    withScratch((directory) => {
      const image = join(directory, "image");
      makeImage(image, "64M", "-t", "ext4", "-b", "4096", "-C", "65536", "-O", "bigalloc");
      const files: Record<string, number[]> = {
        clusters: [0, 3, 15, 16, 40, 41, 1000],
        huge: [0, 2 ** 20, 2 ** 21 + 5, 2 ** 31 + 1, 2 ** 32 - 2],
      };
      const expected = new Map<string, Run[]>();
      withLoopMount(image, (mountpoint) => {
        for (const [name, blocks] of Object.entries(files)) {
          const path = join(mountpoint, name);
          writeBlocks(path, 4096, blocks);
          expected.set(name, kernelRuns(path, 4096));
        }
      });
      withVolume(image, (volume) => {
        for (const [name, runs] of expected) {
          const inode = inodeAt(volume, image, `/${name}`);
          assertMapping(volume, inode, runs, name);
          for (const fileBlock of files[name]!) {
            const data = readFileBlock(volume, inode, fileBlock)!.view;
            assert.equal(data.getFloat64(0), fileBlock);
          }
          assert.equal(readFileBlock(volume, inode, 500_000), undefined, "a hole");
        }
      });
    });
  });
});

/** The dump of the tree equals debugfs's. Returns its depth. */
function assertTree(volume: Volume, image: string, path: string): number {
  const tree = extentTree(volume, inodeAt(volume, image, path), 1_000_000);
  assert.ok(tree !== undefined && !tree.truncated);
  const { depth } = tree;
  const line = /^\s*(\d+)\/\s*(\d+)\s+\d+\/\s*\d+\s+(\d+)\s*-\s*(\d+)\s+(\d+)(?:\s*-\s*\d+)?\s+(\d+)\s*(Uninit)?/;
  const expected: string[] = [];
  for (const text of run("debugfs", "-R", `dump_extents ${path}`, image).split("\n")) {
    const match = line.exec(text);
    if (match === null) continue;
    const [, level, levels, first, last, block, length, unwritten] = match;
    assert.equal(Number(length), Number(last) - Number(first) + 1);
    assert.equal(Number(levels), depth);
    expected.push(`${depth - Number(level)} ${first} ${block} ${level === levels ? length : ""} ${unwritten ?? ""}`);
  }
  const found = tree.nodes.flatMap((node) =>
    node.entries.map((entry) => {
      const length = node.depth === 0 ? entry.length : "";
      return `${node.depth} ${entry.fileBlock} ${entry.block} ${length} ${entry.unwritten ? "Uninit" : ""}`;
    }),
  );
  assert.deepEqual(found.sort(), expected.sort());
  assert.equal(extentTree(volume, inodeAt(volume, image, path), 5)?.truncated, true);
  return depth;
}

describe("layouts that mke2fs makes", { skip: noTools }, () => {
  for (const blockSize of [1024, 2048, 4096, 8192, 16_384, 32_768, 65_536]) {
    for (const type of ["ext2", "ext4"]) {
      it(`${type} on blocks of ${blockSize} bytes`, () => {
        withScratch((directory) => {
          const source = join(directory, "source");
          mkdirSync(source);
          const pointers = blockSize / 4;
          const files: Record<string, number[]> = {
            dense: [...every(1, 40)],
            comb: [...every(2, 300)],
            double: [0, 12, 12 + pointers - 1, 12 + pointers, 12 + 3 * pointers + 1, 12 + 5 * pointers],
          };
          for (const [name, blocks] of Object.entries(files)) writeBlocks(join(source, name), blockSize, blocks);
          const image = join(directory, "image");
          const size = `${Math.max(16, (blockSize * 1600) / 2 ** 20)}M`;
          makeImage(image, size, "-t", type, "-b", String(blockSize), "-O", "^has_journal", "-d", source);
          withVolume(image, (volume) => {
            for (const [name, blocks] of Object.entries(files)) {
              const inode = inodeAt(volume, image, `/${name}`);
              assert.equal(inode.hasExtents, type === "ext4");
              const runs = debugfsRuns(image, `/${name}`);
              assertMapping(volume, inode, runs, name);
              prefetchFileBlocks(volume, inode, 0, 40);
              for (const fileBlock of blocks.slice(0, 50)) {
                assert.equal(readFileBlock(volume, inode, fileBlock)!.view.getFloat64(0), fileBlock);
              }
            }
          });
        });
      });
    }
  }

  it("inline data of every length that fits, and the first that does not", () => {
    withScratch((directory) => {
      const source = join(directory, "source");
      mkdirSync(source);
      const random = randomFrom(4);
      for (let length = 0; length <= 200; length++) {
        writeFileSync(
          join(source, String(length)),
          Uint8Array.from({ length }, () => random(256)),
        );
      }
      const image = join(directory, "image");
      makeImage(image, "16M", "-t", "ext4", "-I", "256", "-O", "inline_data", "-d", source);
      let inline = 0;
      withVolume(image, (volume) => {
        for (let length = 0; length <= 200; length++) {
          const inode = inodeAt(volume, image, `/${length}`);
          const contents = new Uint8Array(readFileSync(join(source, String(length))));
          const mapping = new BlockMapping();
          mapBlocks(volume, inode, 0, mapping);
          if (inode.hasInlineData) {
            inline++;
            assert.equal(mapping.type, MappingType.inline);
            assert.deepEqual(new Uint8Array(inlineData(volume, inode)), contents);
            mapBlocks(volume, inode, 1, mapping);
            assert.equal(mapping.type, MappingType.hole);
            assert.equal(readFileBlock(volume, inode, 0), undefined);
          } else if (length > 0) {
            assert.equal(mapping.type, MappingType.mapped);
            assert.deepEqual(readFileBlock(volume, inode, 0)!.data.slice(0, length), contents);
          }
        }
      });
      assert.ok(inline > 100 && inline < 200, `${inline} inline files`);
    });
  });

  it("a prefetch brings a scattered file into the cache in a few reads", () => {
    withScratch((directory) => {
      const source = join(directory, "source");
      mkdirSync(source);
      writeBlocks(join(source, "comb"), 1024, every(2, 60));
      const image = join(directory, "image");
      makeImage(image, "16M", "-t", "ext4", "-b", "1024", "-d", source);
      withVolume(image, (volume) => {
        const inode = inodeAt(volume, image, "/comb");
        prefetchFileBlocks(volume, inode, 0, 1000);
        const { misses } = volume.cache;
        for (const fileBlock of every(2, 60)) assert.ok(readFileBlock(volume, inode, fileBlock) !== undefined);
        assert.equal(volume.cache.misses, misses);
      });
    });
  });
});
