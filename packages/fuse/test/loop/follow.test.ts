import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { getAffinity } from "@bulkhead/linux";
import { CpuFollower } from "../../src/index.js";
import { parseProcessor } from "../../src/loop/follow.js";

/** A machine of four CPUs whose threads are where `at` says. */
function machine() {
  const bound: (readonly number[])[] = [];
  const at = new Map<number, number>();
  const cpus = [0, 1, 2, 3];
  const placement = {
    cpus,
    cpuOf: (tid: number) => at.get(tid) ?? -1,
    bind: (list: readonly number[]) => void bound.push(list),
    close: () => {},
  };
  const follower = new CpuFollower(placement);
  const see = (tid: number, times = 1) => {
    const request = new Uint8Array(80);
    new DataView(request.buffer).setUint32(32, tid, true);
    for (let i = 0; i < times; i++) follower.observe(request);
  };
  return { at, bound, cpus, follower, see };
}

describe("the follower", () => {
  test("binds to the CPU of a single client, and goes with it at once", () => {
    const { at, bound, follower, see } = machine();
    at.set(7, 2);
    see(7, 5);
    assert.deepEqual(bound, []);
    see(7, 10);
    assert.deepEqual(bound, [[2]]);
    assert.equal(follower.following, true);
    at.set(7, 1);
    see(7);
    assert.deepEqual(bound, [[2], [1]]);
  });

  test("binds for several clients only while they share a CPU", () => {
    const { at, bound, cpus, follower, see } = machine();
    for (const tid of [1, 2, 3]) at.set(tid, 3);
    for (let i = 0; i < 4; i++) for (const tid of [1, 2, 3]) see(tid);
    assert.deepEqual(bound, [[3]]);
    at.set(2, 0);
    for (let i = 0; i < 10; i++) for (const tid of [1, 2, 3]) see(tid);
    assert.deepEqual(bound, [[3], cpus]);
    assert.equal(follower.following, false);
  });

  test("never moves for clients on several CPUs, and looks less and less often", () => {
    const { at, bound, follower, see } = machine();
    at.set(1, 0);
    at.set(2, 1);
    for (let i = 0; i < 50; i++) {
      see(1, 2);
      see(2, 3);
    }
    assert.deepEqual(bound, []);
    assert.ok(follower.credit >= 1024);
  });

  test("learns nothing from callers it cannot see, or CPUs it may not use", () => {
    const { at, bound, see } = machine();
    see(0, 20);
    see(99, 20);
    at.set(5, 17);
    see(5, 20);
    assert.deepEqual(bound, []);
  });

  test("gives the CPUs back when released", () => {
    const { at, bound, cpus, follower, see } = machine();
    at.set(7, 2);
    see(7, 6);
    follower.release();
    assert.deepEqual(bound, [[2], cpus]);
  });

  test("finds this very thread through /proc, and releases it", () => {
    const all = getAffinity();
    const follower = new CpuFollower();
    const request = new Uint8Array(80);
    new DataView(request.buffer).setUint32(32, process.pid, true);
    try {
      for (let i = 0; i < 6; i++) follower.observe(request);
      assert.equal(follower.following, true);
      assert.equal(getAffinity().length, 1);
    } finally {
      follower.release();
    }
    assert.deepEqual(getAffinity(), all);
  });
});

test("the processor field is found behind a name with spaces and parentheses", () => {
  const fields = Array.from({ length: 50 }, (_, i) => (i === 36 ? "13" : "5")).join(" ");
  const bytes = new TextEncoder().encode(`12 (a ) b (c)) ${fields}\n`);
  assert.equal(parseProcessor(bytes, bytes.length), 13);
  for (let length = -3; length < 60; length++) assert.equal(parseProcessor(bytes, length), -1);
  const own = readFileSync("/proc/self/stat");
  assert.ok(parseProcessor(own, own.length) >= 0);
});
