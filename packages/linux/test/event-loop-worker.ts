/** A worker that waits in a poll of its own, and says what its event loop shows. */
import { stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { MessageChannel, parentPort } from "node:worker_threads";
import { EventLoop, Poll, PollSet } from "../src/index.js";

const loop = new EventLoop();
const ready = new PollSet(1);
ready.set(0, loop.fd, Poll.IN);
const { port1, port2 } = new MessageChannel();
let isOver = (_: unknown) => {};
port1.on("message", (message) => isOver(message));
/** A turn that ends in a callback of a message, and not of setImmediate. */
const turn = () =>
  new Promise((resolve) => {
    isOver = resolve;
    setImmediate(() => port2.postMessage(undefined));
  });

await turn();
// Whatever a worker has to do at first.
for (let i = 0; i < 100 && (loop.wait() === 0 || ready.poll(20) > 0); i++) await turn();
const idle = loop.wait();
let hasSlept = false;
const sleeping = sleep(60).then(() => {
  hasSlept = true;
});
await turn();
const first = loop.wait();
for (let wait = first; wait > 0; wait = loop.wait()) ready.poll(wait);
const before = hasSlept;
await sleeping;
const asked = stat("/");
const started = performance.now();
while (ready.poll(1000) === 0);
const shown = performance.now() - started;
await asked;
parentPort?.postMessage({ fd: loop.fd, idle, first, before, shown });
port1.close();
