// Oracle: Linux's rules for SEEK_DATA and SEEK_HOLE, fiemap, FIBMAP and swap files over what a server reports.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type FileExtent, IoendFlag, IoFlag, MappingFlag, Operation } from "@bulkhead/iomap";
import { bench, BLOCK as SMALL } from "./block-server.js";
import { pattern } from "./data.js";
import {
  BLOCK,
  delalloc,
  hole,
  inline,
  mapped,
  NONE,
  plain,
  type Slot,
  type Stage,
  stage,
  unwritten,
} from "./scripted-server.js";

const ENOENT = 2;
const EIO = 5;
const ENXIO = 6;
const ENOMEM = 12;
const EINVAL = 22;
const ETXTBSY = 26;
const ENOSYS = 38;
const EOPNOTSUPP = 95;

const layout: Slot[] = [
  [hole, 0, 2 * BLOCK, NONE, 0],
  [mapped, 2 * BLOCK, BLOCK, 0, 1],
  [unwritten, 3 * BLOCK, 3 * BLOCK, 8 * BLOCK, 1],
  [delalloc, 6 * BLOCK, BLOCK, NONE, 0],
  [hole, 7 * BLOCK, BLOCK, NONE, 0],
];

/** A server that answers by a layout. */
function laidOut(slots: Slot[], size: number): Stage {
  const at = stage({ size });
  at.server.onBegin = (pos) => {
    const slot = slots.find(([, offset, length]) => offset <= pos && pos < offset + length);
    at.server.answers = [slot === undefined ? -ENOENT : plain(slot)];
  };
  return at;
}

test("seeks over holes, unwritten and reserved space, to the virtual hole at the end", () => {
  const size = 8 * BLOCK - 100;
  const { file, server } = laidOut(layout, size);
  const cases: [number, "data" | "hole", number][] = [
    [0, "data", 2 * BLOCK],
    [0, "hole", 0],
    [2 * BLOCK + 5, "data", 2 * BLOCK + 5],
    [2 * BLOCK + 5, "hole", 3 * BLOCK],
    [3 * BLOCK, "data", 6 * BLOCK],
    [6 * BLOCK, "hole", 7 * BLOCK],
    [7 * BLOCK, "data", -ENXIO],
    [size - 1, "hole", size - 1],
    [size, "hole", -ENXIO],
    [size + 5, "data", -ENXIO],
    [-1, "data", -ENXIO],
  ];
  for (const [from, wanted, found] of cases) assert.equal(file.seek(from, wanted), found, `${wanted} from ${from}`);
  assert.ok(server.of("begin").every(({ operation }) => operation === Operation.report));
});

test("unwritten space is data where the cache has some", () => {
  const { file } = bench();
  assert.equal(file.fallocate(0, 0, 32 * SMALL), 0);
  assert.equal(file.seek(0, "data"), -ENXIO);
  assert.equal(file.write(10 * SMALL, pattern(SMALL)), SMALL);
  assert.equal(file.seek(0, "data"), 10 * SMALL);
  assert.equal(file.seek(10 * SMALL, "hole"), 11 * SMALL);
  assert.equal(file.fsync(), 0);
  assert.equal(file.seek(0, "data"), 10 * SMALL);
});

test("a server without reports is asked with LSEEK; without that, all is data", () => {
  const at = stage();
  at.server.answers = [-ENOSYS];
  assert.deepEqual([at.file.seek(5, "data"), at.file.seek(5, "hole")], [5, 4 * BLOCK]);
  Object.assign(at.server, { seek: () => 77 });
  assert.equal(at.file.seek(5, "data"), 77);
});

test("fiemap names every extent, its kind, and the last", () => {
  const slots: Slot[] = [...layout, [mapped, 8 * BLOCK, BLOCK, BLOCK, 1, MappingFlag.merged | MappingFlag.shared]];
  const at = laidOut(slots, 9 * BLOCK);
  const seen: FileExtent[] = [];
  assert.equal(
    at.file.fiemap(0, 2 ** 40, 0, (extent) => seen.push(extent) > 0),
    0,
    "ENOENT ends it",
  );
  assert.deepEqual(seen, [
    { offset: 2 * BLOCK, length: BLOCK, addr: 0, dev: 1, flags: 0 },
    { offset: 3 * BLOCK, length: 3 * BLOCK, addr: 8 * BLOCK, dev: 1, flags: 0x800 },
    { offset: 6 * BLOCK, length: BLOCK, addr: 0, dev: 0, flags: 0x6 },
    { offset: 8 * BLOCK, length: BLOCK, addr: BLOCK, dev: 1, flags: 0x1000 | 0x2000 | 1 },
  ]);
  seen.length = 0;
  assert.equal(
    at.file.fiemap(0, 2 ** 40, 0, (extent) => seen.push(extent) < 2),
    0,
  );
  assert.equal(seen.length, 2, "who has enough says so");
  assert.equal(
    at.file.fiemap(0, BLOCK, 2, () => true),
    -EOPNOTSUPP,
  );
  assert.equal(
    at.file.fiemap(0, 0, 0, () => true),
    -EINVAL,
  );
});

test("fiemap of inline data, and with a flush before", () => {
  const at = laidOut([[inline, 0, BLOCK, NONE, 0]], 50);
  const seen: FileExtent[] = [];
  assert.equal(
    at.file.fiemap(0, BLOCK, 0, (extent) => seen.push(extent) > 0),
    0,
  );
  assert.deepEqual(seen, [{ offset: 0, length: BLOCK, addr: 0, dev: 0, flags: 0x201 }]);
  assert.deepEqual(at.server.of("readInline"), [], "a report loads nothing");
  const { file, server } = bench();
  assert.equal(file.write(0, pattern(SMALL)), SMALL);
  assert.equal(
    file.fiemap(0, SMALL, 1, ({ flags }) => flags === 1),
    0,
  );
  assert.equal(server.count("ioend"), 1);
});

test("FIBMAP names the block of a mapped one, else 0", () => {
  const { file } = laidOut([[mapped, 0, 2 * BLOCK, 7 * BLOCK, 1], ...layout.slice(2)], 8 * BLOCK);
  assert.deepEqual([file.bmap(0), file.bmap(1), file.bmap(4), file.bmap(100), file.bmap(-1)], [7, 8, 0, 0, 0]);
});

test("a swap file is pinned until swapoff: extents of whole pages, and no writes meanwhile", () => {
  const at = laidOut(
    [
      [mapped, 0, 2 * BLOCK, 8 * BLOCK, 1],
      [unwritten, 2 * BLOCK, BLOCK, 10 * BLOCK, 1],
      [mapped, 3 * BLOCK, BLOCK, 20 * BLOCK, 1],
    ],
    4 * BLOCK + 10,
  );
  assert.deepEqual(at.file.swapOn(), [
    { page: 0, pages: 3, addr: 8 * BLOCK },
    { page: 3, pages: 1, addr: 20 * BLOCK },
  ]);
  const asked = at.server.of("begin").map(({ operation, count }) => [operation, count]);
  assert.deepEqual(asked[0], [Operation.report | Operation.swapfile, 4 * BLOCK]);
  assert.equal(at.file.write(0, new Uint8Array(5)), -ETXTBSY);
  assert.equal(at.file.truncate(0), -ETXTBSY);
  assert.equal(at.file.swapOff(), 0);
  assert.deepEqual(
    at.server.of("ioend").map(({ flags, error }) => [flags, error]),
    [[IoendFlag.swapoff, 0]],
  );
  assert.equal(at.file.swapOff(), -EINVAL);
});

test("what is unfit for swap is refused, and the server told so, ENOSYS or not", () => {
  const unfit: Slot[] = [
    [hole, 0, BLOCK, NONE, 0],
    [delalloc, 0, BLOCK, NONE, 0],
    [inline, 0, BLOCK, NONE, 0],
    [mapped, 0, BLOCK, 0, 1, MappingFlag.dirty],
    [mapped, 0, BLOCK, 0, 1, MappingFlag.shared],
    [mapped, 0, BLOCK, 64 * BLOCK, 1],
  ];
  for (const slot of unfit) {
    const at = laidOut([slot], BLOCK);
    assert.equal(at.file.swapOn(), -EINVAL);
    assert.deepEqual(
      at.server.of("ioend").map(({ flags, error }) => [flags, error]),
      [[IoendFlag.swapoff, -EINVAL]],
    );
  }
  const two = laidOut(
    [
      [mapped, 0, BLOCK, 0, 1],
      [mapped, BLOCK, BLOCK, 0, 2],
    ],
    2 * BLOCK,
  );
  two.connection.devices.add({ size: 64 * BLOCK, read: () => {} });
  assert.equal(two.file.swapOn(), -EINVAL, "two devices");
  const zoned = stage({ size: BLOCK }, {}, { zoned: true });
  zoned.server.answers = [plain([mapped, 0, BLOCK, 0, 1])];
  zoned.server.ioendAnswer = () => -ENOSYS;
  assert.equal(zoned.file.swapOn(), -EINVAL);
  assert.equal(zoned.file.swapOn(), -EINVAL);
  assert.equal(zoned.server.of("ioend").length, 2);
});

test("inline data is read through the server: short is zeros, nothing is EIO, too long is ENOMEM", () => {
  const answers: [number | undefined, number][] = [
    [undefined, 100],
    [40, 100],
    [0, -EIO],
    [-ENOSYS, -EIO],
    [BLOCK + 1, -EIO],
  ];
  for (const how of ["read", "readDirect"] as const) {
    for (const [answer, result] of answers) {
      const at = stage({ size: 100 });
      at.server.answers = [plain([inline, 0, BLOCK, NONE, 0])];
      at.server.data = pattern(100);
      at.server.readAnswer = answer;
      const target = new Uint8Array(512).fill(0xee);
      assert.equal(at.file[how](0, target), result, `${how}, ${answer}`);
      if (result < 0) continue;
      const length = answer ?? 100;
      assert.deepEqual(target.subarray(0, length), pattern(100).subarray(0, length));
      assert.ok(target.subarray(length, 100).every((byte) => byte === 0));
      assert.deepEqual(at.server.of("readInline"), [{ what: "readInline", pos: 0, count: BLOCK }]);
    }
    const long = stage({ size: 100 });
    long.server.answers = [plain([inline, 0, 2 * BLOCK, NONE, 0])];
    assert.equal(long.file[how](0, new Uint8Array(512)), -ENOMEM);
    long.server.answers = [plain([inline, 0, 2 ** 40, NONE, 0])];
    assert.equal(long.file[how === "read" ? "write" : "writeDirect"](0, new Uint8Array(512)), -ENOMEM);
    assert.equal(long.file.zero(0, 100), -ENOMEM);
  }
});

test("inline data is written through the server, in as many requests as it takes, and with no END", () => {
  for (const how of ["write", "writeDirect"] as const) {
    const at = stage({ size: 0 });
    at.server.answers = [plain([inline, 0, BLOCK, NONE, 0, MappingFlag.wantEnd])];
    assert.equal(at.file[how](0, pattern(100)), 100);
    assert.deepEqual(at.server.data, pattern(100));
    assert.deepEqual([at.file.size, at.file.diskSize, at.server.of("end", "ioend").length], [100, 100, 0]);
    at.server.writeAnswer = 30;
    assert.equal(at.file[how](0, pattern(90, 1)), 90);
    assert.deepEqual(
      at.server
        .of("writeInline")
        .slice(1)
        .map(({ pos }) => pos),
      [0, 30, 60],
    );
    assert.deepEqual(at.server.data.subarray(0, 90), pattern(90, 1));
    at.server.writeAnswer = 0;
    assert.equal(at.file[how](0, pattern(9)), -EIO);
    const far = stage({ size: 2 * BLOCK });
    far.server.answers = [plain([inline, BLOCK, BLOCK, NONE, 0])];
    assert.equal(far.file[how](BLOCK, pattern(9)), -EIO, "only the first block's data is inline");
  }
});

test("data that outgrows its inode is merged into the block it moves to", () => {
  for (const how of ["write", "writeDirect"] as const) {
    const at = stage({ size: 60 });
    at.server.data = pattern(60);
    at.server.answers = [
      [
        [inline, 0, BLOCK, NONE, 0],
        [mapped, 0, BLOCK, 5 * BLOCK, 1],
      ],
    ];
    assert.equal(at.file[how](50, pattern(200, 4)), 200);
    at.server.answers = [plain([mapped, 0, BLOCK, 5 * BLOCK, 1])];
    assert.equal(at.file.fsync(), 0);
    const want = new Uint8Array(BLOCK);
    want.set(pattern(60));
    want.set(pattern(200, 4), 50);
    assert.deepEqual(at.bytes.subarray(5 * BLOCK, 6 * BLOCK), want);
    assert.deepEqual(at.server.of("writeInline"), []);
  }
});

test("untorn writes: one aligned block, directly, in one mapping, past the mapping cache", () => {
  const at = stage({ atomic: true });
  const flags = MappingFlag.atomicBio;
  at.server.answers = [plain([mapped, 0, 4 * BLOCK, 0, 1, flags])];
  const { atomic } = IoFlag;
  assert.equal(at.file.writeDirect(0, new Uint8Array(BLOCK), atomic), BLOCK);
  assert.equal(at.file.writeDirect(0, new Uint8Array(512), atomic), -EINVAL);
  assert.equal(at.file.writeDirect(0, new Uint8Array(2 * BLOCK), atomic), -EINVAL);
  assert.equal(at.file.writeDirect(512, new Uint8Array(BLOCK), atomic), -EINVAL);
  assert.equal(at.file.write(0, new Uint8Array(BLOCK), atomic), -EOPNOTSUPP);
  assert.equal(stage().file.writeDirect(0, new Uint8Array(BLOCK), atomic), -EOPNOTSUPP);
  const { write, direct } = Operation;
  assert.deepEqual(
    at.server.of("begin").map(({ operation }) => operation),
    [write | direct | Operation.atomic],
  );
  // Without the flag of an untorn write, a mapping that has it must cover what is left.
  at.server.answers = [plain([mapped, 0, BLOCK, 0, 1, flags])];
  assert.equal(at.file.writeDirect(0, new Uint8Array(2 * BLOCK)), -EINVAL);
});
