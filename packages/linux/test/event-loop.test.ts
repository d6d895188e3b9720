/** Oracle: Node's own event loop, which knows of a signal when it has had a turn, and poll(2). */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { EventLoop, Poll, PollSet } from "../src/index.js";

test("a signal shows in a thread that polls, before its event loop knows", async () => {
  let caught = 0;
  const catching = () => void caught++;
  process.on("SIGCONT", catching);
  await turn();
  const ready = new PollSet(1);
  ready.set(0, new EventLoop().fd, Poll.IN);
  // Whatever else there is to do.
  while (ready.poll(20) > 0) await turn();
  const killer = spawn("kill", ["-CONT", String(process.pid)], { stdio: "ignore" });
  const until = performance.now() + 10_000;
  // The end of the child is a signal as well.
  while (caught === 0 && performance.now() < until) {
    if (ready.poll(100) > 0) {
      assert.equal(caught, 0);
      await turn();
    }
  }
  assert.equal(caught, 1);
  process.off("SIGCONT", catching);
  killer.unref();
});

test("a worker's own shows timers by the time to wait, and what other threads do for it by its descriptor", async () => {
  const worker = new Worker(new URL("./event-loop-worker.js", import.meta.url));
  const [[seen]] = await Promise.all([once(worker, "message"), once(worker, "exit")]);
  const { fd, idle, first, before, shown } = seen;
  assert.ok(fd >= 0 && fd !== new EventLoop().fd);
  // In a worker Node has a timer of its own at times.
  assert.ok(idle === -1 || idle > 0, `idle: ${idle}`);
  assert.ok(first > 0 && first <= 60, `wait: ${first}`);
  assert.equal(before, false, "without a turn nothing runs");
  assert.ok(shown < 1000, `shown after ${shown} ms`);
});
