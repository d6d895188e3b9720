// Oracle: counters, and fuse-iomap's list of what invalidates the mapping cache.
import assert from "node:assert/strict";
import { test } from "node:test";
import { FallocateMode, IoFlag, Operation } from "@bulkhead/iomap";
import { bench, BLOCK as SMALL } from "./block-server.js";
import { pattern } from "./data.js";
import {
  BLOCK,
  hole,
  mapped,
  NONE,
  noCache,
  plain,
  retryCache,
  type Slot,
  stage,
  unwritten,
  upsert,
} from "./scripted-server.js";

const EAGAIN = 11;
const EINTR = 4;
const EUCLEAN = 117;

test("reading again, and overwriting, asks the server nothing", () => {
  const { server, file, connection, inode } = bench({ caches: true, run: 64 });
  const data = pattern(200 * SMALL);
  assert.equal(file.write(0, data), data.length);
  assert.equal(file.fsync(), 0);
  const target = new Uint8Array(data.length);
  assert.equal(file.readDirect(0, target), data.length);
  const before = server.count("begin");
  for (let round = 1; round <= 3; round++) {
    assert.equal(file.readDirect(0, target), data.length);
    assert.equal(file.read(0, target), data.length);
    const more = pattern(data.length, round);
    assert.equal(file.writeDirect(0, more), data.length);
    assert.equal(file.write(100, more.subarray(0, 3000)), 3000);
    assert.equal(file.flush(), 0);
    assert.equal(file.readDirect(100, target.subarray(0, 3000)), 3000);
    assert.deepEqual(target.subarray(0, 3000), more.subarray(0, 3000));
  }
  assert.equal(server.count("begin"), before, "all of it came from the cache");
  assert.equal(connection.counters.begins, before);
  assert.deepEqual(server.complaints, []);
  assert.equal(server.contents(inode).length, data.length);
});

test("1 GiB written in sequence takes one begin per mapping, however it is written", () => {
  const GIB = 2 ** 30;
  const MAPPING = 128 * 2 ** 20;
  for (const how of ["streamIn", "writeDirect", "write"] as const) {
    const at = stage({ size: 0 }, {}, { size: GIB, write: () => {}, read: (_, target) => target.fill(0) });
    at.server.onBegin = (pos, _count, operation) => {
      const first = pos - (pos % MAPPING);
      const slot: Slot = [unwritten, first, MAPPING, first, 1];
      if (how === "streamIn") {
        at.server.answers = [plain(slot)];
        return;
      }
      assert.equal(upsert(at, slot, [noCache, first, MAPPING, NONE, 0]), 0);
      const retry: Slot = [retryCache, first, MAPPING, NONE, 0];
      at.server.answers = [[retry, retry]];
      assert.ok((operation & (Operation.write | Operation.writeback)) !== 0);
    };
    const buffer = new Uint8Array(8 << 20);
    if (how === "streamIn") {
      assert.equal(
        at.file.streamIn(0, GIB, buffer, (target) => target.length),
        GIB,
      );
    } else {
      for (let pos = 0; pos < GIB; pos += buffer.length) assert.equal(at.file[how](pos, buffer), buffer.length);
      assert.equal(at.file.fsync(), 0);
    }
    assert.ok(at.connection.counters.begins <= 8, `${how}: ${at.connection.counters.begins}`);
    assert.equal(at.file.diskSize, GIB);
  }
});

const good: Slot = [mapped, 0, 16 * BLOCK, 0, 1];
const none: Slot = [noCache, 0, BLOCK, NONE, 0];
const retry: Slot = [retryCache, 0, 16 * BLOCK, NONE, 0];

test("a server that says to look again is asked again when there is nothing, until it is plain that there never will be", () => {
  const at = stage();
  assert.equal(upsert(at, [hole, 1 << 20, BLOCK, NONE, 0], none), 0);
  let asked = 0;
  at.server.onBegin = () => {
    if (++asked === 3) assert.equal(upsert(at, good, none), 0);
  };
  at.server.answers = [[retry, retry]];
  assert.equal(at.file.readDirect(0, new Uint8Array(512)), 512);
  assert.equal(asked, 3);
  const liar = stage();
  assert.equal(upsert(liar, [hole, 1 << 20, BLOCK, NONE, 0], none), 0);
  liar.server.answers = [[retry, retry]];
  assert.equal(liar.file.readDirect(0, new Uint8Array(512)), -EUCLEAN);
  const impatient = stage({}, { isInterrupted: () => true });
  assert.equal(upsert(impatient, [hole, 1 << 20, BLOCK, NONE, 0], none), 0);
  impatient.server.answers = [[retry, retry]];
  assert.equal(impatient.file.readDirect(0, new Uint8Array(512)), -EINTR);
  assert.equal(impatient.server.of("begin").length, 1);
});

test("who must not wait gets what is cached, and never an upcall", () => {
  const at = stage();
  at.server.answers = [plain(good)];
  assert.equal(at.file.readDirect(0, new Uint8Array(512), IoFlag.nowait), -EAGAIN);
  assert.equal(at.file.read(0, new Uint8Array(512), IoFlag.nowait), -EAGAIN);
  assert.equal(at.file.write(0, new Uint8Array(512), IoFlag.nowait), -EAGAIN);
  assert.equal(at.file.writeDirect(0, new Uint8Array(512), IoFlag.nowait), -EAGAIN);
  assert.equal(at.server.asked.filter(({ what }) => what === "begin").length, 0);
  assert.equal(upsert(at, good, none), 0);
  assert.equal(at.file.readDirect(0, new Uint8Array(512), IoFlag.nowait), 512);
  assert.equal(at.file.write(0, new Uint8Array(512), IoFlag.nowait), 512);
});

test("what invalidates the cached mappings, one by one", () => {
  const { keepSize, punchHole } = FallocateMode;
  const END = 8 * BLOCK;
  type At = ReturnType<typeof stage>;
  const cases: [string, (at: At) => unknown, dropped: number[], kept: number[]][] = [
    ["truncate", ({ file }) => file.truncate(5 * BLOCK + 1), [5, 6, 7], [0, 4]],
    ["extending fallocate", ({ file }) => file.fallocate(0, 6 * BLOCK, 4 * BLOCK), [6, 7], [0, 5]],
    ["fallocate", ({ file }) => file.fallocate(punchHole | keepSize, 2 * BLOCK, BLOCK), [2], [1, 3]],
    ["an open that truncates", ({ file }) => file.truncatedAtOpen(), [0, 7], []],
    [
      "the server",
      ({ connection }) => connection.invalidate(7, 70, { offset: BLOCK, length: BLOCK }, { offset: 0, length: 0 }),
      [1],
      [0, 2],
    ],
    ["the target of a copy", ({ file }) => file.copyRange(0, file, 4 * BLOCK, BLOCK), [4], [0, 3, 5]],
    [
      "an ioend of unwritten space",
      (at) => {
        upsert(at, [unwritten, 3 * BLOCK, BLOCK, 30 * BLOCK, 1], none);
        at.file.writeDirect(3 * BLOCK, new Uint8Array(BLOCK));
      },
      [3],
      [2, 4],
    ],
    [
      "no plain overwrite, direct or not",
      ({ file }) => {
        file.writeDirect(0, new Uint8Array(BLOCK));
        file.write(2 * BLOCK, new Uint8Array(BLOCK));
        file.flush();
      },
      [],
      [0, 1, 2, 3],
    ],
  ];
  for (const [name, act, dropped, kept] of cases) {
    const at = stage({ size: END });
    at.server.answers = [plain([mapped, 0, END, 0, 1])];
    assert.equal(upsert(at, [mapped, 0, END, 0, 1], none), 0);
    act(at);
    const asks = (block: number) => {
      const before = at.connection.counters.begins;
      at.server.answers = [plain([hole, block * BLOCK, BLOCK, NONE, 0])];
      at.file.fiemap(block * BLOCK, BLOCK, 0, () => true);
      return at.connection.counters.begins > before;
    };
    for (const block of dropped) assert.ok(asks(block), `${name}: ${block} is dropped`);
    for (const block of kept) assert.ok(!asks(block), `${name}: ${block} is kept`);
  }
});

test("a mapping that changes between lookup and use is looked up again, and nothing goes where it was", () => {
  const pages = { pageCache: { pageBytes: 4096, bytes: 8 * 4096, dirtyBytes: 4096 } };
  const at = stage({ size: 16 * BLOCK }, pages);
  assert.equal(upsert(at, good, none), 0);
  let moved = false;
  // Dirty pages are written back while a long write goes on; then the server moves the second half elsewhere.
  at.server.ioendAnswer = ({ pos, written }) => pos + written;
  const device = at.connection.devices.get(1)!;
  const write = device.write!.bind(device);
  device.write = (offset, source) => {
    if (!moved) {
      moved = true;
      assert.equal(upsert(at, [mapped, 8 * BLOCK, 8 * BLOCK, 40 * BLOCK, 1], none), 0);
    }
    write(offset, source);
  };
  assert.equal(at.file.write(0, new Uint8Array(16 * BLOCK).fill(5)), 16 * BLOCK);
  assert.equal(at.file.flush(), 0);
  assert.ok(at.connection.counters.stale > 0);
  assert.ok(at.bytes.subarray(40 * BLOCK, 48 * BLOCK).every((byte) => byte === 5));
  assert.ok(
    at.bytes.subarray(8 * BLOCK, 16 * BLOCK).every((byte) => byte === 0xa5),
    "nothing at the old place",
  );
  assert.equal(at.server.of("begin").length, 0);
});

test("what a long write has written back and evicted ahead of itself is not lost, whoever the mapping came from", () => {
  for (const caches of [false, true]) {
    const pageCache = { pageBytes: 4096, bytes: 8 * 4096, dirtyBytes: 4 * 4096 };
    const { file, server, inode } = bench({ caches, run: 64, pageCache });
    assert.equal(file.fallocate(0, 0, 64 * SMALL), 0);
    const last = 40 * SMALL;
    const old = pattern(SMALL, 1);
    assert.equal(file.write(last, old), SMALL);
    const data = pattern(last + 100, 2);
    assert.equal(file.write(0, data), data.length, "into space that is unwritten at its begin");
    assert.equal(file.fsync(), 0);
    const want = new Uint8Array(64 * SMALL);
    want.set(old, last);
    want.set(data);
    assert.deepEqual(server.contents(inode), want);
  }
});
