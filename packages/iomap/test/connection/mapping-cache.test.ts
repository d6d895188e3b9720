// Oracle: a map of blocks, one entry a block, for random upserts, removals and lookups; fuse-iomap's rules for the rest.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Mapping, MappingFlag, NULL_ADDR, Operation, TO_EOF } from "@bulkhead/iomap";
import { Lookup, MappingCache } from "../../src/connection/mapping-cache.js";
import { randomFrom } from "./data.js";
import {
  delalloc,
  hole,
  inline,
  mapped,
  mapping,
  NONE,
  noCache,
  pureOverwrite,
  type Slot,
  unwritten,
} from "./scripted-server.js";

const B = 1024;
const limits = { blockSize: B, maxBytes: 2 ** 30 };

function cacheOf(mostBytes = 262_144): MappingCache {
  return new MappingCache(limits, () => mostBytes);
}

function fork(cache: MappingCache, which: "read" | "write"): Slot[] {
  const records = which === "read" ? cache.read.records : cache.write!.records;
  return records.map(({ type, offset, length, addr, dev, flags }) => [type, offset / B, length / B, addr, dev, flags]);
}

/** A block's entry: all that a mapping says of it. */
function entry(m: Readonly<Mapping>, block: number): string {
  const addr = m.isOnDevice ? m.addr + (block * B - m.offset) : m.addr;
  return [m.type, m.flags, m.dev, addr].join();
}

for (const seed of [1, 2, 3, 4, 5, 6]) {
  test(`is what a map of blocks is, after any upserts and removals (seed ${seed})`, () => {
    const random = randomFrom(seed * 65_537);
    const cache = cacheOf(1 << 21);
    const model = new Map<number, string>();
    for (let round = 0; round < 3000; round++) {
      const first = random(200);
      const count = 1 + random(random(5) === 0 ? 100 : 8);
      const before = cache.cookie;
      if (random(3) > 0) {
        const type = [hole, mapped, unwritten, delalloc, inline][random(5)]!;
        const onDevice = type === mapped || type === unwritten;
        // Addresses and flags of few values, so that neighbours often continue each other.
        const addr = onDevice ? (first + 1000 * random(2)) * B : NONE;
        const m = mapping([type, first * B, count * B, addr, onDevice ? 1 + random(2) : 0, random(4) === 0 ? 1 : 0]);
        cache.upsert("read", m);
        for (let n = first; n < first + count; n++) model.set(n, entry(m, n));
        assert.notEqual(cache.cookie, before, "every insertion shows");
      } else {
        const end = random(20) === 0 ? Infinity : first + count;
        cache.remove("read", first * B, end === Infinity ? TO_EOF : count * B);
        let changed = false;
        for (const n of [...model.keys()]) if (n >= first && n < end) changed = model.delete(n);
        if (changed) assert.notEqual(cache.cookie, before, "every removal shows");
      }
      const { records } = cache.read;
      for (const [n, record] of records.entries()) {
        if (n === 0) continue;
        assert.ok(records[n - 1]!.end <= record.offset, "in order and disjoint");
      }
      for (let n = 0; n < 320; n++) {
        const found = cache.read.find(n * B + (n % B));
        assert.equal(found === undefined ? undefined : entry(found, n), model.get(n), `block ${n} in round ${round}`);
      }
    }
  });
}

test("removes exactly what was asked: whole records, ends and middles, with the address of what remains", () => {
  const cases: [from: number, count: number, left: Slot[]][] = [
    [0, 4, [[mapped, 4, 8, 104 * B, 1, 0]]],
    [0, 6, [[mapped, 6, 6, 106 * B, 1, 0]]],
    [8, 9, [[mapped, 4, 4, 104 * B, 1, 0]]],
    [
      6,
      2,
      [
        [mapped, 4, 2, 104 * B, 1, 0],
        [mapped, 8, 4, 108 * B, 1, 0],
      ],
    ],
    [4, 8, []],
    [6, 0, [[mapped, 4, 8, 104 * B, 1, 0]]],
  ];
  for (const [from, count, left] of cases) {
    const cache = cacheOf();
    cache.upsert("read", mapping([mapped, 4 * B, 8 * B, 104 * B, 1]));
    cache.remove("read", from * B, count * B);
    assert.deepEqual(fork(cache, "read"), left);
  }
});

test("merges neighbours that continue each other, three at once too, and no others", () => {
  const left: Slot = [mapped, 0, 4 * B, 100 * B, 1];
  const right: Slot = [mapped, 6 * B, 2 * B, 106 * B, 1];
  const reasons: [string, Slot, number][] = [
    ["all continue", [mapped, 4 * B, 2 * B, 104 * B, 1], 1],
    ["another device", [mapped, 4 * B, 2 * B, 104 * B, 2], 3],
    ["another type", [unwritten, 4 * B, 2 * B, 104 * B, 1], 3],
    ["other flags", [mapped, 4 * B, 2 * B, 104 * B, 1, MappingFlag.shared], 3],
    ["an address that continues neither", [mapped, 4 * B, 2 * B, 7 * B, 1], 3],
    ["only the left one goes on", [mapped, 4 * B, B, 104 * B, 1], 2],
    ["only the right one goes on", [mapped, 5 * B, B, 105 * B, 1], 2],
  ];
  for (const [why, slot, count] of reasons) {
    const cache = cacheOf();
    for (const one of [left, right, slot]) cache.upsert("read", mapping(one));
    assert.equal(cache.read.count, count, why);
  }
  const holes = cacheOf();
  for (const n of [0, 2, 1]) holes.upsert("read", mapping([hole, n * B, B, NONE, 0]));
  assert.deepEqual(fork(holes, "read"), [[hole, 0, 3, NONE, 0, 0]]);
});

test("empties a fork that would grow over its cap, and only that fork", () => {
  const cache = cacheOf(256);
  cache.upsert("write", mapping([mapped, 0, B, 0, 1]));
  for (let n = 0; n < 8; n++) cache.upsert("read", mapping([mapped, 2 * n * B, B, 50 * n * B, 1]));
  assert.equal(cache.read.count, 8);
  const before = cache.cookie;
  cache.upsert("read", mapping([mapped, 100 * B, B, 0, 1]));
  assert.deepEqual([cache.read.count, cache.write?.count], [1, 1]);
  assert.notEqual(cache.cookie, before);
});

test("a write fork is unused until something real is in it, and never again", () => {
  const cache = cacheOf();
  cache.upsert("write", mapping([pureOverwrite, 0, 8 * B, NONE, 0]));
  cache.upsert("write", mapping([noCache, 0, 8 * B, NONE, 0]));
  assert.equal(cache.write, undefined);
  cache.upsert("read", mapping([mapped, 0, 8 * B, 0, 1]));
  assert.equal(look(cache, 0, Operation.write), Lookup.hit, "unused: all writes are pure overwrites");
  cache.upsert("write", mapping([mapped, 0, B, 64 * B, 1]));
  assert.equal(look(cache, 0, Operation.write), Lookup.hitWithSource);
  assert.equal(look(cache, B, Operation.write), Lookup.miss, "used: what it does not have is a miss");
  cache.remove("write", 0, TO_EOF);
  assert.equal(look(cache, 0, Operation.write), Lookup.miss, "empty is not unused");
  cache.upsert("write", mapping([pureOverwrite, 0, 8 * B, NONE, 0]));
  assert.equal(look(cache, 0, Operation.write), Lookup.hit);
  assert.equal(fork(cache, "write").length, 1);
});

test("what a write finds depends on what it would do there", () => {
  const { write, zero, unshare, direct, writeback, read } = Operation;
  const cases: [Slot, number, number][] = [
    [[hole, 0, B, NONE, 0], read, Lookup.hit],
    [[hole, 0, B, NONE, 0], write, Lookup.miss],
    [[hole, 0, B, NONE, 0], write | direct, Lookup.miss],
    [[hole, 0, B, NONE, 0], writeback, Lookup.miss],
    [[hole, 0, B, NONE, 0], zero, Lookup.hit],
    [[hole, 0, B, NONE, 0], unshare | write, Lookup.hit],
    [[delalloc, 0, B, NONE, 0], write, Lookup.hit],
    [[delalloc, 0, B, NONE, 0], write | direct, Lookup.miss],
    [[delalloc, 0, B, NONE, 0], writeback, Lookup.miss],
    [[delalloc, 0, B, NONE, 0], direct, Lookup.hit],
    [[unwritten, 0, B, 0, 1], write | direct, Lookup.hit],
    [[mapped, 0, B, 0, 1], writeback, Lookup.hit],
  ];
  for (const [slot, operation, result] of cases) {
    const cache = cacheOf();
    cache.upsert("read", mapping(slot));
    assert.equal(look(cache, 0, operation), result, `${slot[0]} for ${operation}`);
  }
});

test("a hit is trimmed to the blocks of what was asked, and its address with it", () => {
  const cache = cacheOf();
  cache.upsert("read", mapping([mapped, 0, 100 * B, 500 * B, 1]));
  const target = new Mapping();
  cache.lookup(10 * B + 5, 2 * B, Operation.read, target, new Mapping());
  assert.deepEqual([target.offset, target.length, target.addr], [10 * B, 3 * B, 510 * B]);
  cache.lookup(99 * B, 2 ** 52, Operation.read, target, new Mapping());
  assert.deepEqual([target.offset, target.length, target.addr], [99 * B, B, 599 * B]);
});

test("emptying a fork shows in the cookie; what changes nothing does not", () => {
  const cache = cacheOf();
  const start = cache.cookie;
  cache.remove("read", 0, TO_EOF);
  cache.remove("write", 0, 8 * B);
  assert.equal(cache.cookie, start);
  cache.upsert("read", mapping([mapped, 0, B, 0, 1]));
  const filled = cache.cookie;
  cache.remove("read", 5 * B, B);
  assert.equal(cache.cookie, filled);
  cache.remove("read", 0, limits.maxBytes);
  assert.notEqual(cache.cookie, filled);
});

test("invalidating bytes drops the blocks that they touch, of both forks", () => {
  const cache = cacheOf();
  cache.upsert("read", mapping([mapped, 0, 8 * B, 0, 1]));
  cache.upsert("write", mapping([mapped, 0, 8 * B, 64 * B, 1]));
  cache.invalidate(2 * B + 1000, 100);
  assert.deepEqual(fork(cache, "read"), [
    [mapped, 0, 2, 0, 1, 0],
    [mapped, 4, 4, 4 * B, 1, 0],
  ]);
  assert.deepEqual(
    fork(cache, "write").map(([, offset]) => offset),
    [0, 4],
  );
});

function look(cache: MappingCache, pos: number, operation: number): number {
  const target = new Mapping();
  const source = new Mapping();
  target.set(hole, 0, 0, NULL_ADDR, 0);
  return cache.lookup(pos, B, operation, target, source);
}
