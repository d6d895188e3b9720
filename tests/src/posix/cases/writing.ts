/** write(2), pwrite(2), O_APPEND, O_DIRECT, O_SYNC; read(2); maps of files. */
import assert from "node:assert/strict";
import { fdatasyncSync, fstatSync, fsyncSync, readFileSync, unlinkSync, writevSync } from "node:fs";
import { ftruncate, lstatx, MemoryMap, Protection, RWF, seekHole, truncate } from "@bulkhead/linux";
import { aligned, O, pread, preadInto, pwrite, pwriteWith, read, write } from "../calls.js";
import { group, needing } from "../case.js";
import { allBytes, refused, touched } from "../expect.js";
import { Needs } from "../facts.js";
import { ALICE, as } from "../identities.js";

const PAGE = 4096;
/** Enough for any device's logical blocks. */
const SECTOR = 4096;

export const writing = group("write", {
  "moves the file position and grows the file": (s) => {
    const fd = s.opened("file");
    assert.equal(write(fd, "one "), 4);
    assert.equal(write(fd, "two"), 3);
    assert.equal(pread(fd, 10, 0).toString(), "one two");
    assert.equal(fstatSync(fd).size, 7);
  },
  "pwrite moves no file position": (s) => {
    const fd = s.opened("file", "0123456789");
    pwrite(fd, "x", 5);
    assert.equal(read(fd, 10).toString(), "01234x6789");
  },
  "over the middle leaves the rest": (s) => {
    const fd = s.opened("file", Buffer.alloc(20_000, 0x61));
    pwrite(fd, Buffer.alloc(7_000, 0x62), 5_001);
    const bytes = readFileSync(s.path("file"));
    allBytes(bytes.subarray(0, 5_001), 0x61);
    allBytes(bytes.subarray(5_001, 12_001), 0x62);
    allBytes(bytes.subarray(12_001), 0x61);
  },
  "beyond the end leaves a hole of zeros": (s) => {
    const fd = s.opened("file", "x");
    pwrite(fd, "y", 100_000);
    const bytes = readFileSync(s.path("file"));
    assert.equal(bytes.length, 100_001);
    allBytes(bytes.subarray(1, 100_000), 0);
    assert.equal(bytes[100_000], 0x79);
  },
  "beyond the end, within the last block, leaves zeros": (s) => {
    const fd = s.opened("file", "x".repeat(100));
    ftruncate(fd, 10);
    pwrite(fd, "y", 50);
    allBytes(pread(fd, 40, 10), 0);
  },
  "large pieces are written whole": (s) => {
    const fd = s.opened("file");
    const bytes = Buffer.alloc(3_000_001, "pattern");
    assert.equal(write(fd, bytes), bytes.length);
    assert.ok(readFileSync(s.path("file")).equals(bytes));
  },
  "a vector is written in order": (s) => {
    const fd = s.opened("file");
    assert.equal(writevSync(fd, [Buffer.from("one "), Buffer.from(""), Buffer.from("two")]), 7);
    assert.equal(pread(fd, 10, 0).toString(), "one two");
  },
  "two descriptors see each other's bytes": (s) => {
    const [a, b] = [s.opened("file"), s.open(s.path("file"), O.RDWR)];
    write(a, "from a");
    assert.equal(read(b, 10).toString(), "from a");
    pwrite(b, "F", 0);
    assert.equal(pread(a, 6, 0).toString(), "From a");
  },
  "every length from nothing to beyond an inode's room": (s) => {
    for (let length = 0; length <= 300; length += 7) {
      const path = s.file(`file-${length}`, "z".repeat(length));
      assert.equal(lstatx(path).size, length);
      allBytes(readFileSync(path), 0x7a);
    }
  },
  "a file grows byte by byte past an inode's room and past a block": (s) => {
    const fd = s.opened("file");
    for (let i = 0; i < 1500; i++) pwrite(fd, String.fromCharCode(97 + (i % 26)), i);
    const bytes = readFileSync(s.path("file"), "latin1");
    assert.equal(bytes.length, 1500);
    for (let i = 0; i < 1500; i++) assert.equal(bytes.charCodeAt(i), 97 + (i % 26));
    ftruncate(fd, 30);
    assert.equal(readFileSync(s.path("file"), "latin1"), bytes.slice(0, 30));
    pwrite(fd, "end", 200);
    allBytes(pread(fd, 170, 30), 0);
  },
  "EINVAL for a negative position": (s) => refused("EINVAL", () => pwrite(s.opened("file"), "x", -1)),
  "EFAULT for memory that is not there changes nothing": (s) => {
    const path = s.file("file", "x");
    truncate(path, 1);
    const fd = s.open(path, O.RDWR);
    const map = new MemoryMap(fd, 2 * PAGE, Protection.READ);
    s.defer(() => map.unmap());
    refused("EFAULT", () => map.writeTo(fd, PAGE, 100));
    assert.equal(fstatSync(fd).size, 1);
  },
});

export const appending = group("O_APPEND", {
  "writes at the end, wherever the position is": (s) => {
    const fd = s.open(s.file("file", "start"), O.RDWR | O.APPEND);
    read(fd, 2);
    write(fd, "+one");
    pwrite(s.open(s.path("file"), O.WRONLY), "!", 20);
    write(fd, "+two");
    assert.equal(readFileSync(s.path("file"), "latin1"), "start+one\0\0\0\0\0\0\0\0\0\0\0!+two");
  },
  "pwrite goes to the end as well, as on every Linux": (s) => {
    const fd = s.open(s.file("file", "start"), O.RDWR | O.APPEND);
    pwrite(fd, "x", 0);
    assert.equal(readFileSync(s.path("file"), "latin1"), "startx");
  },
  "two writers lose nothing": (s) => {
    const path = s.file("file");
    const writers = [s.open(path, O.WRONLY | O.APPEND), s.open(path, O.WRONLY | O.APPEND)];
    for (let i = 0; i < 100; i++) write(writers[i % 2]!, `${i % 10}`);
    assert.equal(readFileSync(path, "latin1"), "0123456789".repeat(10));
  },
  "after a truncation the end is the new one": (s) => {
    const fd = s.open(s.file("file", "0123456789"), O.RDWR | O.APPEND);
    truncate(s.path("file"), 4);
    write(fd, "x");
    assert.equal(readFileSync(s.path("file"), "latin1"), "0123x");
  },
  "RWF_APPEND does the same for one write": (s) => {
    const fd = s.opened("file", "start");
    pwriteWith(fd, "+", 0, RWF.APPEND);
    assert.equal(readFileSync(s.path("file"), "latin1"), "start+");
  },
});

export const direct = group("O_DIRECT", {
  "writes and reads aligned blocks": (s) => {
    const fd = s.open(s.path("file"), O.RDWR | O.CREAT | O.DIRECT);
    assert.equal(pwrite(fd, aligned(4 * SECTOR, 0x61), 0), 4 * SECTOR);
    const bytes = aligned(4 * SECTOR);
    assert.equal(preadInto(fd, bytes, 0), 4 * SECTOR);
    allBytes(bytes, 0x61);
  },
  "is seen through the page cache, and sees it": (s) => {
    const path = s.file("file", Buffer.alloc(4 * SECTOR, 0x61));
    const fd = s.open(path, O.RDWR | O.DIRECT);
    readFileSync(path);
    pwrite(fd, aligned(SECTOR, 0x62), SECTOR);
    allBytes(readFileSync(path).subarray(SECTOR, 2 * SECTOR), 0x62);
    pwrite(s.open(path, O.WRONLY), Buffer.alloc(SECTOR, 0x63), 2 * SECTOR);
    const bytes = aligned(SECTOR);
    preadInto(fd, bytes, 2 * SECTOR);
    allBytes(bytes, 0x63);
  },
  "grows the file, and leaves holes of zeros": (s) => {
    const fd = s.open(s.path("file"), O.RDWR | O.CREAT | O.DIRECT);
    pwrite(fd, aligned(SECTOR, 0x61), 8 * SECTOR);
    assert.equal(fstatSync(fd).size, 9 * SECTOR);
    allBytes(readFileSync(s.path("file")).subarray(0, 8 * SECTOR), 0);
  },
  "reads up to the end of a file that ends within a block": (s) => {
    const fd = s.open(s.file("file", "x".repeat(SECTOR + 100)), O.RDONLY | O.DIRECT);
    assert.equal(preadInto(fd, aligned(4 * SECTOR), 0), SECTOR + 100);
    assert.equal(preadInto(fd, aligned(4 * SECTOR), 2 * SECTOR), 0);
  },
  "writes into a hole between blocks": (s) => {
    const path = s.file("file", Buffer.alloc(SECTOR, 0x61));
    truncate(path, 6 * SECTOR);
    pwrite(s.open(path, O.RDWR | O.DIRECT), aligned(SECTOR, 0x62), 3 * SECTOR);
    const bytes = readFileSync(path);
    allBytes(bytes.subarray(SECTOR, 3 * SECTOR), 0);
    allBytes(bytes.subarray(3 * SECTOR, 4 * SECTOR), 0x62);
    allBytes(bytes.subarray(4 * SECTOR), 0);
  },
});

export const synchronous = group("O_SYNC", {
  "each write is there, size and all": (s) => {
    for (const flag of [O.SYNC, O.DSYNC]) {
      const fd = s.open(s.path(`file-${flag}`), O.RDWR | O.CREAT | flag);
      for (let i = 0; i < 10; i++) write(fd, "0123456789");
      assert.equal(fstatSync(fd).size, 100);
      assert.equal(readFileSync(s.path(`file-${flag}`), "latin1"), "0123456789".repeat(10));
    }
  },
  "RWF_SYNC and RWF_DSYNC do the same for one write": (s) => {
    const fd = s.opened("file");
    pwriteWith(fd, "one", 0, RWF.SYNC);
    pwriteWith(fd, "two", 3, RWF.DSYNC);
    assert.equal(readFileSync(s.path("file"), "latin1"), "onetwo");
  },
});

export const reading = group("read", {
  "stops at the end of the file, and gives nothing beyond": (s) => {
    const fd = s.opened("file", "0123");
    assert.equal(pread(fd, 100, 2).toString(), "23");
    assert.equal(pread(fd, 100, 4).length, 0);
    assert.equal(pread(fd, 100, 1_000_000).length, 0);
  },
  "any piece of a file": (s) => {
    const bytes = Buffer.alloc(60_000);
    for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 7) & 255;
    const fd = s.opened("file", bytes);
    for (const [position, length] of [
      [0, 1],
      [1023, 2],
      [4095, 4098],
      [30_000, 30_000],
      [59_999, 1],
    ] as const) {
      assert.ok(pread(fd, length, position).equals(bytes.subarray(position, position + length)));
    }
  },
  "zeros from a hole": (s) => {
    const path = s.file("file");
    truncate(path, 50_000);
    allBytes(readFileSync(path), 0);
    assert.equal(readFileSync(path).length, 50_000);
  },
  "EINVAL for a negative position": (s) => refused("EINVAL", () => pread(s.opened("file", "x"), 1, -1)),
});

export const mapping = group("mmap", {
  "what is written to a shared map is in the file": (s) => {
    const fd = s.opened("file", Buffer.alloc(3 * PAGE, 0x61));
    const map = new MemoryMap(fd, 3 * PAGE, Protection.READ | Protection.WRITE);
    map.write(PAGE - 2, Buffer.from("across"));
    assert.equal(pread(fd, 6, PAGE - 2).toString(), "across");
    map.sync();
    map.unmap();
    assert.equal(readFileSync(s.path("file")).toString("latin1", PAGE - 2, PAGE + 4), "across");
  },
  "what is written to the file is in the map": (s) => {
    const fd = s.opened("file", Buffer.alloc(2 * PAGE, 0x61));
    const map = new MemoryMap(fd, 2 * PAGE, Protection.READ);
    s.defer(() => map.unmap());
    map.read(0, 1);
    pwrite(fd, "changed", PAGE + 1);
    assert.equal(Buffer.from(map.read(PAGE + 1, 7)).toString(), "changed");
  },
  "a private map changes no file": (s) => {
    const fd = s.opened("file", Buffer.alloc(PAGE, 0x61));
    const map = new MemoryMap(fd, PAGE, Protection.READ | Protection.WRITE, 0, true);
    map.write(0, Buffer.from("mine"));
    map.unmap();
    assert.equal(pread(fd, 4, 0).toString(), "aaaa");
  },
  "a map is written into a hole": (s) => {
    const fd = s.opened("file");
    ftruncate(fd, 8 * PAGE);
    const map = new MemoryMap(fd, 8 * PAGE, Protection.READ | Protection.WRITE);
    map.write(5 * PAGE, Buffer.from("here"));
    map.sync();
    map.unmap();
    assert.equal(pread(fd, 4, 5 * PAGE).toString(), "here");
    allBytes(pread(fd, 5 * PAGE, 0), 0);
  },
  "the end of the last page is zero, and stays out of the file": (s) => {
    const fd = s.opened("file", "0123456789");
    const map = new MemoryMap(fd, PAGE, Protection.READ | Protection.WRITE);
    allBytes(map.read(10, PAGE - 10), 0);
    map.write(10, Buffer.from("beyond"));
    map.sync();
    map.unmap();
    assert.equal(fstatSync(fd).size, 10);
    ftruncate(fd, 20);
    fsyncSync(fd);
    allBytes(pread(fd, 10, 10), 0);
  },
  "a map outlives its descriptor and its name": (s) => {
    const fd = s.opened("file", Buffer.alloc(PAGE, 0x61));
    const map = new MemoryMap(fd, PAGE, Protection.READ | Protection.WRITE);
    unlinkSync(s.path("file"));
    s.close(fd);
    map.write(0, Buffer.from("still"));
    map.sync();
    assert.equal(Buffer.from(map.read(0, 5)).toString(), "still");
    map.unmap();
  },
  "writing through a map changes mtime and ctime": async (s) => {
    const fd = s.opened("file", Buffer.alloc(PAGE, 0x61));
    fsyncSync(fd);
    const map = new MemoryMap(fd, PAGE, Protection.READ | Protection.WRITE);
    map.read(0, 1); // or the first write may be the first read as well
    const changed = await touched(s, s.path("file"), () => {
      map.write(0, Buffer.from("x"));
      map.sync();
    });
    map.unmap();
    assert.equal(changed, "mtime ctime");
  },
  "reading the file after the map was cut": (s) => {
    const fd = s.opened("file", Buffer.alloc(4 * PAGE, 0x61));
    const map = new MemoryMap(fd, 4 * PAGE, Protection.READ | Protection.WRITE);
    map.write(0, Buffer.alloc(4 * PAGE, 0x62));
    ftruncate(fd, PAGE + 5);
    allBytes(map.read(PAGE + 5, PAGE - 5), 0);
    map.unmap();
    ftruncate(fd, 4 * PAGE);
    allBytes(pread(fd, 3 * PAGE, PAGE + 5), 0);
    allBytes(pread(fd, PAGE + 5, 0), 0x62);
  },
  "EACCES for a shared writable map of what is open for reading": (s) => {
    const fd = s.open(s.file("file", "x"), O.RDONLY);
    refused("EACCES", () => new MemoryMap(fd, PAGE, Protection.READ | Protection.WRITE));
  },
  "EINVAL for a position within a page": (s) => {
    refused("EINVAL", () => new MemoryMap(s.opened("file", "x"), PAGE, Protection.READ, 100));
  },
  "ENODEV for a directory": (s) => {
    refused("ENODEV", () => new MemoryMap(s.open(s.folder("folder"), O.RDONLY), PAGE, Protection.READ));
  },
});

export const syncing = group("fsync", {
  "and fdatasync of files, written and not, and of directories": (s) => {
    const fd = s.opened("file", "x");
    fsyncSync(fd);
    write(fd, "y");
    fdatasyncSync(fd);
    fsyncSync(fd);
    s.file("folder-file");
    const folder = s.open(s.directory, O.RDONLY | O.DIRECTORY);
    fsyncSync(folder);
    fdatasyncSync(folder);
  },
  "of a descriptor open for reading, of a file without a name": (s) => {
    const fd = s.open(s.file("file", "x"), O.RDONLY);
    unlinkSync(s.path("file"));
    fsyncSync(fd);
  },
  "by someone else than who wrote": (s) => {
    const path = s.file("file", "x", 0o666);
    as(ALICE, () => fsyncSync(s.open(path, O.WRONLY)));
  },
  "makes a delayed block a real one": needing(Needs.noInlineData, (s) => {
    const fd = s.opened("file");
    write(fd, "x");
    fsyncSync(fd);
    assert.equal(fstatSync(fd).blocks, s.facts.clusterSize / 512);
    assert.equal(seekHole(fd, 0), 1);
  }),
});
