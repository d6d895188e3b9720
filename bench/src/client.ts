// The client of a benchmark: a process of its own, because whoever serves a mount must not touch it. Runs one workload on a
// directory and prints {"seconds", "operations", "bytes"}; starting Node, and what the workload prepares, is not part of the time.
import { readWorkloads } from "./read-workloads.js";
import type { Done } from "./workload.js";
import { writeWorkloads } from "./write-workloads.js";

const workloads = { ...readWorkloads, ...writeWorkloads };
const [name = "", directory = "", passes = "1"] = process.argv.slice(2);
const workload = workloads[name];
if (workload === undefined) throw new Error(`no workload ${name}; there are: ${Object.keys(workloads).join(", ")}`);
let done: Done = { operations: 0, bytes: 0 };
let seconds = 0;
workload.prepare?.(directory);
for (let pass = 0; pass < Number(passes); pass++) {
  const start = performance.now();
  done = workload.run(directory);
  seconds = (performance.now() - start) / 1000;
}
console.log(JSON.stringify({ seconds, ...done }));
