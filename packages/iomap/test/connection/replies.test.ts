// Oracle: the rules of fuse-iomap for the reply to a begin, one wrong field a case, in each slot, with its errno.
import assert from "node:assert/strict";
import { test } from "node:test";
import { MappingFlag } from "@bulkhead/iomap";
import {
  BLOCK,
  delalloc,
  hole,
  inline,
  mapped,
  NONE,
  noCache,
  plain,
  pureOverwrite,
  retryCache,
  type Slot,
  type Stage,
  stage,
  unwritten,
  upsert,
} from "./scripted-server.js";

const EIO = 5;
const EACCES = 13;
const EUCLEAN = 117;
const BIG = 2 ** 53;

const goodRead: Slot = [mapped, 0, 4 * BLOCK, 0, 1];
const goodWrite: Slot = [pureOverwrite, 0, 4 * BLOCK, NONE, 0];

/** Slots that break one rule. */
const wrong: [rule: string, slot: Slot][] = [
  ["1: an unknown type", [5, 0, BLOCK, NONE, 0]],
  ["1: a type between the known ones", [252, 0, BLOCK, NONE, 0]],
  ["2: a flag that only the host sets", [mapped, 0, BLOCK, 0, 1, MappingFlag.sizeChanged]],
  ["2: the highest flag", [mapped, 0, BLOCK, 0, 1, 0x8000]],
  ["3: no length", [hole, 0, 0, NONE, 0]],
  ["3: an offset inside a block", [hole, 512, BLOCK, NONE, 0]],
  ["3: a length inside a block", [hole, 0, BLOCK + 512, NONE, 0]],
  ["3: an end behind all numbers", [hole, 0, BIG, NONE, 0]],
  ["4: mapped without a device", [mapped, 0, BLOCK, 0, 0]],
  ["4: mapped without an address", [mapped, 0, BLOCK, NONE, 1]],
  ["4: unwritten without a device", [unwritten, 0, BLOCK, 0, 0]],
  ["4: unwritten without an address", [unwritten, 0, BLOCK, NONE, 1]],
  ["5: a hole on a device", [hole, 0, BLOCK, NONE, 1]],
  ["5: a hole with an address", [hole, 0, BLOCK, 0, 0]],
  ["5: reserved space on a device", [delalloc, 0, BLOCK, NONE, 1]],
  ["5: reserved space with an address", [delalloc, 0, BLOCK, 0, 0]],
  ["5: inline data on a device", [inline, 0, BLOCK, NONE, 1]],
  ["5: inline data with an address", [inline, 0, BLOCK, 0, 0]],
  ["7: retry without a cache", [retryCache, 0, BLOCK, NONE, 0]],
  ["8: an address behind all numbers", [mapped, 0, BLOCK, BIG - BLOCK, 1]],
  ["9: nothing to cache, in a reply", [noCache, 0, BLOCK, NONE, 0]],
  ["10: a range behind the byte", [hole, BLOCK, BLOCK, NONE, 0]],
];

/** Slots that are wrong in one of them only. */
const wrongRead: typeof wrong = [["6: pure overwrite in the read slot", [pureOverwrite, 0, BLOCK, NONE, 0]]];
const wrongWrite: typeof wrong = [
  ["6: pure overwrite with flags", [pureOverwrite, 0, BLOCK, NONE, 0, 1]],
  ["6: pure overwrite on a device", [pureOverwrite, 0, BLOCK, NONE, 1]],
  ["6: pure overwrite with an address", [pureOverwrite, 0, BLOCK, 0, 0]],
  ["10: pure overwrite behind the byte", [pureOverwrite, BLOCK, BLOCK, NONE, 0]],
];

/** Every way to ask fails with this errno, no device is touched, and what comes after works. */
function refuses(read: Slot, write: Slot, errno: number): void {
  const actions: ((at: Stage) => number)[] = [
    ({ file }) => file.read(10, new Uint8Array(20)),
    ({ file }) => file.readDirect(0, new Uint8Array(512)),
    ({ file }) => file.write(10, new Uint8Array(20)),
    ({ file }) => file.writeDirect(0, new Uint8Array(BLOCK)),
    ({ file }) => file.zero(0, 20),
    ({ file }) => file.seek(0, "data"),
    ({ file }) => file.fiemap(0, BLOCK, 0, () => true),
  ];
  for (const act of actions) {
    const at = stage();
    at.server.answers = [[read, write]];
    assert.equal(act(at), -errno);
    assert.deepEqual(at.io, []);
    assert.equal(at.errors.length, 1, "it is reported once");
    at.server.answers = [[goodRead, goodWrite]];
    assert.ok(act(at) >= 0, "the next operation works");
  }
}

for (const [rule, slot] of [...wrong, ...wrongRead]) {
  test(`refuses in the read slot, rule ${rule}`, () => refuses(slot, goodWrite, EUCLEAN));
}
for (const [rule, slot] of [...wrong, ...wrongWrite]) {
  test(`refuses in the write slot, rule ${rule}`, () => refuses(goodRead, slot, EUCLEAN));
}

test("refuses, rule 3: an offset past the largest file, while the block before it is one", () => {
  const at = stage({ size: 2 ** 40 - 10 });
  const last = 2 ** 40 - BLOCK;
  at.server.answers = [plain([mapped, last, BLOCK, 0, 1])];
  assert.equal(at.file.read(last, new Uint8Array(1)), 1);
  const small = stage({ size: BLOCK }, { maxBytes: BLOCK });
  small.server.answers = [plain([hole, BLOCK, BLOCK, NONE, 0])];
  assert.equal(
    small.file.fiemap(0, BLOCK, 0, () => true),
    -EUCLEAN,
  );
});

test("refuses, rule 7: a retry with flags, a device or an address, though there is a cache", () => {
  for (const slot of [
    [retryCache, 0, BLOCK, NONE, 0, 1],
    [retryCache, 0, BLOCK, NONE, 1],
    [retryCache, 0, BLOCK, 0, 0],
  ] satisfies Slot[]) {
    for (const slots of [
      [slot, goodWrite],
      [goodRead, slot],
    ] satisfies [Slot, Slot][]) {
      const at = stage();
      const far = plain([hole, 1 << 20, BLOCK, NONE, 0]);
      assert.equal(upsert(at, ...far), 0);
      at.server.answers = [slots];
      assert.equal(at.file.read(0, new Uint8Array(5)), -EUCLEAN);
    }
  }
});

test("refuses, rule 11: a retry of an untorn write and of a swap file", () => {
  const retry: Slot = [retryCache, 0, BLOCK, NONE, 0];
  const at = stage({ atomic: true });
  upsert(at, ...plain([hole, 1 << 20, BLOCK, NONE, 0]));
  at.server.answers = [[retry, retry]];
  assert.equal(at.file.writeDirect(0, new Uint8Array(BLOCK), 0x20), -EUCLEAN);
  assert.equal(at.file.swapOn(), -EUCLEAN);
});

test("refuses, rule 12: an untorn write without its flag, or without space", () => {
  const { atomicBio } = MappingFlag;
  const cases: [Slot, Slot, number][] = [
    [[mapped, 0, BLOCK, 0, 1, atomicBio], [pureOverwrite, 0, BLOCK, NONE, 0], BLOCK],
    [[mapped, 0, BLOCK, 0, 1], [pureOverwrite, 0, BLOCK, NONE, 0], -EIO],
    [[hole, 0, BLOCK, NONE, 0, atomicBio], [pureOverwrite, 0, BLOCK, NONE, 0], -EIO],
    [[hole, 0, BLOCK, NONE, 0], [unwritten, 0, BLOCK, 0, 1, atomicBio], BLOCK],
    [[mapped, 0, BLOCK, 0, 1, atomicBio], [mapped, 0, BLOCK, 0, 1], -EIO],
  ];
  for (const [read, write, result] of cases) {
    const at = stage({ atomic: true });
    at.server.answers = [[read, write]];
    assert.equal(at.file.writeDirect(0, new Uint8Array(BLOCK), 0x20), result);
  }
});

test("refuses, rule 13: a device that is not registered, where the slot would be used", () => {
  const unknown: Slot = [mapped, 0, 4 * BLOCK, 0, 9];
  refuses(unknown, goodWrite, EUCLEAN);
  refuses([mapped, 0, 4 * BLOCK, 0, 2 ** 31 - 1], goodWrite, EUCLEAN);
  const at = stage();
  at.server.answers = [[goodRead, unknown]];
  assert.equal(at.file.read(0, new Uint8Array(5)), 5, "a reader does not use the write slot");
  assert.equal(at.file.writeDirect(0, new Uint8Array(BLOCK)), -EUCLEAN);
  at.server.answers = [[unknown, goodRead]];
  assert.equal(at.file.writeDirect(0, new Uint8Array(BLOCK)), -EUCLEAN, "a writer reads old data from the read slot");
});

test("refuses, rule 14: to write to a read-only device, and to read one that is only written", () => {
  const readOnly = stage({}, {}, { readOnly: true });
  readOnly.server.answers = [[goodRead, goodWrite]];
  assert.equal(readOnly.file.read(0, new Uint8Array(5)), 5);
  assert.equal(readOnly.file.writeDirect(0, new Uint8Array(BLOCK)), -EACCES);
  assert.equal(readOnly.file.write(BLOCK, new Uint8Array(BLOCK)), -EACCES);
  upsert(readOnly, goodRead, goodWrite);
  assert.equal(readOnly.file.writeDirect(0, new Uint8Array(BLOCK)), -EACCES, "from the cache as well");
  const writeOnly = stage({}, {}, { writeOnly: true });
  writeOnly.server.answers = [[goodRead, goodWrite]];
  assert.equal(writeOnly.file.read(0, new Uint8Array(5)), -EACCES);
  assert.equal(writeOnly.file.writeDirect(0, new Uint8Array(BLOCK)), -EACCES);
});

test("takes an address outside of the device for an I/O error, not for a broken rule", () => {
  for (const addr of [63 * BLOCK, 64 * BLOCK, 2 ** 50]) {
    const at = stage();
    at.server.answers = [plain([mapped, 0, 4 * BLOCK, addr, 1])];
    assert.equal(at.file.readDirect(0, new Uint8Array(4 * BLOCK)), -EIO);
    assert.equal(at.file.writeDirect(0, new Uint8Array(4 * BLOCK)), -EIO);
    assert.deepEqual(at.io, []);
  }
});

test("works with every block size, and with mappings shorter, longer and earlier than asked for", () => {
  for (const blockSize of [512, 1024, 4096, 65_536]) {
    const at = stage({ size: 2 * blockSize, blockSize });
    at.server.answers = [plain([mapped, 0, blockSize, 131_072, 1]), plain([mapped, 0, 2 * blockSize, 0, 1])];
    const target = new Uint8Array(2 * blockSize);
    at.bytes.fill(1, blockSize, 2 * blockSize).fill(2, 131_072, 131_072 + blockSize);
    assert.equal(at.file.readDirect(0, target), 2 * blockSize);
    assert.equal(target[0], 2);
    assert.equal(target[blockSize], 1);
    at.server.answers = [plain([mapped, blockSize / 2, blockSize, 0, 1])];
    assert.equal(at.file.readDirect(blockSize / 2, target), -EUCLEAN);
  }
});
