import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { getAffinity } from "@bulkhead/linux";
import { CpuFollower } from "../../src/index.js";
import { parseProcessor } from "../../src/loop/follow.js";

function cannotFollow(): string | false {
  if (process.getuid?.() !== 0) return "needs root, to leave SCHED_IDLE";
  return getAffinity().length < 2 && "needs two CPUs";
}

/** A machine of four CPUs whose threads are where `at` says. */
function machine() {
  const moves: (number | "float")[] = [];
  const at = new Map<number, number>();
  const clock = { delay: 0, now: 0 };
  const follower = new CpuFollower({
    cpus: [0, 1, 2, 3],
    cpuOf: (tid: number) => at.get(tid) ?? -1,
    follow: (cpu) => void moves.push(cpu),
    float: () => void moves.push("float"),
    delay: () => clock.delay,
    now: () => clock.now,
    close: () => {},
  });
  const see = (tid: number, times = 1) => {
    const request = new Uint8Array(80);
    new DataView(request.buffer).setUint32(32, tid, true);
    for (let i = 0; i < times; i++) follower.observe(request);
  };
  return { at, moves, clock, follower, see };
}

describe("the follower", () => {
  test("goes to the CPU of a single client, and on with it", () => {
    const { at, moves, follower, see } = machine();
    at.set(7, 2);
    see(7, 5);
    assert.deepEqual(moves, []);
    see(7, 20);
    assert.deepEqual(moves, [2]);
    assert.equal(follower.following, true);
    at.set(7, 1);
    see(7, 256);
    assert.deepEqual(moves, [2, 1]);
  });

  test("goes where it is told later that its client is", () => {
    const asked: number[] = [];
    const moves: number[] = [];
    let tell: (tid: number, cpu: number) => void = () => {};
    const follower = new CpuFollower({
      cpus: [0, 1],
      cpuOf: (tid) => {
        asked.push(tid);
        return -1;
      },
      onTold: (teller) => {
        tell = teller;
      },
      follow: (cpu) => void moves.push(cpu),
      float: () => {},
      delay: () => 0,
      now: () => 0,
      close: () => {},
    });
    const request = new Uint8Array(80);
    new DataView(request.buffer).setUint32(32, 7, true);
    for (let i = 0; i < 6; i++) {
      follower.observe(request);
      assert.deepEqual(moves, []);
      tell(7, 1);
    }
    assert.deepEqual(moves, [1]);
    follower.starved(request);
    assert.deepEqual(asked, [7, 7, 7, 7, 7, 7, 7], "it looks at once when its client is gone");
    tell(7, 0);
    assert.deepEqual(moves, [1, 0]);
  });

  test("notices at once when its client is gone, and trusts one that thinks between requests", () => {
    const { at, moves, follower, see } = machine();
    const request = new Uint8Array(80);
    new DataView(request.buffer).setUint32(32, 7, true);
    at.set(7, 2);
    follower.starved(request);
    assert.deepEqual(moves, [], "nothing to follow yet");
    see(7, 6);
    assert.deepEqual(moves, [2]);
    at.set(7, 3);
    follower.starved(request);
    assert.deepEqual(moves, [2, 3]);
    // It stays, and asks slowly: after 1, 2, 4 … 64 times in vain it is looked up, and then every 65th time.
    for (let i = 0; i < 500; i++) follower.starved(request);
    at.set(7, 1);
    let times = 0;
    while (moves.length === 2 && times < 100) {
      follower.starved(request);
      times++;
    }
    assert.deepEqual(moves, [2, 3, 1]);
    assert.ok(times > 1, `looked up after ${times}`);
    at.set(7, 0);
    follower.starved(request);
    follower.starved(request);
    assert.deepEqual(moves, [2, 3, 1, 0]);
  });

  test("follows several clients only while they share a CPU", () => {
    const { at, moves, follower, see } = machine();
    for (const tid of [1, 2, 3]) at.set(tid, 3);
    for (let i = 0; i < 4; i++) for (const tid of [1, 2, 3]) see(tid);
    assert.deepEqual(moves, [3]);
    at.set(2, 0);
    for (let i = 0; i < 350; i++) for (const tid of [1, 2, 3]) see(tid);
    assert.deepEqual(moves, [3, "float"]);
    assert.equal(follower.following, false);
  });

  test("never moves for clients on several CPUs, and looks less and less often", () => {
    const { at, moves, follower, see } = machine();
    at.set(1, 0);
    at.set(2, 1);
    for (let i = 0; i < 50; i++) {
      see(1, 2);
      see(2, 3);
    }
    assert.deepEqual(moves, []);
    assert.ok(follower.credit >= 1024);
  });

  test("learns nothing from callers it cannot see, or CPUs it may not use", () => {
    const { at, moves, see } = machine();
    see(0, 20);
    see(99, 20);
    at.set(5, 17);
    see(5, 20);
    assert.deepEqual(moves, []);
  });

  test("floats, and rests longer each time, where it keeps waiting for the CPU", () => {
    const { at, moves, clock, see } = machine();
    const wait = (milliseconds: number, times: number) => {
      for (let i = 0; i < times; i++) {
        clock.delay += milliseconds;
        see(7);
      }
    };
    at.set(7, 2);
    see(7, 10);
    // Little each time; much, but not for long.
    wait(4, 20);
    wait(50, 2);
    wait(0, 1);
    wait(50, 2);
    assert.deepEqual(moves, [2]);
    wait(50, 1);
    assert.deepEqual(moves, [2, "float"]);
    clock.now = 1_999;
    see(7, 20);
    assert.deepEqual(moves, [2, "float"]);
    clock.now = 2_000;
    see(7, 20);
    assert.deepEqual(moves, [2, "float", 2]);
    wait(50, 3);
    clock.now += 3_999;
    see(7, 20);
    assert.deepEqual(moves, [2, "float", 2, "float"]);
    clock.now += 1;
    see(7, 20);
    assert.deepEqual(moves, [2, "float", 2, "float", 2]);
  });

  test("floats for a stream of large reads", () => {
    const { at, moves, follower, see } = machine();
    at.set(7, 2);
    see(7, 10);
    const request = new Uint8Array(80);
    const view = new DataView(request.buffer);
    view.setUint32(4, 15, true);
    view.setUint32(32, 7, true);
    view.setUint32(56, 4096, true);
    follower.observe(request);
    assert.deepEqual(moves, [2]);
    view.setUint32(56, 131_072, true);
    for (let i = 0; i < 10; i++) follower.observe(request);
    assert.deepEqual(moves, [2, "float"]);
    see(7, 6);
    assert.deepEqual(moves, [2, "float", 2]);
  });

  test("lets go when released", () => {
    const { at, moves, follower, see } = machine();
    at.set(7, 2);
    see(7, 6);
    follower.release();
    assert.deepEqual(moves, [2, "float"]);
  });

  test("finds this very thread through /proc, and releases it", { skip: cannotFollow() }, () => {
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
