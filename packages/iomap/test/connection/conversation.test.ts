// Oracle: fuse-iomap's rules for when END and IOEND are sent, and with what in them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { IoendFlag, IoFlag, MappingFlag, Operation } from "@bulkhead/iomap";
import {
  BLOCK,
  delalloc,
  hole,
  inline,
  mapped,
  NONE,
  plain,
  pureOverwrite,
  type Slot,
  type Stage,
  stage,
  unwritten,
} from "./scripted-server.js";

const EIO = 5;
const ENOSPC = 28;
const ENOSYS = 38;
const { write, direct, writeback } = Operation;
const { append } = IoendFlag;

function ends(at: Stage) {
  return at.server.of("end").map(({ what: _, ...rest }) => rest);
}

function ioends(at: Stage) {
  return at.server.of("ioend").map(({ what: _, ...rest }) => rest);
}

test("END follows a reader only when the mapping wants it", () => {
  const at = stage();
  at.server.answers = [plain([mapped, 0, 4 * BLOCK, 0, 1])];
  at.file.read(0, new Uint8Array(5));
  at.file.readDirect(BLOCK, new Uint8Array(BLOCK));
  assert.deepEqual(ends(at), []);
  at.server.answers = [plain([mapped, 0, 4 * BLOCK, 0, 1, MappingFlag.wantEnd])];
  at.file.readDirect(BLOCK, new Uint8Array(5000));
  assert.deepEqual(ends(at), [
    { pos: BLOCK, count: 5000, written: 5000, operation: direct, type: mapped, flags: MappingFlag.wantEnd, dev: 1 },
  ]);
});

test("END follows a write that changes the size, that is short, or whose mapping wants it", () => {
  const at = stage({ size: 2 * BLOCK });
  at.server.answers = [plain([mapped, 0, 4 * BLOCK, 0, 1])];
  at.file.write(0, new Uint8Array(BLOCK));
  assert.deepEqual(ends(at), [], "a whole overwrite inside the file");
  at.file.write(BLOCK, new Uint8Array(BLOCK + 100));
  const { sizeChanged } = MappingFlag;
  const grown = { pos: BLOCK, count: BLOCK + 100, written: BLOCK + 100, operation: write, type: mapped, dev: 1 };
  assert.deepEqual(ends(at), [{ ...grown, flags: sizeChanged }]);
  const short = stage();
  short.server.answers = [plain([mapped, 0, 4 * BLOCK, 62 * BLOCK, 1])];
  assert.equal(short.file.writeDirect(0, new Uint8Array(3 * BLOCK)), -EIO);
  assert.equal(ends(short)[0]?.written, 0, "the device ends before the mapping");
  assert.equal(ends(short)[0]?.count, 3 * BLOCK);
});

test("END tells how far a write came that stopped on the way", () => {
  const at = stage({}, { pageCache: { pageBytes: 4096 } });
  at.server.answers = [plain([mapped, 0, 4 * BLOCK, 0, 1])];
  at.broken = true;
  assert.equal(at.file.write(0, new Uint8Array(BLOCK + 100)), BLOCK, "the second block cannot be completed");
  assert.deepEqual(ends(at), [
    { pos: 0, count: BLOCK + 100, written: BLOCK, operation: write, type: mapped, flags: 0, dev: 1 },
  ]);
});

test("END counts to the end of the mapping, and of the source where there is one", () => {
  const at = stage();
  const shared = MappingFlag.shared | MappingFlag.wantEnd;
  at.server.answers = [
    [
      [mapped, 0, 2 * BLOCK, 0, 1],
      [mapped, 0, 3 * BLOCK, 16 * BLOCK, 1, shared],
    ],
    [
      [hole, 0, 2 * BLOCK, NONE, 0],
      [mapped, 0, 4 * BLOCK, 16 * BLOCK, 1, shared],
    ],
  ];
  assert.equal(
    at.file.writeDirect(BLOCK, new Uint8Array(3 * BLOCK)),
    -117,
    "the second answer does not cover its byte",
  );
  assert.equal(ends(at)[0]?.count, BLOCK);
  const other = stage();
  other.server.answers = [
    [
      [hole, 0, 2 * BLOCK, NONE, 0],
      [mapped, 0, 4 * BLOCK, 16 * BLOCK, 1, shared],
    ],
  ];
  assert.equal(other.file.writeDirect(BLOCK, new Uint8Array(3 * BLOCK)), 3 * BLOCK);
  assert.equal(ends(other)[0]?.count, 3 * BLOCK, "a hole is no source");
});

test("END names the first id of a device that has two", () => {
  const at = stage();
  const device = at.connection.devices.get(1)!;
  assert.equal(at.connection.devices.add(device), 2);
  at.server.answers = [plain([mapped, 0, 4 * BLOCK, 0, 2, MappingFlag.wantEnd])];
  at.file.read(0, new Uint8Array(5));
  assert.equal(ends(at)[0]?.dev, 1);
});

test("END is asked once of a server that has none", () => {
  const at = stage();
  at.server.endAnswer = -ENOSYS;
  at.server.answers = [plain([mapped, 0, 4 * BLOCK, 0, 1, MappingFlag.wantEnd])];
  for (let n = 0; n < 3; n++) assert.equal(at.file.readDirect(0, new Uint8Array(512)), 512);
  assert.equal(ends(at).length, 1);
});

test("an error of END counts only where nothing was done", () => {
  const at = stage();
  at.server.endAnswer = -ENOSPC;
  at.server.answers = [plain([mapped, 0, 4 * BLOCK, 0, 1, MappingFlag.wantEnd])];
  assert.equal(at.file.readDirect(0, new Uint8Array(512)), 512);
  at.server.answers = [plain([delalloc, 0, 4 * BLOCK, NONE, 0, MappingFlag.wantEnd])];
  assert.equal(at.file.readDirect(0, new Uint8Array(512)), -EIO);
});

test("IOEND follows a direct write into unwritten space, a copy and what grows, and no plain overwrite", () => {
  const cases: [Slot, Slot, pos: number, flags: number | undefined][] = [
    [[mapped, 0, 4 * BLOCK, 0, 1], [pureOverwrite, 0, 4 * BLOCK, NONE, 0], 0, undefined],
    [[mapped, 0, 8 * BLOCK, 0, 1], [pureOverwrite, 0, 8 * BLOCK, NONE, 0], 4 * BLOCK, append],
    [[unwritten, 0, 4 * BLOCK, 0, 1], [pureOverwrite, 0, 4 * BLOCK, NONE, 0], 0, IoendFlag.unwritten],
    [[unwritten, 0, 8 * BLOCK, 0, 1], [pureOverwrite, 0, 8 * BLOCK, NONE, 0], 4 * BLOCK, IoendFlag.unwritten | append],
    [[mapped, 0, 4 * BLOCK, 0, 1], [mapped, 0, 4 * BLOCK, 8 * BLOCK, 1, MappingFlag.shared], 0, IoendFlag.shared],
    [[mapped, 0, 4 * BLOCK, 0, 1, MappingFlag.new], [pureOverwrite, 0, 4 * BLOCK, NONE, 0], 0, undefined],
  ];
  for (const [read, target, pos, flags] of cases) {
    const at = stage();
    at.server.answers = [[read, target]];
    assert.equal(at.file.writeDirect(pos, new Uint8Array(BLOCK + 10)), BLOCK + 10);
    const all = { error: 0, pos, written: BLOCK + 10, dev: 0, newAddr: NONE };
    assert.deepEqual(ioends(at), flags === undefined ? [] : [{ ...all, flags: flags | IoendFlag.direct }]);
  }
});

test("IOEND of write-back comes in the order of the file, neighbours as one", () => {
  const at = stage({ size: 10 * BLOCK });
  at.server.answers = [plain([unwritten, 0, 16 * BLOCK, 0, 1])];
  at.file.write(6 * BLOCK, new Uint8Array(100));
  at.file.write(BLOCK, new Uint8Array(BLOCK + 100));
  at.file.write(0, new Uint8Array(BLOCK));
  assert.deepEqual(ioends(at), [], "nothing has been written back");
  assert.equal(at.file.fsync(), 0);
  const flags = IoendFlag.writeback | IoendFlag.unwritten;
  assert.deepEqual(ioends(at), [
    { flags, error: 0, pos: 0, written: 3 * BLOCK, dev: 1, newAddr: 0 },
    { flags, error: 0, pos: 6 * BLOCK, written: BLOCK, dev: 1, newAddr: 6 * BLOCK },
  ]);
  assert.equal(at.server.asked.at(-1)?.what, "fsync");
});

test("IOEND of write-back ends with the file, whose last block is written whole, with zeros", () => {
  const at = stage({ size: 0 });
  at.server.answers = [plain([unwritten, 0, 16 * BLOCK, 0, 1])];
  at.file.write(0, new Uint8Array(BLOCK + 100).fill(1));
  assert.equal(at.file.flush(), 0);
  assert.equal(ioends(at)[0]?.written, BLOCK + 100);
  assert.deepEqual(at.bytes.subarray(BLOCK + 100, 2 * BLOCK), new Uint8Array(BLOCK - 100));
  assert.equal(at.bytes[2 * BLOCK], 0xa5, "no block behind it");
});

test("write-back reuses a mapping, and does not merge across a boundary or a gap on the device", () => {
  const at = stage({ size: 0 }, { pageCache: { pageBytes: 4096 } });
  at.server.answers = [plain([mapped, 0, 16 * BLOCK, 0, 1])];
  at.file.write(0, new Uint8Array(6 * BLOCK));
  const begins = at.server.of("begin").length;
  at.server.answers = [
    plain([mapped, 0, 2 * BLOCK, 0, 1]),
    plain([mapped, 2 * BLOCK, BLOCK, 2 * BLOCK, 1]),
    plain([mapped, 3 * BLOCK, BLOCK, 3 * BLOCK, 1, MappingFlag.boundary]),
    plain([mapped, 4 * BLOCK, 2 * BLOCK, 20 * BLOCK, 1]),
  ];
  assert.equal(at.file.flush(), 0);
  const asked = at.server.of("begin").slice(begins);
  assert.deepEqual(
    asked.map(({ pos, count, operation }) => [pos, count, operation]),
    [
      [0, 6 * BLOCK, writeback],
      [2 * BLOCK, 4 * BLOCK, writeback],
      [3 * BLOCK, 3 * BLOCK, writeback],
      [4 * BLOCK, 2 * BLOCK, writeback],
    ],
  );
  assert.deepEqual(
    ioends(at).map(({ pos, written, flags }) => [pos, written, flags]),
    [
      [0, 3 * BLOCK, IoendFlag.writeback | append],
      [3 * BLOCK, BLOCK, IoendFlag.writeback | IoendFlag.boundary | append],
      [4 * BLOCK, 2 * BLOCK, IoendFlag.writeback | append],
    ],
  );
});

test("data is on the device before the server hears of it", () => {
  for (const how of ["write", "writeDirect"] as const) {
    const at = stage({ size: 0 });
    at.server.answers = [plain([unwritten, 0, 16 * BLOCK, 0, 1])];
    const data = new Uint8Array(3 * BLOCK).fill(7);
    at.server.ioendAnswer = ({ pos, written }) => {
      assert.deepEqual(at.bytes.subarray(pos, pos + written), data.subarray(pos, pos + written));
      return pos + written;
    };
    assert.equal(at.file[how](0, data, IoFlag.sync), data.length);
    assert.equal(at.server.of("ioend").length, 1);
  }
});

test("APPEND goes by the size on disk, which only the answer moves, and never back", () => {
  const at = stage({ size: 0 });
  at.server.answers = [plain([mapped, 0, 16 * BLOCK, 0, 1])];
  at.server.ioendAnswer = () => 100;
  at.file.writeDirect(0, new Uint8Array(BLOCK));
  assert.deepEqual([at.file.size, at.file.diskSize], [BLOCK, 100]);
  at.server.ioendAnswer = () => 50;
  at.file.writeDirect(0, new Uint8Array(BLOCK));
  assert.deepEqual([at.file.size, at.file.diskSize], [BLOCK, 100]);
  at.server.ioendAnswer = () => 9 * BLOCK;
  at.file.writeDirect(0, new Uint8Array(BLOCK));
  at.file.writeDirect(0, new Uint8Array(BLOCK));
  assert.deepEqual(
    ioends(at).map(({ flags }) => flags),
    [1, 1, 1].map(() => IoendFlag.direct | append),
    "the last write was inside of what is on disk",
  );
});

test("IOEND is asked once of a server that has none; the size on disk goes by itself then", () => {
  const at = stage({ size: 0 });
  at.server.answers = [plain([unwritten, 0, 16 * BLOCK, 0, 1])];
  at.server.ioendAnswer = () => -ENOSYS;
  at.file.writeDirect(0, new Uint8Array(BLOCK));
  at.file.writeDirect(BLOCK, new Uint8Array(BLOCK));
  assert.equal(at.server.of("ioend").length, 1);
  assert.deepEqual([at.file.size, at.file.diskSize], [2 * BLOCK, 2 * BLOCK]);
});

test("a server that refuses an IOEND fails the write, and nothing has grown", () => {
  const at = stage({ size: 0 });
  at.server.answers = [plain([unwritten, 0, 16 * BLOCK, 0, 1])];
  at.server.ioendAnswer = () => -ENOSPC;
  assert.equal(at.file.writeDirect(0, new Uint8Array(BLOCK)), -ENOSPC);
  assert.deepEqual([at.file.size, at.file.diskSize], [0, 0]);
  at.file.write(0, new Uint8Array(BLOCK));
  assert.equal(at.file.fsync(), -ENOSPC, "write-back tells the next fsync");
  assert.equal(at.file.fsync(), 0, "once");
});

test("a device that fails is an IOEND with its error, which wins over the answer", () => {
  const at = stage();
  at.server.answers = [plain([mapped, 0, 16 * BLOCK, 0, 1])];
  at.broken = true;
  at.server.ioendAnswer = () => -ENOSPC;
  assert.equal(at.file.writeDirect(4 * BLOCK, new Uint8Array(BLOCK)), -EIO);
  const flags = IoendFlag.direct;
  assert.deepEqual(ioends(at), [{ flags, error: -EIO, pos: 4 * BLOCK, written: 0, dev: 0, newAddr: NONE }]);
  assert.equal(at.file.size, 4 * BLOCK);
  at.file.write(0, new Uint8Array(BLOCK));
  assert.equal(at.file.fsync(), -EIO);
  assert.equal(ioends(at).at(-1)?.error, -EIO);
  assert.equal(at.file.dirtyBytes, 0, "what cannot be written does not stay");
});

test("what write-back cannot map is an IOEND with the error alone; holes are skipped", () => {
  for (const [answer, error] of [
    [-ENOSPC, -ENOSPC],
    [plain([delalloc, 0, 4 * BLOCK, NONE, 0]), -EIO],
    [plain([inline, 0, BLOCK, NONE, 0]), -EIO],
  ] as const) {
    const at = stage({}, { pageCache: { pageBytes: 4096 } });
    at.server.answers = [plain([mapped, 0, 4 * BLOCK, 0, 1])];
    at.file.write(0, new Uint8Array(BLOCK));
    at.server.answers = [answer as [Slot, Slot]];
    assert.equal(at.file.fsync(), error);
    assert.deepEqual(ioends(at), [{ flags: 0, error, pos: 0, written: BLOCK, dev: 0, newAddr: NONE }]);
  }
  const at = stage();
  at.server.answers = [plain([mapped, 0, 4 * BLOCK, 0, 1])];
  at.file.write(0, new Uint8Array(BLOCK));
  at.server.answers = [plain([hole, 0, 4 * BLOCK, NONE, 0])];
  assert.equal(at.file.fsync(), 0);
  assert.deepEqual([ioends(at), at.io.filter(([what]) => what === "write")], [[], []]);
});

test("an error in the middle: a buffered write answers what it has done, a direct one the error", () => {
  for (const error of [-ENOSPC, -EIO]) {
    const buffered = stage();
    buffered.server.answers = [plain([mapped, 0, BLOCK, 0, 1]), error];
    assert.equal(buffered.file.write(0, new Uint8Array(3 * BLOCK)), BLOCK);
    const straight = stage();
    straight.server.answers = [plain([unwritten, 0, BLOCK, 0, 1]), error];
    assert.equal(straight.file.writeDirect(0, new Uint8Array(3 * BLOCK)), error);
    const flags = IoendFlag.direct | IoendFlag.unwritten;
    assert.deepEqual(ioends(straight), [{ flags, error, pos: 0, written: BLOCK, dev: 0, newAddr: NONE }]);
    const reader = stage();
    reader.server.answers = [plain([mapped, 0, BLOCK, 0, 1]), error];
    assert.equal(reader.file.readDirect(0, new Uint8Array(3 * BLOCK)), error);
  }
});

test("what the server does not do directly goes through the cache, unless the file was opened for direct I/O", () => {
  for (const error of [-ENOSYS, -15]) {
    const at = stage();
    at.server.onBegin = (_pos, _count, operation) => {
      at.server.answers = [(operation & direct) !== 0 ? error : plain([mapped, 0, 4 * BLOCK, 0, 1])];
    };
    at.bytes.fill(3);
    const target = new Uint8Array(BLOCK);
    assert.equal(at.file.readDirect(0, target), BLOCK);
    assert.equal(target[100], 3);
    assert.equal(at.file.writeDirect(100, new Uint8Array(50).fill(9)), 50);
    assert.equal(at.bytes[120], 9, "and is on the device at once");
    assert.equal(at.file.readDirect(0, target, IoFlag.directOnly), -EIO);
    assert.equal(at.file.writeDirect(0, target, IoFlag.directOnly), -EIO);
  }
});
