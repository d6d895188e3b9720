/**
 * Explores in a worker that is watched: neither a hang nor hunger for memory can be seen from the thread that has it. What a worker has
 * loaded and V8 has compiled for one plan, the next ones find there.
 */
import { setInterval } from "node:timers";
import { Worker } from "node:worker_threads";
import { type ExplorerTask, type Tally, TEXT_OFFSET } from "./explorer.js";
import type { Plan } from "./plans.js";

/** A slow machine gets some patience beyond the 2 s that a case may take; a hang takes for ever. */
const MAX_MILLISECONDS = 6000;
/** What the worker may take to its first case, on a machine that is busy with other tests; its time is no case's. */
const MAX_START_MILLISECONDS = 60_000;
/** What one exploration may add to the process: its caches, the specimen's copies, and room for the collector. */
const MAX_GROWTH_MIB = 400;
const MAX_HEAP_MIB = 192;
const LOOK_EVERY = 250;
const TEXT_LENGTH = 200;

/** Workers that have explored all of their plans without harm, and have none. They end with this process. */
const idle: Worker[] = [];

function takeWorker(): Worker {
  const free = idle.pop();
  free?.ref();
  if (free !== undefined) return free;
  const resourceLimits = { maxOldGenerationSizeMb: MAX_HEAP_MIB };
  return new Worker(new URL("./explorer.js", import.meta.url), { resourceLimits });
}

function giveBack(worker: Worker): void {
  for (const event of ["message", "error", "exit"]) worker.removeAllListeners(event);
  worker.unref();
  idle.push(worker);
}

/**
 * Runs a plan.
 *
 * @param most milliseconds that one case may take
 * @param changing whether to change each image as well as to read it
 * @throws when a case throws what it must not, takes too long, or takes too much memory; says which case
 */
export function exploreAll(image: Uint8Array, plan: Plan, most = MAX_MILLISECONDS, changing = false): Promise<Tally> {
  const progress = new SharedArrayBuffer(TEXT_OFFSET + TEXT_LENGTH);
  const counter = new Int32Array(progress, 0, 1);
  const what = () => Buffer.from(new Uint8Array(progress, TEXT_OFFSET).slice()).toString("latin1").replace(/\0+$/, "");
  const task: ExplorerTask = { image, plan, changing, progress };
  const before = process.memoryUsage().rss;
  return new Promise((resolve, reject) => {
    const worker = takeWorker();
    let last = -1;
    let since = performance.now();
    const end = (error: Error | undefined, tally?: Tally) => {
      clearInterval(timer);
      if (tally === undefined) {
        void worker.terminate();
        reject(error ?? new Error(`the worker ended at: ${what()}`));
      } else {
        giveBack(worker);
        resolve(tally);
      }
    };
    const timer = setInterval(() => {
      const now = performance.now();
      const count = Atomics.load(counter, 0);
      if (count !== last) {
        last = count;
        since = now;
      } else {
        const limit = count === 0 ? MAX_START_MILLISECONDS : most;
        if (now - since > limit) end(new Error(`still running after ${limit} ms: ${what()}`));
      }
      const growth = (process.memoryUsage().rss - before) / 2 ** 20;
      if (growth > MAX_GROWTH_MIB) end(new Error(`memory grew by ${growth.toFixed(0)} MiB: ${what()}`));
    }, LOOK_EVERY);
    worker.once("message", (tally: Tally) => end(undefined, tally));
    worker.once("error", (error) => end(new Error(`${error.message} (at: ${what()})`, { cause: error })));
    worker.once("exit", () => end(undefined));
    worker.postMessage(task);
  });
}
