// Oracle: what fuse-iomap promises of a server that is gone, stalls or lies, and of devices that fail.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type FileIdentity, IoFlag, type IomapFile } from "@bulkhead/iomap";
import { bench, BLOCK as SMALL } from "./block-server.js";
import { pattern } from "./data.js";
import { BLOCK, inline, mapped, NONE, plain, stage, unwritten } from "./scripted-server.js";

const EIO = 5;
const ENOTCONN = 107;
const ECONNABORTED = 103;
const EUCLEAN = 117;
const EROFS = 30;
const EOPNOTSUPP = 95;

type File = IomapFile<FileIdentity>;

const everything: [string, (file: File) => number][] = [
  ["read", (file) => file.read(0, new Uint8Array(10))],
  ["readDirect", (file) => file.readDirect(0, new Uint8Array(512))],
  ["write", (file) => file.write(0, new Uint8Array(10))],
  ["writeDirect", (file) => file.writeDirect(0, new Uint8Array(10))],
  ["flush", (file) => file.flush()],
  ["fsync", (file) => file.fsync()],
  ["truncate", (file) => file.truncate(5)],
  ["fallocate", (file) => file.fallocate(0, 0, 10)],
  ["zero", (file) => file.zero(0, 10)],
  ["unshare", (file) => file.unshare(0, 10)],
  ["seek", (file) => file.seek(0, "data")],
  ["fiemap", (file) => file.fiemap(0, 10, 0, () => true)],
  ["bmap", (file) => file.bmap(0)],
  ["copyRange", (file) => file.copyRange(0, file, BLOCK, 10)],
];

for (const [how, leave] of [
  ["is gone", () => -ENOTCONN],
  ["gave the connection up", () => -ECONNABORTED],
  [
    "cannot be talked to any more",
    () => {
      throw new Error("the socket is closed");
    },
  ],
] as const) {
  test(`a server that ${how} is asked nothing more: everything fails with EIO, and dirty data goes`, () => {
    const at = stage();
    at.server.answers = [plain([mapped, 0, 4 * BLOCK, 0, 1])];
    assert.equal(at.file.write(0, new Uint8Array(2 * BLOCK)), 2 * BLOCK);
    at.server.onBegin = () => {
      at.server.answers = [leave()];
    };
    assert.equal(at.file.seek(0, "data"), -EIO);
    assert.ok(at.connection.isAborted);
    const asked = at.server.asked.length;
    for (const [name, act] of everything) assert.equal(act(at.file), -EIO, name);
    assert.equal(at.file.evict(), -EIO, "somebody is told of the lost data");
    assert.equal(at.file.dirtyBytes, 0);
    assert.equal(at.connection.close(), -EIO);
    assert.equal(at.server.asked.length, asked);
  });
}

test("a stalled server that is given up during a call fails that call and all others", () => {
  for (const [name, act] of everything.filter(([name]) => !/flush|fsync|copyRange/.test(name))) {
    const at = stage();
    at.server.answers = [plain([mapped, 0, 4 * BLOCK, 0, 1])];
    at.server.onBegin = () => at.connection.abort();
    at.server.sizeAnswer = (size) => {
      at.connection.abort();
      return size;
    };
    const result = act(at.file);
    const late = name === "bmap" ? 0 : -EIO;
    if (name !== "fallocate") assert.equal(result, late, name);
    if (name !== "fallocate") assert.ok(at.connection.isAborted, name);
  }
});

test("answers that are none become EUCLEAN", () => {
  for (const lie of [1, Number.NaN, 2 ** 60, -5000, 0.5]) {
    const at = stage({ size: 0 });
    at.server.answers = [lie];
    assert.equal(at.file.writeDirect(0, new Uint8Array(10)), -EUCLEAN, `begin ${lie}`);
    at.server.answers = [plain([unwritten, 0, BLOCK, 0, 1])];
    at.server.ioendAnswer = () => lie;
    const written = at.file.writeDirect(0, new Uint8Array(10));
    if (lie !== 1) assert.equal(written, -EUCLEAN, `ioend ${lie}`);
    at.server.fsyncAnswer = lie;
    assert.equal(at.file.fsync(), -EUCLEAN, `fsync ${lie}`);
    at.server.sizeAnswer = () => lie;
    if (lie !== 1) assert.equal(at.file.truncate(2), -EUCLEAN, `setSize ${lie}`);
  }
  const at = stage({}, { maxBytes: 1 << 20 });
  at.server.answers = [plain([mapped, 0, 4 * BLOCK, 0, 1])];
  at.server.sizeAnswer = () => (1 << 20) + 1;
  assert.equal(at.file.truncate(5), -EUCLEAN, "a size that no file has");
});

test("a server that allocates nothing, or one block at a time for ever, is broken off", () => {
  const at = stage({ size: 2 ** 40 });
  at.server.onBegin = (pos) => {
    at.server.answers = [plain([0, pos - (pos % BLOCK), BLOCK, -1, 0])];
  };
  assert.equal(at.file.writeDirect(0, new Uint8Array(10)), -EIO, "no place for data");
  assert.equal(at.file.write(0, new Uint8Array(10)), -EIO);
  assert.equal(at.file.seek(0, "data"), -EIO);
  at.server.asked.length = 0;
  assert.equal(at.file.zero(0, 2 ** 40), -EIO);
});

test("a device that fails in the middle of a read gives what came before, directly the error", () => {
  const made = bench({ run: 1, pageCache: { pageBytes: 4096, bytes: 1 << 20, readAhead: 0 } });
  const { file } = made;
  assert.equal(file.write(0, pattern(16 * SMALL)), 16 * SMALL);
  assert.equal(file.fsync(), 0);
  assert.equal(file.evict(), 0);
  const again = made.connection.open(made.inode, { size: 16 * SMALL, blockSize: SMALL });
  made.failReadsAt = 5 * SMALL;
  const target = new Uint8Array(16 * SMALL);
  assert.equal(again.readDirect(0, target), -EIO);
  const got = again.read(0, target);
  assert.ok(got > 0 && got < 16 * SMALL, `${got}`);
  assert.deepEqual(target.subarray(0, got), pattern(16 * SMALL).subarray(0, got));
  assert.equal(again.read(8 * SMALL, target.subarray(0, 10)), -EIO);
  made.failReadsAt = Infinity;
  assert.equal(again.read(0, target), 16 * SMALL, "and is read again when it works");
  assert.ok(made.errors.length > 0, "what the device threw is reported");
});

test("space that could not be written stays unwritten: nobody sees what was there", () => {
  for (const how of ["write", "writeDirect"] as const) {
    const made = bench();
    made.failWritesAt = 3 * SMALL;
    const written = made.file[how](0, pattern(8 * SMALL));
    assert.equal(how === "write" ? made.file.fsync() : written, -EIO);
    assert.equal(made.file.evict(), 0);
    assert.ok(made.server.contents(made.inode).every((byte) => byte !== 0xa5));
    assert.deepEqual(made.server.complaints, []);
  }
});

test("a full file system: what found space is written, the next error says the rest, and later it works", () => {
  const made = bench({ blocks: 8, run: 1 });
  assert.equal(made.file.write(0, pattern(16 * SMALL)), 8 * SMALL);
  assert.equal(made.file.write(8 * SMALL, pattern(SMALL)), -28);
  assert.equal(made.file.fsync(), 0);
  assert.deepEqual(made.server.contents(made.inode), pattern(16 * SMALL).subarray(0, 8 * SMALL));
  assert.equal(made.file.truncate(4 * SMALL), 0);
  assert.equal(made.file.writeDirect(4 * SMALL, pattern(2 * SMALL), IoFlag.sync), 2 * SMALL);
});

test("frozen files are read and not written; thawed they are", () => {
  const at = stage();
  at.server.answers = [plain([mapped, 0, 4 * BLOCK, 0, 1])];
  assert.equal(at.file.write(0, new Uint8Array(10)), 10);
  assert.equal(at.connection.freeze(0), -EOPNOTSUPP, "a server without it");
  Object.assign(at.server, { freeze: () => 0 });
  assert.equal(at.connection.freeze(0), 0);
  assert.equal(at.file.dirtyBytes, 0, "all was written back before");
  assert.equal(at.file.write(0, new Uint8Array(10)), -EROFS);
  assert.equal(at.file.truncate(0), -EROFS);
  assert.equal(at.file.read(0, new Uint8Array(10)), 10);
  assert.equal(at.connection.thaw(), 0);
  assert.equal(at.file.write(0, new Uint8Array(10)), 10);
});

test("a server that has a page dropped while it is asked for what belongs there does not get it dropped", () => {
  const at = stage({ size: 60 });
  at.server.data = pattern(60);
  const readInline = at.server.readInline.bind(at.server);
  at.server.readInline = (file, pos, target) => {
    at.file.invalidatePages();
    return readInline(file, pos, target);
  };
  at.server.answers = [
    [
      [inline, 0, BLOCK, NONE, 0],
      [mapped, 0, BLOCK, 5 * BLOCK, 1],
    ],
  ];
  assert.equal(at.file.write(50, pattern(20, 4)), 20);
  at.server.answers = [plain([mapped, 0, BLOCK, 5 * BLOCK, 1])];
  assert.equal(at.file.fsync(), 0);
  const want = new Uint8Array(70);
  want.set(pattern(60));
  want.set(pattern(20, 4), 50);
  assert.deepEqual(at.bytes.subarray(5 * BLOCK, 5 * BLOCK + 70), want);
});

test("memory stays bounded, whatever is written and cannot be", () => {
  const made = bench({ pageCache: { pageBytes: 4096, bytes: 64 * 1024, dirtyBytes: 16 * 1024 } });
  made.failWritesAt = 0;
  for (let n = 0; n < 100; n++) {
    assert.equal(made.file.write(n * 8192, pattern(8192)), 8192);
    assert.ok(made.file.dirtyBytes <= 24 * 1024, `${made.file.dirtyBytes}`);
  }
  assert.deepEqual(
    [made.file.flush(), made.file.flush()],
    [-EIO, -EIO],
    "nothing is dirty any more, and nobody was told",
  );
  assert.equal(made.file.fsync(), -EIO);
  assert.deepEqual([made.file.flush(), made.file.fsync()], [0, 0]);
});
