/** The thread that waits for the device in the serving thread's place: reads that take long, and commits' I/O. Touches no metadata. */
import { fstat } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { setNoFilesystemRecursion } from "@bulkhead/fuse";
import { LinuxError, Policy, setAffinity, setPolicy } from "@bulkhead/linux";
import { runSteps, runStepsHere } from "./commit-steps.js";
import { Counter, type IoJob, type IoSetup } from "./io-job.js";
import { serveRead } from "./slow-read.js";

const setup = workerData as IoSetup;
const { counters } = setup;
/** Whether commits' I/O is this thread's own. */
let isAlone = false;

/** What the kernel knows of a thread's memory, Node's other threads do not have: from here on none of them is asked. */
function keepFromRecursion(connection: number): void {
  isAlone = true;
  let outcome = 1;
  try {
    setNoFilesystemRecursion(connection, true);
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error;
    outcome = -error.errno;
  }
  Atomics.store(counters, Counter.recursion, outcome);
  Atomics.notify(counters, Counter.recursion);
}

try {
  setPolicy(0, Policy.OTHER);
  setAffinity(0, setup.cpus);
} catch {
  // It reads as well where it was started. Ending here would leave requests without an answer.
}
parentPort?.on("message", (job: IoJob) => {
  if ("pieces" in job) serveRead(counters, job);
  else if (!("steps" in job)) keepFromRecursion(job.connection);
  else if (isAlone) runStepsHere(counters, job);
  else runSteps(counters, job);
});
if (setup.lockDown) {
  const { lockDownThread } = await import("./lock-down/index.js");
  lockDownThread();
}
// Node starts the threads of its pool with the first call that needs one.
fstat(2, () => {
  Atomics.store(counters, Counter.ready, 1);
  Atomics.notify(counters, Counter.ready);
});
