/** fallocate(2) in all its modes, lseek(2) with SEEK_DATA and SEEK_HOLE, copy_file_range(2). */
import assert from "node:assert/strict";
import { fstatSync, fsyncSync, readFileSync, type Stats } from "node:fs";
import { copyFileRange, Falloc, fallocate, ftruncate, mknod, seekData, seekHole } from "@bulkhead/linux";
import { O, pread, pwrite, S } from "../calls.js";
import { type Case, group, needing } from "../case.js";
import { allBytes, refused } from "../expect.js";
import { Needs } from "../facts.js";
import type { Subject } from "../subject.js";

const { KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE, COLLAPSE_RANGE, INSERT_RANGE } = Falloc;

/** A file of `count` blocks (clusters with bigalloc), each full of its own number, all of them on the device. */
function numbered(s: Subject, count: number): { readonly fd: number; readonly unit: number } {
  const unit = s.facts.clusterSize;
  const bytes = Buffer.alloc(count * unit);
  for (let i = 0; i < count; i++) bytes.fill(i + 1, i * unit, (i + 1) * unit);
  const fd = s.opened("file", bytes);
  fsyncSync(fd);
  return { fd, unit };
}

/** Claims that the blocks of a numbered file are these; 0 is a block of zeros. */
function holds(fd: number, unit: number, expected: readonly number[]): void {
  assert.equal(fstatSync(fd).size, expected.length * unit);
  for (const [i, value] of expected.entries()) allBytes(pread(fd, unit, i * unit), value);
}

function synced(fd: number): Stats {
  fsyncSync(fd);
  return fstatSync(fd);
}

const allocating: Readonly<Record<string, (s: Subject) => void>> = {
  "allocates blocks of zeros and grows the file": (s) => {
    const fd = s.opened("file");
    const unit = s.facts.clusterSize;
    fallocate(fd, 0, 0, 10 * unit);
    assert.equal(fstatSync(fd).size, 10 * unit);
    assert.ok(synced(fd).blocks >= (10 * unit) / 512);
    allBytes(readFileSync(s.path("file")), 0);
  },
  "keeps what is there": (s) => {
    const { fd, unit } = numbered(s, 3);
    fallocate(fd, 0, unit, 5 * unit);
    holds(fd, unit, [1, 2, 3, 0, 0, 0]);
  },
  "with KEEP_SIZE allocates beyond the end": (s) => {
    const fd = s.opened("file", "x".repeat(500));
    fallocate(fd, KEEP_SIZE, 0, 10 * s.facts.clusterSize);
    const { size, blocks } = synced(fd);
    assert.equal(size, 500);
    assert.ok(blocks >= (10 * s.facts.clusterSize) / 512);
    ftruncate(fd, 500);
    assert.ok(synced(fd).blocks <= s.facts.clusterSize / 512, "a truncation to the same size frees it");
  },
  "writing into what was allocated changes that alone": (s) => {
    const fd = s.opened("file");
    const unit = s.facts.blockSize;
    fallocate(fd, 0, 0, 20 * unit);
    const { blocks } = synced(fd);
    for (const at of [0, 7, 8, 19]) pwrite(fd, Buffer.alloc(unit, 0x61), at * unit);
    pwrite(fd, "middle", 12 * unit + 100);
    assert.ok(synced(fd).blocks <= blocks + s.facts.clusterSize / 512, "at most a block for the extents");
    for (let i = 0; i < 20; i++) {
      if (i === 12) continue;
      allBytes(pread(fd, unit, i * unit), [0, 7, 8, 19].includes(i) ? 0x61 : 0);
    }
    assert.equal(pread(fd, 6, 12 * unit + 100).toString(), "middle");
    allBytes(pread(fd, 100, 12 * unit), 0);
  },
  "at any byte": (s) => {
    const fd = s.opened("file", "abc");
    fallocate(fd, 0, 10_001, 777);
    assert.equal(fstatSync(fd).size, 10_778);
    assert.equal(pread(fd, 3, 0).toString(), "abc");
    allBytes(pread(fd, 10_775, 3), 0);
  },
  "fills holes": (s) => {
    const fd = s.opened("file");
    const unit = s.facts.clusterSize;
    for (const at of [1, 3, 5]) pwrite(fd, Buffer.alloc(unit, at), at * unit);
    fallocate(fd, 0, 0, 6 * unit);
    assert.ok(synced(fd).blocks >= (6 * unit) / 512);
    holds(fd, unit, [0, 1, 0, 3, 0, 5]);
  },
  "EFBIG beyond the longest file": (s) => {
    refused("EFBIG", () => fallocate(s.opened("file"), 0, s.facts.maxFileSize, 1));
  },
};

const punching: Readonly<Record<string, (s: Subject) => void>> = {
  "frees whole blocks and leaves zeros": (s) => {
    const { fd, unit } = numbered(s, 6);
    const before = synced(fd).blocks;
    fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 2 * unit, 2 * unit);
    holds(fd, unit, [1, 2, 0, 0, 5, 6]);
    assert.equal(synced(fd).blocks, before - (2 * unit) / 512);
  },
  "zeroes the parts of blocks at its edges": (s) => {
    const { fd, unit } = numbered(s, 4);
    fallocate(fd, PUNCH_HOLE | KEEP_SIZE, unit + 100, 2 * unit);
    allBytes(pread(fd, 100, unit), 2);
    allBytes(pread(fd, 2 * unit, unit + 100), 0);
    allBytes(pread(fd, unit - 100, 3 * unit + 100), 4);
  },
  "within one block": (s) => {
    const { fd, unit } = numbered(s, 1);
    fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 10, 5);
    allBytes(pread(fd, 10, 0), 1);
    allBytes(pread(fd, 5, 10), 0);
    allBytes(pread(fd, unit - 15, 15), 1);
  },
  everything: (s) => {
    const { fd, unit } = numbered(s, 5);
    fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 0, 5 * unit);
    holds(fd, unit, [0, 0, 0, 0, 0]);
    assert.equal(synced(fd).blocks, 0);
  },
  "beyond the end changes nothing": (s) => {
    const { fd, unit } = numbered(s, 2);
    fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 5 * unit, unit);
    holds(fd, unit, [1, 2]);
  },
  twice: (s) => {
    const { fd, unit } = numbered(s, 4);
    for (let i = 0; i < 2; i++) fallocate(fd, PUNCH_HOLE | KEEP_SIZE, unit, unit);
    holds(fd, unit, [1, 0, 3, 4]);
    pwrite(fd, Buffer.alloc(unit, 9), unit);
    holds(fd, unit, [1, 9, 3, 4]);
  },
};

const zeroing: Readonly<Record<string, (s: Subject) => void>> = {
  "leaves zeros and keeps the blocks": (s) => {
    const { fd, unit } = numbered(s, 6);
    const before = synced(fd).blocks;
    fallocate(fd, ZERO_RANGE, 2 * unit, 2 * unit);
    holds(fd, unit, [1, 2, 0, 0, 5, 6]);
    assert.equal(synced(fd).blocks, before);
  },
  "at any byte": (s) => {
    const { fd, unit } = numbered(s, 4);
    fallocate(fd, ZERO_RANGE, unit + 7, unit);
    allBytes(pread(fd, 7, unit), 2);
    allBytes(pread(fd, unit, unit + 7), 0);
    allBytes(pread(fd, unit - 7, 2 * unit + 7), 3);
  },
  "grows the file": (s) => {
    const { fd, unit } = numbered(s, 2);
    fallocate(fd, ZERO_RANGE, unit, 3 * unit);
    holds(fd, unit, [1, 0, 0, 0]);
  },
  "with KEEP_SIZE does not": (s) => {
    const { fd, unit } = numbered(s, 2);
    fallocate(fd, ZERO_RANGE | KEEP_SIZE, unit, 3 * unit);
    holds(fd, unit, [1, 0]);
  },
  "of a hole allocates it": (s) => {
    const fd = s.opened("file");
    ftruncate(fd, 4 * s.facts.clusterSize);
    fallocate(fd, ZERO_RANGE, 0, 4 * s.facts.clusterSize);
    assert.ok(synced(fd).blocks >= (4 * s.facts.clusterSize) / 512);
    allBytes(readFileSync(s.path("file")), 0);
  },
};

const shifting: Readonly<Record<string, (s: Subject) => void>> = {
  "COLLAPSE_RANGE takes blocks out": (s) => {
    const { fd, unit } = numbered(s, 6);
    fallocate(fd, COLLAPSE_RANGE, unit, 2 * unit);
    holds(fd, unit, [1, 4, 5, 6]);
  },
  "COLLAPSE_RANGE at the start": (s) => {
    const { fd, unit } = numbered(s, 3);
    fallocate(fd, COLLAPSE_RANGE, 0, unit);
    holds(fd, unit, [2, 3]);
  },
  "COLLAPSE_RANGE of a hole": (s) => {
    const { fd, unit } = numbered(s, 5);
    fallocate(fd, PUNCH_HOLE | KEEP_SIZE, unit, 2 * unit);
    fallocate(fd, COLLAPSE_RANGE, unit, unit);
    holds(fd, unit, [1, 0, 4, 5]);
  },
  "INSERT_RANGE puts a hole in": (s) => {
    const { fd, unit } = numbered(s, 3);
    fallocate(fd, INSERT_RANGE, unit, 2 * unit);
    holds(fd, unit, [1, 0, 0, 2, 3]);
    pwrite(fd, Buffer.alloc(unit, 8), 2 * unit);
    holds(fd, unit, [1, 0, 8, 2, 3]);
  },
  "INSERT_RANGE at the start": (s) => {
    const { fd, unit } = numbered(s, 2);
    fallocate(fd, INSERT_RANGE, 0, unit);
    holds(fd, unit, [0, 1, 2]);
  },
  "INSERT_RANGE and COLLAPSE_RANGE undo each other": (s) => {
    const { fd, unit } = numbered(s, 8);
    for (const at of [1, 3, 7]) {
      fallocate(fd, INSERT_RANGE, at * unit, 2 * unit);
      fallocate(fd, COLLAPSE_RANGE, at * unit, 2 * unit);
    }
    holds(fd, unit, [1, 2, 3, 4, 5, 6, 7, 8]);
  },
  "EINVAL for what is not whole blocks": (s) => {
    const { fd, unit } = numbered(s, 4);
    for (const mode of [COLLAPSE_RANGE, INSERT_RANGE]) {
      refused("EINVAL", () => fallocate(fd, mode, 1, unit));
      refused("EINVAL", () => fallocate(fd, mode, unit, unit - 1));
    }
    holds(fd, unit, [1, 2, 3, 4]);
  },
  "EINVAL for a range that reaches the end": (s) => {
    const { fd, unit } = numbered(s, 4);
    refused("EINVAL", () => fallocate(fd, COLLAPSE_RANGE, 2 * unit, 2 * unit));
    refused("EINVAL", () => fallocate(fd, COLLAPSE_RANGE, 3 * unit, 2 * unit));
    refused("EINVAL", () => fallocate(fd, INSERT_RANGE, 4 * unit, unit));
    holds(fd, unit, [1, 2, 3, 4]);
  },
  "EFBIG for INSERT_RANGE beyond the longest file": (s) => {
    const { fd, unit } = numbered(s, 2);
    const length = Math.floor(s.facts.maxFileSize / unit) * unit;
    refused("EFBIG", () => fallocate(fd, INSERT_RANGE, unit, length));
    holds(fd, unit, [1, 2]);
  },
};

function refusals(): Case[] {
  return group("fallocate", {
    "EOPNOTSUPP without extents, punching aside": needing(Needs.noExtents, (s) => {
      const fd = s.opened("file", Buffer.alloc(50_000, 1));
      for (const mode of [0, KEEP_SIZE, ZERO_RANGE, COLLAPSE_RANGE, INSERT_RANGE]) {
        refused("EOPNOTSUPP", () => fallocate(fd, mode, 0, 4096));
      }
      fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 5_000, 20_000);
      allBytes(pread(fd, 5_000, 0), 1);
      allBytes(pread(fd, 20_000, 5_000), 0);
      allBytes(pread(fd, 25_000, 25_000), 1);
    }),
    "punches behind the longest file that has no extents, as far as one with extents can be": needing(
      Needs.noExtents,
      (s) => {
        const fd = s.opened("file", Buffer.alloc(50_000, 1));
        const unit = s.facts.clusterSize;
        fallocate(fd, PUNCH_HOLE | KEEP_SIZE, s.facts.maxFileSize, unit);
        fallocate(fd, PUNCH_HOLE | KEEP_SIZE, unit, s.facts.maxFileSize);
        allBytes(pread(fd, unit, 0), 1);
        allBytes(pread(fd, 50_000, unit), 0);
        refused("EFBIG", () => fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 2 ** 32 * unit, unit));
      },
    ),
    "EBADF for a descriptor open for reading": (s) => {
      refused("EBADF", () => fallocate(s.open(s.file("file"), O.RDONLY), 0, 0, 10));
    },
    "EINVAL for nothing, and for a negative place": (s) => {
      const fd = s.opened("file");
      refused("EINVAL", () => fallocate(fd, 0, 0, 0));
      refused("EINVAL", () => fallocate(fd, 0, -1, 10));
      refused("EINVAL", () => fallocate(fd, 0, 0, -1));
    },
    "EOPNOTSUPP for unknown modes, and for punching without KEEP_SIZE": (s) => {
      const fd = s.opened("file");
      for (const mode of [0x100, PUNCH_HOLE, PUNCH_HOLE | ZERO_RANGE | KEEP_SIZE]) {
        refused(["EOPNOTSUPP", "EINVAL"], () => fallocate(fd, mode, 0, 10));
      }
    },
    "EISDIR or EBADF for a directory, ESPIPE for a fifo": (s) => {
      refused(["EISDIR", "EBADF"], () => fallocate(s.open(s.folder("folder"), O.RDONLY), 0, 0, 10));
      mknod(s.path("fifo"), S.FIFO | 0o644);
      refused("ESPIPE", () => fallocate(s.open(s.path("fifo"), O.RDWR), 0, 0, 10));
    },
  });
}

function extentCases(name: string, cases: Readonly<Record<string, (s: Subject) => void>>): Case[] {
  const needy = Object.entries(cases).map(([title, run]) => [title, needing(Needs.extents, run)] as const);
  return group(name, Object.fromEntries(needy));
}

export const fallocating = [
  ...extentCases("fallocate", allocating),
  ...extentCases("PUNCH_HOLE", punching),
  ...extentCases("ZERO_RANGE", zeroing),
  ...extentCases("fallocate", shifting),
  ...refusals(),
];

export const seeking = group("lseek", {
  "SEEK_DATA and SEEK_HOLE find the pieces of a file": needing(Needs.noInlineData, (s) => {
    const fd = s.opened("file");
    const unit = Math.max(s.facts.clusterSize, 4096);
    for (const at of [2, 3, 8]) pwrite(fd, Buffer.alloc(unit, at), at * unit);
    ftruncate(fd, 12 * unit);
    fsyncSync(fd);
    const places = [seekData(fd, 0), seekHole(fd, 2 * unit), seekData(fd, 4 * unit), seekHole(fd, 8 * unit)];
    assert.deepEqual(
      places.map((place) => place / unit),
      [2, 4, 8, 9],
    );
    assert.equal(seekData(fd, 9 * unit), -1);
    assert.equal(seekHole(fd, 0), 0);
    assert.equal(seekData(fd, 2 * unit + 5), 2 * unit + 5);
  }),
  "data that no block has yet is data": (s) => {
    const fd = s.opened("file", "x".repeat(10_000));
    assert.equal(seekData(fd, 100), 100);
    assert.equal(seekHole(fd, 0), 10_000);
  },
  "a file of one hole": (s) => {
    const fd = s.opened("file");
    ftruncate(fd, 100_000);
    assert.equal(seekData(fd, 0), -1);
    assert.equal(seekHole(fd, 5), 5);
  },
  "what is allocated and not written is a hole": needing(Needs.extents, (s) => {
    const fd = s.opened("file");
    const unit = Math.max(s.facts.clusterSize, 4096);
    fallocate(fd, 0, 0, 10 * unit);
    pwrite(fd, Buffer.alloc(unit, 1), 4 * unit);
    fsyncSync(fd);
    assert.equal(seekData(fd, 0), 4 * unit);
    assert.equal(seekHole(fd, 4 * unit), 5 * unit);
  }),
  "ENXIO beyond the end": (s) => {
    const fd = s.opened("file", "0123");
    assert.deepEqual([seekData(fd, 4), seekHole(fd, 4), seekData(fd, 1000), seekHole(fd, 1000)], [-1, -1, -1, -1]);
  },
  "ENXIO in an empty file": (s) => {
    const fd = s.opened("file");
    assert.deepEqual([seekData(fd, 0), seekHole(fd, 0)], [-1, -1]);
  },
});

export const copying = group("copy_file_range", {
  "copies a range into another file": (s) => {
    const from = s.opened("from", Buffer.alloc(50_000, "0123456789"));
    const to = s.opened("to", "x".repeat(100));
    assert.equal(copyFileRange(from, 7, to, 50, 40_000), 40_000);
    const bytes = readFileSync(s.path("to"), "latin1");
    assert.equal(bytes.length, 40_050);
    assert.equal(bytes.slice(0, 50), "x".repeat(50));
    assert.equal(bytes.slice(50, 60), "7890123456");
  },
  "is short at the end of what is copied, and 0 beyond": (s) => {
    const [from, to] = [s.opened("from", "0123"), s.opened("to")];
    assert.equal(copyFileRange(from, 2, to, 0, 100), 2);
    assert.equal(copyFileRange(from, 4, to, 0, 100), 0);
    assert.equal(copyFileRange(from, 100, to, 0, 100), 0);
    assert.equal(readFileSync(s.path("to"), "latin1"), "23");
  },
  "within one file": (s) => {
    const fd = s.opened("file", "0123456789");
    assert.equal(copyFileRange(fd, 0, fd, 5, 5), 5);
    assert.equal(readFileSync(s.path("file"), "latin1"), "0123401234");
  },
  "EINVAL for ranges of one file that overlap, and for flags": (s) => {
    const fd = s.opened("file", "0123456789");
    refused("EINVAL", () => copyFileRange(fd, 0, fd, 3, 5));
    refused("EINVAL", () => copyFileRange(fd, 0, s.opened("to"), 0, 5, 1));
  },
  "EBADF for what is not open for reading, or writing, or is for appending": (s) => {
    const [from, to] = [s.file("from", "x"), s.file("to")];
    refused("EBADF", () => copyFileRange(s.open(from, O.WRONLY), 0, s.open(to, O.WRONLY), 0, 1));
    refused("EBADF", () => copyFileRange(s.open(from, O.RDONLY), 0, s.open(to, O.RDONLY), 0, 1));
    refused("EBADF", () => copyFileRange(s.open(from, O.RDONLY), 0, s.open(to, O.WRONLY | O.APPEND), 0, 1));
  },
  "EISDIR for a directory, EINVAL for a fifo": (s) => {
    const to = s.opened("to");
    refused("EISDIR", () => copyFileRange(s.open(s.folder("folder"), O.RDONLY), 0, to, 0, 1));
    mknod(s.path("fifo"), S.FIFO | 0o644);
    refused("EINVAL", () => copyFileRange(s.open(s.path("fifo"), O.RDWR), 0, to, 0, 1));
  },
  "from another file system, and to it": (s) => {
    const outside = s.open(s.outside("copied", "outside"), O.RDWR);
    const fd = s.opened("file");
    refused("EXDEV", () => copyFileRange(outside, 0, fd, 0, 7));
  },
  "of a hole": (s) => {
    const [from, to] = [s.opened("from"), s.opened("to", "y".repeat(20_000))];
    ftruncate(from, 20_000);
    assert.equal(copyFileRange(from, 0, to, 0, 20_000), 20_000);
    allBytes(readFileSync(s.path("to")), 0);
  },
});
