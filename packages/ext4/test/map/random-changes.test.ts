// Oracles: a model that is an array, the reading side, e2fsck, and the kernel's ext4 through a loop mount.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { cachedInode } from "../../src/inode/cached-inode.js";
import { blocksPerCluster } from "../../src/map/map-allocation.js";
import { changeImage } from "../writable.js";
import { FileModel } from "./file-model.js";
import {
  engineRuns,
  inodeNumber,
  kernelRuns,
  noLoop,
  noTools,
  type Run,
  randomFrom,
  run,
  withLoopMount,
  withScratch,
} from "./images.js";

interface Layout {
  readonly name: string;
  readonly size: string;
  readonly blockSize: number;
  readonly options: readonly string[];
  /** First file block of what is changed, and how many. */
  readonly base?: number;
  readonly blocks: number;
  readonly hasExtents?: boolean;
}

const layouts: readonly Layout[] = [
  { name: "ext4, 1 KiB blocks", size: "48M", blockSize: 1024, options: [], blocks: 3000 },
  { name: "ext4, 4 KiB blocks", size: "64M", blockSize: 4096, options: [], blocks: 2000 },
  { name: "ext4, 64 KiB blocks", size: "256M", blockSize: 65536, options: [], blocks: 600 },
  {
    name: "without metadata_csum",
    size: "48M",
    blockSize: 1024,
    options: ["-O", "^metadata_csum,^64bit"],
    blocks: 2000,
  },
  { name: "bigalloc, 8 blocks", size: "64M", blockSize: 1024, options: ["-O", "bigalloc", "-C", "8192"], blocks: 2000 },
  {
    name: "bigalloc, 16 blocks",
    size: "256M",
    blockSize: 4096,
    options: ["-O", "bigalloc", "-C", "65536"],
    blocks: 1500,
  },
  { name: "far out", size: "48M", blockSize: 1024, options: [], base: 4_294_964_000, blocks: 3000 },
  { name: "ext3, double", size: "48M", blockSize: 1024, options: ["-t", "ext3"], blocks: 2000, hasExtents: false },
  {
    name: "ext3, triple",
    size: "48M",
    blockSize: 1024,
    options: ["-t", "ext3"],
    base: 65_000,
    blocks: 2000,
    hasExtents: false,
  },
  {
    name: "ext2, 4 KiB blocks",
    size: "64M",
    blockSize: 4096,
    options: ["-t", "ext2"],
    base: 500,
    blocks: 2000,
    hasExtents: false,
  },
];

const OPERATIONS = Number(process.env["BULKHEAD_MAP_OPERATIONS"] ?? 400);
const SEED = Number(process.env["BULKHEAD_SEED"] ?? 1);

function changeAtRandom(files: readonly FileModel[], random: (below: number) => number, extents: boolean): void {
  const file = files[random(files.length)]!;
  const { blocks } = file;
  const ratio = blocksPerCluster(file.volume);
  const first = random(blocks);
  const long = 1 + random(Math.min(blocks - first, 200));
  const short = 1 + random(Math.min(blocks - first, 3));
  const count = random(3) === 0 ? long : short;
  const alignedFirst = first - (first % ratio);
  const alignedCount = Math.min(ratio * (1 + random(10)), blocks - alignedFirst - ((blocks - alignedFirst) % ratio));
  const kind = random(extents ? 100 : 45);
  if (kind < 30) file.write(first, count);
  else if (kind < 43) file.punch(first, count);
  else if (kind < 44) file.truncate(first);
  else if (kind < 45) file.write(0, Math.min(blocks, 500));
  else if (kind < 60) file.preallocate(first, long);
  else if (kind < 70) file.zero(first, count);
  else if (kind < 85) file.write(first, 1);
  else if (kind < 86) file.preallocate(0, blocks);
  else if (kind < 93 && alignedCount > 0) file.collapse(alignedFirst, alignedCount);
  else if (alignedCount > 0) file.insert(alignedFirst, alignedCount);
}

describe("random changes of files", { skip: noTools }, () => {
  for (const layout of layouts) {
    it(layout.name, (t) => {
      t.diagnostic(`seed ${SEED}`);
      withScratch((directory) => {
        const image = join(directory, "image");
        const { size, blockSize, options, base = 0, blocks, hasExtents = true } = layout;
        const type = options.includes("-t") ? [] : ["-t", "ext4"];
        run("mke2fs", "-q", "-F", "-b", `${blockSize}`, ...type, ...options, image, size);
        const names = ["one", "two", "three"];
        for (const name of names) run("debugfs", "-w", "-R", `write /dev/null ${name}`, image);
        const numbers = names.map((name) => inodeNumber(image, name));
        const random = randomFrom(SEED);
        let models: FileModel[] = [];
        let runs: Run[][] = [];
        changeImage(image, (volume) => {
          models = numbers.map((ino) => new FileModel(volume, cachedInode(volume, ino), base, blocks));
          for (let n = 0; n < OPERATIONS; n++) {
            changeAtRandom(models, random, hasExtents);
            if (n % 20 === 0) for (const file of models) file.check();
          }
          for (const file of models) file.check();
          runs = models.map((file) => engineRuns(volume, file.inode));
        });
        if (noLoop === false && blockSize <= 4096) {
          withLoopMount(image, (mountpoint) => {
            names.forEach((name, n) => {
              const path = join(mountpoint, name);
              assert.deepEqual(kernelRuns(path, blockSize), runs[n], `${name}, as FIEMAP has it`);
              assertContents(path, models[n]!, blockSize);
            });
          });
        }
        changeImage(image, (volume) => {
          const free = volume.superblock.freeBlocksCountLo;
          for (const model of models) {
            const file = new FileModel(volume, cachedInode(volume, model.inode.ino), base, blocks);
            file.truncate(0);
            assert.equal(file.inode.blocks, 0);
          }
          assert.ok(volume.superblock.freeBlocksCountLo > free);
        });
      });
    });
  }
});

/** What the kernel reads is what was written. */
function assertContents(path: string, model: FileModel, blockSize: number): void {
  const fd = fs.openSync(path, "r");
  try {
    const bytes = Buffer.alloc(4);
    for (let at = 0; at < model.blocks; at++) {
      if (fs.readSync(fd, bytes, 0, 4, (model.base + at) * blockSize) < 4) break;
      assert.equal(bytes.readUInt32LE(0), model.contentsAt(at), `${path}, block ${at}`);
    }
  } finally {
    fs.closeSync(fd);
  }
}
