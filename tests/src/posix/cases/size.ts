/** truncate(2), ftruncate(2), and how long a file can be. */
import assert from "node:assert/strict";
import { fstatSync, fsyncSync, mkdirSync, readFileSync, symlinkSync, unlinkSync } from "node:fs";
import { ftruncate, lstatx, mknod, truncate, withFileSizeLimit } from "@bulkhead/linux";
import { aligned, O, pread, pwrite, read, S, write } from "../calls.js";
import { group, needing } from "../case.js";
import { allBytes, refused } from "../expect.js";
import { Needs } from "../facts.js";
import { ALICE, as } from "../identities.js";

export const truncating = group("truncate", {
  "to a smaller size keeps what comes before": (s) => {
    const path = s.file("file", "0123456789");
    truncate(path, 4);
    assert.equal(readFileSync(path, "latin1"), "0123");
  },
  "to a larger size adds zeros, and no blocks": (s) => {
    const path = s.file("file", "0123");
    const { blocks } = lstatx(path);
    truncate(path, 1_000_000);
    const bytes = readFileSync(path);
    assert.equal(bytes.length, 1_000_000);
    assert.equal(bytes.toString("latin1", 0, 4), "0123");
    allBytes(bytes.subarray(4), 0);
    if (!s.facts.features.includes("inline_data")) assert.equal(lstatx(path).blocks, blocks);
  },
  "what was cut off does not come back": (s) => {
    const path = s.file("file", Buffer.alloc(20_000, 0x61));
    for (const cut of [100, 4096, 5000]) {
      truncate(path, cut);
      truncate(path, 20_000);
      allBytes(readFileSync(path).subarray(cut), 0);
      allBytes(readFileSync(path).subarray(0, 100), 0x61);
      pwrite(s.open(path, O.WRONLY), Buffer.alloc(20_000, 0x61), 0);
    }
  },
  "to nothing frees every block": (s) => {
    const path = s.file("file", Buffer.alloc(300_000, 1));
    truncate(path, 0);
    assert.deepEqual([lstatx(path).size, lstatx(path).blocks], [0, 0]);
  },
  "to the end of a block and to the byte before and after it": (s) => {
    const { blockSize } = s.facts;
    for (const size of [blockSize - 1, blockSize, blockSize + 1]) {
      const path = s.file(`file-${size}`, Buffer.alloc(3 * blockSize, 1));
      truncate(path, size);
      allBytes(readFileSync(path), 1);
      truncate(path, 3 * blockSize);
      allBytes(readFileSync(path).subarray(size), 0);
    }
  },
  "frees all but what is left": needing([Needs.noBigalloc, Needs.noInlineData], (s) => {
    const { blockSize } = s.facts;
    const path = s.file("file", Buffer.alloc(8 * blockSize, 1));
    truncate(path, 3 * blockSize);
    assert.equal(lstatx(path).blocks, (3 * blockSize) / 512);
  }),
  "ftruncate moves no file position": (s) => {
    const fd = s.opened("file", "0123456789");
    read(fd, 8);
    ftruncate(fd, 4);
    assert.equal(read(fd, 1).length, 0);
    write(fd, "x");
    assert.equal(fstatSync(fd).size, 9);
    assert.deepEqual([...pread(fd, 9, 0)], [0x30, 0x31, 0x32, 0x33, 0, 0, 0, 0, 0x78]);
  },
  "follows symbolic links": (s) => {
    s.file("file", "0123");
    symlinkSync("file", s.path("link"));
    truncate(s.path("link"), 2);
    assert.equal(lstatx(s.path("file")).size, 2);
  },
  "of a file without a name": (s) => {
    const fd = s.opened("file", "0123");
    unlinkSync(s.path("file"));
    ftruncate(fd, 100_000);
    assert.equal(fstatSync(fd).size, 100_000);
  },
  "EISDIR for a directory": (s) => refused("EISDIR", () => truncate(s.folder("folder"), 0)),
  "EINVAL for a fifo, and for a negative size": (s) => {
    mknod(s.path("fifo"), S.FIFO | 0o644);
    refused("EINVAL", () => truncate(s.path("fifo"), 0));
    refused("EINVAL", () => truncate(s.file("file"), -1));
    refused("EINVAL", () => ftruncate(s.opened("other"), -1));
  },
  "EINVAL for a descriptor open for reading": (s) => {
    refused("EINVAL", () => ftruncate(s.open(s.file("file"), O.RDONLY), 0));
  },
  "EACCES without permission to write": (s) => {
    const path = s.file("file", "kept", 0o644);
    refused("EACCES", () => as(ALICE, () => truncate(path, 0)));
    assert.equal(lstatx(path).size, 4);
  },
  "EFBIG beyond the longest file": (s) => {
    const path = s.file("file");
    const { maxFileSize } = s.facts;
    refused("EFBIG", () => truncate(path, maxFileSize + 1));
    truncate(path, maxFileSize);
    assert.equal(lstatx(path).size, maxFileSize);
    truncate(path, 0);
  },
  "EFBIG beyond the process's limit": (s) => {
    const fd = s.opened("file", "x");
    refused("EFBIG", () => withFileSizeLimit(1000, () => ftruncate(fd, 1001)));
    withFileSizeLimit(1000, () => ftruncate(fd, 1000));
    assert.equal(fstatSync(fd).size, 1000);
  },
});

export const sizes = group("size", {
  "a byte at the end of the longest file is written and read": (s) => {
    const fd = s.opened("file");
    const last = s.facts.maxFileSize - 1;
    pwrite(fd, "z", last);
    assert.equal(fstatSync(fd).size, s.facts.maxFileSize);
    assert.equal(pread(fd, 5, last).toString(), "z");
    allBytes(pread(fd, 100, last - 100), 0);
    ftruncate(fd, 0);
    assert.equal(fstatSync(fd).blocks, 0);
  },
  "EFBIG for a write that begins beyond the longest file, and one that ends there is short": (s) => {
    const fd = s.opened("file");
    const { maxFileSize } = s.facts;
    refused("EFBIG", () => pwrite(fd, "z", maxFileSize));
    assert.equal(pwrite(fd, "0123456789", maxFileSize - 3), 3);
    ftruncate(fd, 0);
  },
  "EFBIG for a direct write beyond the longest file": (s) => {
    const fd = s.open(s.file("file"), O.RDWR | O.DIRECT);
    const page = Math.ceil(s.facts.maxFileSize / 4096) * 4096;
    refused("EFBIG", () => pwrite(fd, aligned(4096), page));
    assert.equal(fstatSync(fd).size, 0);
  },
  "EFBIG for a write beyond the process's limit, and one that ends there is short": (s) => {
    const fd = s.opened("file");
    const short = withFileSizeLimit(1000, () => pwrite(fd, "x".repeat(100), 950));
    assert.equal(short, 50);
    refused("EFBIG", () => withFileSizeLimit(1000, () => pwrite(fd, "x", 1000)));
    assert.equal(fstatSync(fd).size, 1000);
  },
  "bytes far apart keep their places": (s) => {
    const fd = s.opened("file");
    // Direct, single, double and triple indirect blocks, whatever the block size; all below 16 GiB.
    const places = [0, 11, 13, 300, 1030, 70_000, 1_100_000, 2_000_000].map((block) => block * s.facts.blockSize + 7);
    for (const [i, place] of places.entries()) pwrite(fd, `mark ${i}`, place);
    for (const [i, place] of places.entries()) assert.equal(pread(fd, 6, place).toString(), `mark ${i}`);
    for (const place of places) allBytes(pread(fd, 7, place - 7), 0);
    ftruncate(fd, places[4]! + 6);
    assert.equal(pread(fd, 6, places[4]!).toString(), "mark 4");
    ftruncate(fd, 0);
    assert.equal(fstatSync(fd).blocks, 0);
  },
  "i_blocks counts data and the blocks that map it": needing([Needs.noExtents], async (s) => {
    const fd = s.opened("file");
    const unit = s.facts.blockSize / 512;
    const pointers = s.facts.blockSize / 4;
    for (const [block, blocks] of [
      [0, 1],
      [12, 3],
      [12 + pointers, 6],
    ] as const) {
      pwrite(fd, "x", block * s.facts.blockSize);
      fsyncSync(fd);
      await s.soon(() => assert.equal(fstatSync(fd).blocks, blocks * unit));
    }
  }),
  "i_blocks follows what is written": needing(Needs.noInlineData, async (s) => {
    const fd = s.opened("file");
    for (let i = 1; i <= 4; i++) {
      assert.ok(fstatSync(fd).blocks <= ((i - 1) * s.facts.clusterSize) / 512);
      pwrite(fd, Buffer.alloc(s.facts.clusterSize, i), (i - 1) * s.facts.clusterSize);
      fsyncSync(fd);
      await s.soon(() => assert.equal(fstatSync(fd).blocks, (i * s.facts.clusterSize) / 512));
    }
  }),
  "a thousand pieces with holes between them": (s) => {
    const fd = s.opened("file");
    const { blockSize } = s.facts;
    for (let i = 0; i < 1000; i++) pwrite(fd, `${i}`, 2 * i * blockSize);
    for (let i = 0; i < 1000; i += 7) {
      assert.equal(pread(fd, String(i).length, 2 * i * blockSize).toString(), `${i}`);
      allBytes(pread(fd, blockSize, (2 * i + 1) * blockSize).subarray(0, blockSize), 0);
    }
    for (let i = 999; i >= 0; i -= 100) ftruncate(fd, 2 * i * blockSize);
    ftruncate(fd, 0);
    assert.equal(fstatSync(fd).blocks, 0);
  },
  "many small files": (s) => {
    mkdirSync(s.path("many"));
    for (let i = 0; i < 500; i++) s.file(`many/${i}`, "y".repeat(i));
    for (let i = 0; i < 500; i += 13) assert.equal(lstatx(s.path("many", `${i}`)).size, i);
  },
});
