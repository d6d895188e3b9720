// Oracle: a model of the file, byte by byte, over a device full of old bytes that no reader may see.
import assert from "node:assert/strict";
import { test } from "node:test";
import { MappingFlag, MappingType, NULL_ADDR, Operation } from "@bulkhead/iomap";
import { type Allocation, BLOCK, bench, File, MAX_BYTES, STALE } from "./allocating-server.js";

const EIO = -5;
const EACCES = -13;
const EFBIG = -27;
const ENOSPC = -28;
const EUCLEAN = -117;

const allocations: readonly Allocation[] = ["unwritten", "new", "copy"];

/** Bytes that say where they stand, and none of which is stale. */
function pattern(length: number, seed = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => ((at * 7 + seed * 13) & 0x7f) + 1);
}

function contents(host: ReturnType<typeof bench>["host"], file: File): Uint8Array {
  const target = new Uint8Array(file.size).fill(STALE);
  assert.equal(host.read(file, 0, target), file.size);
  return target;
}

/** Numbers of a generator that a seed determines (xorshift). */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

for (const allocation of allocations) {
  test(`random writes, zeroing and cuts are what the model holds (${allocation})`, () => {
    const seed = 0x2545 + allocation.length + (process.pid << 4);
    const next = random(seed);
    const { host, server } = bench(allocation, 40_000);
    const file = new File();
    let model = new Uint8Array(0);
    for (let round = 0; round < 400; round++) {
      const what = `seed ${seed}, round ${round}`;
      const pos = next(30 * BLOCK);
      switch (next(5)) {
        case 0:
        case 1:
        case 2: {
          const data = pattern(1 + next(next(2) === 0 ? 6 * BLOCK : 100), round);
          assert.equal(host.write(file, pos, data), data.length, what);
          const grown = new Uint8Array(Math.max(model.length, pos + data.length));
          grown.set(model);
          grown.set(data, pos);
          model = grown;
          break;
        }
        case 3: {
          const length = Math.max(0, Math.min(1 + next(3 * BLOCK), model.length - pos));
          assert.equal(host.zero(file, pos, length), 0, what);
          if (length > 0) model.fill(0, pos, pos + length);
          break;
        }
        default: {
          if (pos > model.length) assert.equal(host.zeroTail(file, model.length, pos), 0, what);
          const cut = new Uint8Array(pos);
          cut.set(model.subarray(0, pos));
          model = cut;
          server.cut(file, pos);
          assert.equal(host.zeroTail(file, pos), 0, what);
        }
      }
      assert.equal(file.size, model.length, what);
      if (round % 20 === 0) assert.deepEqual(contents(host, file), model, what);
    }
    assert.deepEqual(contents(host, file), model, `seed ${seed}`);
  });
}

test("what surrounds a write in fresh blocks is zeros on the device, past the end of the file too", () => {
  for (const allocation of ["unwritten", "new"] as const) {
    const { host, bytes, server, writes } = bench(allocation);
    const file = new File();
    const data = pattern(2 * BLOCK);
    assert.equal(host.write(file, 100, data), data.length);
    const at = file.blocks.get(0)!.at * BLOCK;
    const expected = new Uint8Array(3 * BLOCK);
    expected.set(data, 100);
    assert.deepEqual(bytes.subarray(at, at + 3 * BLOCK), expected, allocation);
    assert.deepEqual(
      server.ends.map(({ pos, written }) => [pos, written]),
      [[100, data.length]],
      "one mapping, one end",
    );
    assert.equal(writes.length, 3, "the first block, those in the middle, the last");
  }
});

test("an overwrite inside the file is one write to the device, and no end", () => {
  const { host, server, writes } = bench("unwritten");
  const file = new File();
  host.write(file, 0, pattern(BLOCK));
  server.ends.length = 0;
  writes.length = 0;
  const data = pattern(5, 3);
  assert.equal(host.write(file, 7, data), 5);
  assert.deepEqual(writes, [[file.blocks.get(0)!.at * BLOCK + 7, 5]]);
  assert.deepEqual(server.ends, []);
});

test("an end says what changed: the type, and that the size did", () => {
  const { host, server } = bench("unwritten");
  const file = new File();
  host.write(file, 0, pattern(BLOCK / 2), Operation.write | Operation.writeback);
  host.write(file, BLOCK / 2, pattern(10));
  const [first, second] = server.ends;
  assert.deepEqual(
    [first?.type, first?.flags, first?.operation],
    [MappingType.unwritten, MappingFlag.sizeChanged, Operation.write | Operation.writeback],
  );
  assert.deepEqual(
    [second?.type, second?.flags, second?.pos, second?.count, second?.written],
    [MappingType.mapped, MappingFlag.sizeChanged, BLOCK / 2, 10, 10],
  );
});

test("a write past the end zeroes what the last block held behind it", () => {
  const { host, server, bytes } = bench("unwritten");
  const file = new File();
  host.write(file, 0, pattern(300));
  bytes.fill(STALE, file.blocks.get(0)!.at * BLOCK + 300, (file.blocks.get(0)!.at + 1) * BLOCK); // as mmap may leave it
  host.write(file, 2 * BLOCK, pattern(1));
  assert.equal(server.ends.length, 2);
  const got = contents(host, file);
  assert.ok(got.subarray(300, 2 * BLOCK).every((byte) => byte === 0));
});

test("a write that runs out of space is short, and then an error", () => {
  const { host } = bench("unwritten", 4);
  const file = new File();
  assert.equal(host.write(file, 0, pattern(10 * BLOCK)), 3 * BLOCK);
  assert.equal(host.write(file, 3 * BLOCK, pattern(10 * BLOCK)), ENOSPC);
  assert.equal(file.size, 3 * BLOCK);
});

test("a device that fails ends the write; the server learns how much arrived", () => {
  const made = bench("unwritten");
  const file = new File();
  const { host, server } = made;
  assert.equal(host.write(file, 0, pattern(BLOCK)), BLOCK);
  server.ends.length = 0;
  // The run lies before that block: its two whole blocks arrive, the last one, written in part, does not.
  made.failAt = (4096 - 4 + 2) * BLOCK;
  assert.equal(host.write(file, BLOCK, pattern(2 * BLOCK + 9)), 2 * BLOCK);
  assert.deepEqual(
    server.ends.map(({ count, written }) => [count, written]),
    [[2 * BLOCK + 9, 2 * BLOCK]],
  );
  made.failAt = 0;
  assert.equal(host.write(file, 0, pattern(1)), EIO);
  assert.equal(made.errors.length, 2);
});

test("what the server answers at the end is the caller's answer", () => {
  const { host, server } = bench("unwritten");
  server.answer = ENOSPC;
  assert.equal(host.write(new File(), 0, pattern(4 * BLOCK)), ENOSPC);
});

test("sizes end at the largest file", () => {
  const { host, server } = bench("unwritten", 4096);
  server.run = 1;
  const file = new File();
  assert.equal(host.write(file, MAX_BYTES, pattern(1)), EFBIG);
  assert.equal(host.write(file, MAX_BYTES - 10, pattern(100)), 10);
  assert.equal(host.write(file, 0, new Uint8Array(0)), 0);
  assert.equal(file.size, MAX_BYTES);
});

test("mappings are validated before anything is written", () => {
  const made = bench("unwritten");
  const { host, server, writes } = made;
  const file = new File();
  const whole = server.begin.bind(server);
  type Slots = Parameters<typeof whole>;
  const broken: [number, (read: Slots[4], write: Slots[5]) => unknown][] = [
    [EUCLEAN, (read) => Object.assign(read, { dev: 77 })],
    [EUCLEAN, (read) => Object.assign(read, { addr: NULL_ADDR })],
    [EUCLEAN, (read) => Object.assign(read, { length: 0 })],
    [EUCLEAN, (_read, write) => write.set(MappingType.mapped, 0, BLOCK, 0, 78)],
    [EUCLEAN, (_read, write) => write.set(MappingType.mapped, 0, BLOCK, NULL_ADDR, 1)],
    [EUCLEAN, (_read, write) => write.set(MappingType.pureOverwrite, 0, BLOCK, 0, 0)],
    [EIO, (read) => read.set(MappingType.hole, 0, BLOCK, NULL_ADDR, 0)],
    [EIO, (read) => read.set(MappingType.delalloc, 0, BLOCK, NULL_ADDR, 0)],
    [EIO, (read) => read.set(MappingType.mapped, 0, BLOCK, made.bytes.length, 1)],
  ];
  for (const [error, change] of broken) {
    server.begin = (...args: Slots) => {
      const answer = whole(...args);
      change(args[4], args[5]);
      return answer;
    };
    assert.equal(host.write(file, 0, pattern(10)), error, String(change));
  }
  assert.deepEqual(writes, []);
});

test("a device that is read-only is EACCES", () => {
  for (const device of [{ readOnly: true }, { write: undefined }] as const) {
    const { host } = bench("unwritten", 16, device as { readOnly: true });
    assert.equal(host.write(new File(), 0, pattern(10)), EACCES);
  }
});

test("inline data goes to the server, and out of it when it grows", () => {
  const { host, server, writes } = bench("unwritten");
  const file = new File();
  file.inline = new Uint8Array(60);
  file.inlineCapacity = 60;
  assert.equal(host.write(file, 5, pattern(20)), 20);
  assert.equal(file.size, 25);
  assert.equal(host.zero(file, 6, 100), 0);
  assert.deepEqual(contents(host, file).subarray(5, 8), Uint8Array.of(1, 0, 0));
  assert.deepEqual([writes, server.ends], [[], []]);
  assert.equal(host.write(file, 0, pattern(61)), 61);
  assert.equal(writes.length, 1);
});

test("a server that never moves on is broken off", () => {
  const { host, server } = bench("unwritten");
  const file = new File();
  file.inline = new Uint8Array(60);
  file.inlineCapacity = 60;
  server.writeInline = () => 0;
  assert.equal(host.write(file, 0, pattern(10)), EIO);
  server.writeInline = (_file, _pos, source) => source.length + 1;
  assert.equal(host.write(file, 0, pattern(10)), EIO);
});

test("zeroing leaves holes and unwritten space alone", () => {
  const { host, writes, server } = bench("unwritten");
  const file = new File();
  file.blocks.set(1, { at: 9, written: false });
  file.size = 4 * BLOCK;
  assert.equal(host.zero(file, 0, file.size), 0);
  assert.deepEqual([writes, server.ends, file.blocks.size], [[], [], 1]);
});

test("copies between files and inside one, through a bounded buffer", () => {
  const { host, server } = bench("unwritten", 20_000);
  server.run = 4096;
  const from = new File();
  const to = new File();
  const data = pattern(700 * BLOCK + 77);
  host.write(from, 0, data);
  assert.equal(host.copy(from, 33, to, 100, data.length), data.length - 33, "the end of the source ends the copy");
  const copied = contents(host, to);
  assert.ok(copied.subarray(0, 100).every((byte) => byte === 0));
  assert.deepEqual(copied.subarray(100), data.subarray(33));
  assert.equal(host.copy(from, 0, from, data.length + 5, 1000), 1000);
  assert.deepEqual(contents(host, from).subarray(data.length + 5), data.subarray(0, 1000));
  assert.equal(host.copy(from, from.size, to, 0, 10), 0);
});
