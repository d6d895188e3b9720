import assert from "node:assert/strict";
import { test } from "node:test";
import { Timers } from "../../src/index.js";

function manual() {
  const clock = { time: 1000, now: () => clock.time };
  return { clock, timers: new Timers(clock), ran: [] as string[] };
}

test("timers run in the order they are due, once, and tell how long to wait", () => {
  const { clock, timers, ran } = manual();
  assert.equal(timers.wait(), -1);
  timers.after(50, () => ran.push("late"));
  timers.after(10, () => ran.push("early"));
  timers.after(10, () => ran.push("early, second"));
  assert.equal(timers.wait(), 10);
  clock.time += 9.5;
  timers.runDue();
  assert.deepEqual(ran, []);
  assert.equal(timers.wait(), 1);
  clock.time += 0.5;
  assert.equal(timers.wait(), 0);
  timers.runDue();
  assert.deepEqual(ran, ["early", "early, second"]);
  assert.equal(timers.wait(), 40);
  clock.time += 1000;
  assert.equal(timers.wait(), 0);
  timers.runDue();
  timers.runDue();
  assert.deepEqual(ran, ["early", "early, second", "late"]);
});

test("a cancelled timer does not run, and one set by a timer waits for the next round", () => {
  const { clock, timers, ran } = manual();
  const cancel = timers.after(5, () => ran.push("cancelled"));
  timers.after(5, () => timers.after(0, () => ran.push("nested")));
  cancel();
  cancel();
  clock.time += 5;
  timers.runDue();
  assert.deepEqual(ran, []);
  timers.runDue();
  assert.deepEqual(ran, ["nested"]);
});

test("no wait is longer than poll takes: a timer far off is asked about again", () => {
  const { timers } = manual();
  timers.after(30 * 86_400_000, () => {});
  assert.equal(timers.wait(), 2 ** 31 - 1);
});
