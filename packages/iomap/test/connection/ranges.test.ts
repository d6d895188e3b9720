// Oracle: a device full of old bytes that no reader may ever see, and fuse-iomap's sequences around SETATTR and FALLOCATE.
import assert from "node:assert/strict";
import { test } from "node:test";
import { FallocateMode, IoFlag, Operation } from "@bulkhead/iomap";
import { BLOCK, bench, STALE } from "./block-server.js";
import { pattern } from "./data.js";
import { hole, BLOCK as LARGE, mapped, NONE, plain, stage, unwritten } from "./scripted-server.js";

const { keepSize, punchHole, zeroRange, collapseRange, insertRange } = FallocateMode;
const EINVAL = 22;
const EUCLEAN = 117;
const EFBIG = 27;
const EPERM = 1;
const EOPNOTSUPP = 95;

function whole(file: ReturnType<typeof bench>["file"]): Uint8Array {
  const all = new Uint8Array(file.size);
  assert.equal(file.read(0, all), all.length);
  return all;
}

for (const allocation of ["unwritten", "new"] as const) {
  for (const how of ["write", "writeDirect"] as const) {
    test(`${how} into ${allocation} space: what is around the data reads as zeros`, () => {
      for (const [pos, length] of [
        [0, 1],
        [100, 50],
        [BLOCK - 1, 2],
        [3 * BLOCK + 7, 3 * BLOCK],
        [BLOCK, BLOCK],
      ] as const) {
        const { file, server, inode } = bench({ allocation });
        assert.equal(file[how](pos, pattern(length)), length);
        assert.equal(file.truncate(8 * BLOCK), 0);
        const want = new Uint8Array(8 * BLOCK);
        want.set(pattern(length), pos);
        assert.deepEqual(whole(file), want);
        assert.equal(file.fsync(), 0);
        assert.deepEqual(server.contents(inode), want, "on the disk, too");
      }
    });

    test(`${how} past the end of ${allocation} space: the gap reads as zeros`, () => {
      const { file, server, inode } = bench({ allocation });
      assert.equal(file[how](0, pattern(700)), 700);
      assert.equal(file[how](2 * BLOCK + 300, pattern(10)), 10);
      const want = new Uint8Array(2 * BLOCK + 310);
      want.set(pattern(700));
      want.set(pattern(10), 2 * BLOCK + 300);
      assert.deepEqual(whole(file), want);
      assert.equal(file.fsync(), 0);
      assert.deepEqual(server.contents(inode), want);
    });
  }
}

test("truncated down and up again, a file shows zeros and no old bytes", () => {
  const { file, server, inode } = bench();
  assert.equal(file.write(0, pattern(6 * BLOCK)), 6 * BLOCK);
  assert.equal(file.truncate(BLOCK + 100), 0);
  assert.equal(file.truncate(4 * BLOCK), 0);
  const want = new Uint8Array(4 * BLOCK);
  want.set(pattern(6 * BLOCK).subarray(0, BLOCK + 100));
  assert.deepEqual(whole(file), want);
  assert.deepEqual(server.contents(inode), want);
});

test("a direct overwrite that ends with the file leaves zeros behind it, one inside leaves what is there", () => {
  for (const alignment of [1, 512]) {
    const at = stage({ size: LARGE + 100 }, {}, { blockSize: alignment });
    at.server.answers = [plain([mapped, 0, 4 * LARGE, 0, 1])];
    assert.equal(at.file.writeDirect(LARGE, pattern(50)), 50);
    assert.equal(at.bytes[LARGE + 50], STALE);
    assert.equal(at.file.writeDirect(LARGE, pattern(100)), 100);
    assert.deepEqual(at.bytes.subarray(LARGE + 100, 2 * LARGE), new Uint8Array(LARGE - 100));
    assert.equal(at.bytes[2 * LARGE], STALE);
  }
});

test("mapped blocks behind the end are zeroed when a file grows over them, however little is cached meanwhile", () => {
  for (const grow of ["truncate", "write", "writeDirect"] as const) {
    const at = stage({ size: 100 }, { pageCache: { pageBytes: 4096, bytes: 8 * 4096, dirtyBytes: 4096 } });
    at.server.answers = [plain([mapped, 0, 32 * LARGE, 0, 1])];
    const end = 20 * LARGE;
    if (grow === "truncate") assert.equal(at.file.truncate(end), 0);
    else assert.equal(at.file[grow](end, pattern(10)), 10);
    assert.equal(at.file.fsync(), 0);
    assert.ok(
      at.bytes.subarray(100, end).every((byte) => byte === 0),
      grow,
    );
  }
});

test("truncate writes the whole file back before the server hears of the size", () => {
  const { file, server } = bench();
  assert.equal(file.write(0, pattern(3 * BLOCK)), 3 * BLOCK);
  assert.equal(file.truncate(2 * BLOCK), 0);
  const order = server.calls.filter(({ what }) => what === "ioend" || what === "setSize");
  assert.deepEqual(
    order.map(({ what, pos, written }) => [what, pos, written]),
    [
      ["ioend", 0, 2 * BLOCK],
      ["setSize", 2 * BLOCK, 0],
    ],
  );
  assert.equal(order[1]?.flags, 1, "the size has changed");
  assert.equal(file.truncate(2 * BLOCK), 0);
  assert.equal(server.calls.at(-1)?.flags, 0, "the size is the same");
});

test("a truncate that the server refuses has happened in memory", () => {
  const at = stage();
  at.server.answers = [plain([hole, 0, 16 * LARGE, NONE, 0])];
  at.server.sizeAnswer = () => -28;
  assert.equal(at.file.truncate(LARGE), -28);
  assert.deepEqual([at.file.size, at.file.diskSize], [LARGE, 4 * LARGE]);
});

test("punched and zeroed ranges with ragged ends read as zeros; whole blocks are the server's", () => {
  for (const mode of [punchHole | keepSize, zeroRange, zeroRange | keepSize]) {
    const { file, server, inode } = bench();
    const want = pattern(8 * BLOCK);
    assert.equal(file.write(0, want), want.length);
    for (const [offset, length] of [
      [100, 50],
      [BLOCK - 10, 20],
      [2 * BLOCK + 5, 3 * BLOCK],
      [6 * BLOCK, BLOCK],
      [7 * BLOCK + 9, 900],
    ] as const) {
      assert.equal(file.fallocate(mode, offset, length), 0);
      want.fill(0, offset, offset + length);
      assert.deepEqual(whole(file), want);
    }
    assert.equal(file.fsync(), 0);
    assert.deepEqual(server.contents(inode), want);
  }
});

test("fallocate extends the file without SETATTR, and shows zeros", () => {
  const { file, server, inode } = bench();
  assert.equal(file.write(0, pattern(100)), 100);
  assert.equal(file.fallocate(0, 0, 5 * BLOCK), 0);
  assert.deepEqual([file.size, file.diskSize, server.count("setSize")], [5 * BLOCK, 5 * BLOCK, 0]);
  assert.equal(file.fallocate(keepSize, 5 * BLOCK, BLOCK), 0);
  assert.equal(file.size, 5 * BLOCK);
  assert.ok(
    whole(file)
      .subarray(100)
      .every((byte) => byte === 0),
  );
  assert.ok(server.contents(inode).every((byte) => byte !== STALE));
});

test("collapsing and inserting move the size; what is dirty is written before", () => {
  const at = stage({ size: 8 * LARGE });
  at.server.answers = [plain([mapped, 0, 16 * LARGE, 0, 1])];
  assert.equal(at.file.write(0, new Uint8Array(8 * LARGE)), 8 * LARGE);
  assert.equal(at.file.fallocate(collapseRange, LARGE, 2 * LARGE), 0);
  assert.deepEqual([at.file.size, at.file.diskSize, at.file.dirtyBytes], [6 * LARGE, 6 * LARGE, 0]);
  assert.equal(at.file.fallocate(insertRange, LARGE, LARGE), 0);
  assert.equal(at.file.size, 7 * LARGE);
});

test("fallocate refuses what Linux refuses", () => {
  const cases: [number, number, number, number][] = [
    [0, -1, 10, -EINVAL],
    [0, 0, 0, -EINVAL],
    [0x40, 0, 10, -EOPNOTSUPP],
    [punchHole, 0, 10, -EOPNOTSUPP],
    [punchHole | zeroRange | keepSize, 0, 10, -EOPNOTSUPP],
    [collapseRange | keepSize, 0, LARGE, -EOPNOTSUPP],
    [0, 2 ** 40, 1, -EFBIG],
  ];
  for (const [mode, offset, length, result] of cases) {
    const at = stage();
    assert.equal(at.file.fallocate(mode, offset, length), result, `${mode} ${offset} ${length}`);
    assert.deepEqual(at.server.of("fallocate"), []);
  }
});

test("a hole may be punched behind the longest file, if the server says so", () => {
  const at = stage();
  assert.equal(at.file.fallocate(punchHole | keepSize, 2 ** 40, LARGE), 0);
  assert.equal(at.server.of("fallocate").length, 1);
});

test("a server that says it has shifted what cannot be shifted is not believed", () => {
  const cases: [number, number, number][] = [
    [collapseRange, 1, LARGE],
    [collapseRange, 0, 4 * LARGE],
    [insertRange, 4 * LARGE, LARGE],
    [insertRange, 0, 2 ** 40],
  ];
  for (const [mode, offset, length] of cases) {
    const at = stage();
    const { size } = at.file;
    assert.equal(at.file.fallocate(mode, offset, length), -EUCLEAN, `${mode} ${offset} ${length}`);
    assert.equal(at.file.size, size);
  }
});

test("zeroing skips holes and clean unwritten space, writes back what is dirty there, and never changes the size", () => {
  const at = stage({ size: 8 * LARGE });
  at.server.answers = [plain([hole, 0, 4 * LARGE, NONE, 0]), plain([unwritten, 4 * LARGE, 4 * LARGE, 0, 1])];
  assert.equal(at.file.zero(0, 20 * LARGE), 0);
  assert.deepEqual(at.io, []);
  const zeroing = at.server.of("begin").map(({ pos, operation }) => [pos, operation]);
  assert.deepEqual(zeroing, [
    [0, Operation.zero],
    [4 * LARGE, Operation.zero],
  ]);
  assert.equal(at.file.size, 8 * LARGE);
  const { file, server, inode } = bench();
  assert.equal(file.fallocate(0, 0, 4 * BLOCK), 0);
  assert.equal(file.write(BLOCK, pattern(BLOCK)), BLOCK);
  assert.equal(file.zero(BLOCK + 10, 20), 0);
  const want = pattern(BLOCK);
  want.fill(0, 10, 30);
  assert.deepEqual(whole(file).subarray(BLOCK, 2 * BLOCK), want);
  assert.equal(server.count("ioend"), 1, "written back, and so no longer unwritten");
  assert.equal(file.fsync(), 0);
  assert.deepEqual(server.contents(inode).subarray(BLOCK, 2 * BLOCK), want);
});

test("limits: the largest file, append-only and immutable ones", () => {
  const at = stage({}, { maxBytes: 8 * LARGE });
  at.server.answers = [plain([hole, 0, 8 * LARGE, NONE, 0]), plain([mapped, 0, 8 * LARGE, 0, 1])];
  assert.equal(at.file.write(8 * LARGE, new Uint8Array(1)), -EFBIG);
  assert.equal(at.file.write(8 * LARGE - 10, new Uint8Array(20)), 10, "as much as there is room for");
  assert.equal(at.file.truncate(8 * LARGE + 1), -EFBIG);
  assert.equal(at.file.truncate(-1), -EINVAL);
  assert.equal(at.file.read(-1, new Uint8Array(1)), -EINVAL);
  assert.equal(at.file.read(Number.NaN, new Uint8Array(1)), -EINVAL);
  const log = stage({ append: true });
  log.server.answers = [plain([mapped, 0, 16 * LARGE, 0, 1])];
  assert.equal(log.file.write(0, new Uint8Array(5)), -EPERM);
  assert.equal(log.file.write(0, new Uint8Array(5), IoFlag.append), 5);
  assert.equal(log.file.size, 4 * LARGE + 5);
  assert.equal(log.file.write(4 * LARGE + 5, new Uint8Array(5)), 5, "the end, by its number");
  assert.equal(log.file.truncate(0), -EPERM);
  const stone = stage({ immutable: true });
  for (const result of [
    stone.file.write(0, new Uint8Array(5)),
    stone.file.truncate(0),
    stone.file.fallocate(0, 0, 5),
  ]) {
    assert.equal(result, -EPERM);
  }
});

test("synchronous writes are followed by FSYNC; a data sync of mapped blocks by no more than the device's flush", () => {
  for (const [flags, sync, asked] of [
    [0, false, 0],
    [IoFlag.sync, false, 1],
    [IoFlag.dataSync, false, 1],
    [0, true, 1],
  ] as const) {
    const at = stage({ sync });
    at.server.answers = [plain([mapped, 0, 4 * LARGE, 0, 1])];
    assert.equal(at.file.write(0, new Uint8Array(LARGE), flags), LARGE);
    assert.equal(at.server.of("fsync").length, asked);
    assert.equal(
      at.io.some(([what]) => what === "write"),
      asked === 1,
    );
  }
  let flushed = 0;
  const at = stage({}, {}, { flush: () => flushed++ });
  at.server.answers = [plain([mapped, 0, 8 * LARGE, 0, 1])];
  assert.equal(at.file.writeDirect(0, new Uint8Array(LARGE), IoFlag.dataSync), LARGE);
  assert.deepEqual([flushed, at.server.of("fsync").length], [1, 0]);
  at.server.answers = [plain([mapped, 0, 8 * LARGE, 0, 1, 2])];
  assert.equal(at.file.writeDirect(0, new Uint8Array(LARGE), IoFlag.dataSync), LARGE);
  assert.deepEqual([flushed, at.server.of("fsync").length], [1, 1], "DIRTY: the metadata has to be durable, too");
});
