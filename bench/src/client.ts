// The client of a benchmark: a process of its own, because whoever serves a mount must not touch it. Runs one workload on a
// directory so many times, and prints {"seconds", "operations", "bytes"} of the last; starting Node, and what the workload prepares, is
// not part of the time.
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { freemem } from "node:os";
import { join } from "node:path";
import { readWorkloads } from "./read-workloads.js";
import type { Done } from "./workload.js";
import { writeWorkloads } from "./write-workloads.js";

const workloads = { ...readWorkloads, ...writeWorkloads };
const [name = "", directory = "", passes = "1"] = process.argv.slice(2);
const workload = workloads[name];
if (workload === undefined) throw new Error(`no workload ${name}; there are: ${Object.keys(workloads).join(", ")}`);
const MIB = 2 ** 20;
const USUAL_MEMORY = 512 * MIB;

/**
 * Has so much memory of the machine used, and freed again. A virtual machine gives what is free for seconds back to its host (free page
 * reporting), and each page of it costs ten times as much when it is used next: without this, it is chance who pays.
 */
function takeMemory(bytes: number): void {
  const pieces = Math.floor(Math.min(bytes, freemem() / 2) / (64 * MIB));
  const script = `const all = []; while (all.length < ${pieces}) all.push(Buffer.alloc(${64 * MIB}, 1));`;
  const { status, stderr } = spawnSync(process.execPath, ["-e", script], { encoding: "utf8" });
  if (status !== 0) throw new Error(`using memory: ${stderr}`);
}

/** Makes the directory of a pass: all that read have the same one, and each that writes begins with an empty one. */
function makePlace(pass: number): string {
  if (!(name in writeWorkloads)) return directory;
  if (pass > 0) rmSync(join(directory, `pass-${pass - 1}`), { recursive: true });
  const place = join(directory, `pass-${pass}`);
  mkdirSync(place);
  return place;
}

let done: Done = { operations: 0, bytes: 0 };
let seconds = 0;
for (let pass = 0; pass < Number(passes); pass++) {
  const place = makePlace(pass);
  workload.prepare?.(place);
  takeMemory(workload.memory ?? USUAL_MEMORY);
  const start = performance.now();
  done = workload.run(place);
  seconds = (performance.now() - start) / 1000;
}
console.log(JSON.stringify({ seconds, ...done }));
