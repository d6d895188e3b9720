import assert from "node:assert/strict";
import { test } from "node:test";
import { Timers } from "@bulkhead/fuse";
import { Deadlines } from "../src/deadlines.js";

/** An engine with deadlines by a clock that can be set, and timers by one that only goes on. */
class Stage {
  time = 1_000_000;
  setBack = 0;
  deadline = Number.POSITIVE_INFINITY;
  readonly ticks: number[] = [];
  readonly timers = new Timers({ now: () => this.time });
  readonly deadlines = new Deadlines(this, this.timers, (error) => {
    throw error;
  });

  get nextDeadline(): number {
    return Math.max(0, this.deadline - this.now);
  }
  get now(): number {
    return this.time - this.setBack;
  }

  tick(): void {
    this.ticks.push(this.time);
    this.deadline = Number.POSITIVE_INFINITY;
  }

  /** Something is to be done at a time, and is armed for. */
  due(at: number): void {
    this.deadline = Math.min(this.deadline, at);
    this.deadlines.arm();
  }

  pass(milliseconds: number): void {
    for (const end = this.time + milliseconds; this.time < end; this.time++) this.timers.runDue();
  }
}

test("a deadline that comes up while a later one is waited for is kept", () => {
  const stage = new Stage();
  const start = stage.time;
  stage.due(start + 20_000);
  stage.pass(100);
  stage.due(start + 1_100);
  stage.pass(30_000);
  assert.deepEqual(stage.ticks, [start + 1_100]);
});

test("deadlines that follow the one that is waited for cost no timer, and one is kept when the clock is set back", () => {
  const stage = new Stage();
  const start = stage.time;
  stage.due(start + 5_000);
  stage.setBack = 3_600_000;
  stage.due(start + 6_000);
  stage.pass(5_500);
  assert.deepEqual(stage.ticks, [start + 5_000]);
  stage.due(stage.now + 1_000);
  stage.pass(1_001);
  assert.equal(stage.ticks.length, 2);
});
