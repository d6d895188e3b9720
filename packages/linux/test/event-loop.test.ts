/** Oracle: Node's own event loop, which knows of a signal when it has had a turn, and poll(2). */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { eventLoopDescriptor, Poll, PollSet } from "../src/index.js";

test("a signal shows in a thread that polls, before its event loop knows", async () => {
  let caught = 0;
  const catching = () => void caught++;
  process.on("SIGUSR2", catching);
  await turn();
  const ready = new PollSet(1);
  ready.set(0, eventLoopDescriptor(), Poll.IN);
  // Whatever else there is to do.
  while (ready.poll(20) > 0) await turn();
  const killer = spawn("kill", ["-USR2", String(process.pid)], { stdio: "ignore" });
  const until = performance.now() + 10_000;
  // The end of the child is a signal as well.
  while (caught === 0 && performance.now() < until) {
    if (ready.poll(100) > 0) {
      assert.equal(caught, 0);
      await turn();
    }
  }
  assert.equal(caught, 1);
  process.off("SIGUSR2", catching);
  killer.unref();
});
