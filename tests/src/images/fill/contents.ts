/** Files by how their blocks lie: sparse, far, fragmented, unwritten, inline, reused. */
import { closeSync, ftruncateSync, mkdirSync, openSync, truncateSync, unlinkSync, writeSync } from "node:fs";
import { FallocateMode, fallocate } from "../../system/calls.js";
import type { Filler } from "./filler.js";

const KIB = 1 << 10;
const GIB = 2 ** 30;

/** Sizes around a block, a page, and where inline data, direct, indirect and double indirect blocks end. */
export function fillSizes(fill: Filler): void {
  mkdirSync(fill.at("sizes"));
  const sizes = new Set<number>([0, 1, 10, 59, 60, 61, 100, 4095, 4096, 4097, 100_000, 300 * KIB]);
  const block = fill.blockSize;
  for (const size of [block - 1, block, block + 1, 12 * block, 13 * block + 5]) {
    sizes.add(size);
  }
  for (const size of sizes) fill.file(fill.at("sizes", `s${size}`), size);
}

/** Inline data at each size up to a KiB inode's limit, and files and tails that grew out of it or shrank back. */
export function fillInline(fill: Filler): void {
  mkdirSync(fill.at("inline"));
  for (let size = 0; size <= 180; size += 4) fill.file(fill.at("inline", `i${size}`), size);
  for (const size of [300, 400, 500, 600, 700, 800, 900, 1000]) fill.file(fill.at("inline", `i${size}`), size);
  for (const [from, to] of [
    [40, 5000],
    [120, 200],
    [150, 30],
    [5000, 20],
    [60, 0],
    [20, 140],
  ] as const) {
    const path = fill.at("inline", `from-${from}-to-${to}`);
    fill.file(path, from);
    if (to > from) fill.withFile(path, (fd) => writeSync(fd, fill.data(to - from), 0, to - from, from));
    else truncateSync(path, to);
  }
  truncateSync(fill.at("inline", "i80"), 100);
  truncateSync(fill.at("inline", "i84"), 100_000);
}

/** Data with holes between, at offsets that need every level of an indirect tree, beyond 4 GiB and as far as it goes. */
export function fillSparse(fill: Filler): void {
  mkdirSync(fill.at("sparse"));
  const block = fill.blockSize;
  const pointers = block / 4;
  const write = (path: Buffer, offset: number, length: number): void =>
    fill.withFile(path, (fd) => {
      writeSync(fd, fill.data(length), 0, length, offset);
    });
  for (const [name, at] of [
    ["first", 0],
    ["direct", 11 * block],
    ["indirect", (12 + pointers - 1) * block],
    ["double", (12 + pointers + pointers * pointers - 1) * block],
    ["triple", (12 + pointers + pointers * pointers + 5) * block],
    ["above-2g", 2 * GIB + 17],
    ["above-4g", 4 * GIB + 5 * block + 1],
    ["above-5g", 5 * GIB - 3],
    ["above-1t", 1024 * GIB + 9],
    ["last", (2 ** 32 - 2) * block],
  ] as const) {
    fill.attempt(`sparse file ${name}`, () => write(fill.at("sparse", name), at, 3000));
    fill.attempt(`sparse file all, ${name}`, () => write(fill.at("sparse", "all"), at, 2 * block + 5));
  }
  fill.withFile(fill.at("sparse", "hole-only"), (fd) => ftruncateSync(fd, 3 * GIB + 11));
  fill.withFile(fill.at("sparse", "hole-at-end"), (fd) => {
    writeSync(fd, fill.data(5000), 0, 5000, 0);
    ftruncateSync(fd, 10 * block + 3);
  });
  fill.withFile(fill.at("sparse", "zeros"), (fd) => writeSync(fd, Buffer.alloc(5 * block), 0, 5 * block, 0));
}

/** One file whose every second block is a hole, which takes as many extents; one punched; one laid around others. */
export function fillFragmented(fill: Filler): void {
  mkdirSync(fill.at("fragmented"));
  const block = fill.blockSize;
  const extents = fill.profile.extents;
  fill.withFile(fill.at("fragmented", "alternate"), (fd) => {
    for (let i = 0; i < extents; i++) writeSync(fd, fill.data(block), 0, block, 2 * i * block);
  });
  fill.withFile(fill.at("fragmented", "punched"), (fd) => {
    const length = 600 * block;
    writeSync(fd, fill.data(length), 0, length, 0);
    fill.attempt("punch holes", () => {
      for (let i = 1; i < 600; i += 2) {
        fallocate(fd, FallocateMode.punchHole, i * block, block);
      }
      fallocate(fd, FallocateMode.punchHole, 50 * block + 10, 3 * block);
    });
  });
  const interleaved = ["a", "b", "c"].map((name) => openSync(fill.at("fragmented", `interleaved-${name}`), "w"));
  for (let i = 0; i < 40; i++) {
    for (const fd of interleaved) {
      writeSync(fd, fill.data(3 * block), 0, 3 * block, i * 3 * block);
    }
  }
  for (const fd of interleaved) closeSync(fd);
}

/** Blocks that are allocated but read as zeros, inside the file, around data and behind its end. */
export function fillUnwritten(fill: Filler): void {
  mkdirSync(fill.at("unwritten"));
  const block = fill.blockSize;
  const make = (name: string, work: (fd: number) => void): void => {
    fill.attempt(`unwritten ${name}`, () => fill.withFile(fill.at("unwritten", name), work));
  };
  make("whole", (fd) => fallocate(fd, FallocateMode.allocate, 0, 50 * block));
  make("beyond-end", (fd) => {
    writeSync(fd, fill.data(100), 0, 100, 0);
    fallocate(fd, FallocateMode.keepSize, 0, 64 * block);
  });
  make("written-inside", (fd) => {
    fallocate(fd, FallocateMode.allocate, 0, 100 * block);
    for (const at of [0, 10, 11, 40, 99]) writeSync(fd, fill.data(block), 0, block, at * block);
    writeSync(fd, fill.data(7), 0, 7, 70 * block + 3);
  });
  make("zeroed", (fd) => {
    writeSync(fd, fill.data(80 * block), 0, 80 * block, 0);
    fallocate(fd, FallocateMode.zeroRange, 5 * block + 7, 30 * block);
  });
  make("big", (fd) => fallocate(fd, FallocateMode.keepSize, 0, 6000 * block));
  make("far", (fd) => fallocate(fd, FallocateMode.allocate, 6 * GIB, 20 * block));
}

/** Blocks that held something else before: nothing of the old contents may show. */
export function fillReused(fill: Filler): void {
  mkdirSync(fill.at("reused"));
  for (let i = 0; i < 30; i++) fill.file(fill.at("reused", `old-${i}`), 40_000);
  for (let i = 0; i < 30; i += 2) unlinkSync(fill.at("reused", `old-${i}`));
  for (let i = 0; i < 20; i++) fill.file(fill.at("reused", `new-${i}`), 17 * (i + 1) * 101);
  for (let i = 1; i < 30; i += 4) truncateSync(fill.at("reused", `old-${i}`), 1234 * i);
  for (let i = 1; i < 30; i += 4) truncateSync(fill.at("reused", `old-${i}`), 40_000);
}
