/** Entry of the workers that explore the cases of one plan after the other: they say on shared memory what they are at, so that a hang can be seen. */
import { parentPort } from "node:worker_threads";
import { type BlockDevice, MemoryDevice } from "@bulkhead/ext4";
import { change } from "./change.js";
import { explore, type Findings } from "./explore.js";
import { cases, type Plan } from "./plans.js";

export interface ExplorerTask {
  readonly image: Uint8Array;
  readonly plan: Plan;
  /** Whether to change the image as well as to read it. */
  readonly changing: boolean;
  /** One 32-bit counter of cases, then the text of the present one. */
  readonly progress: SharedArrayBuffer;
}

/** What a whole plan came to. */
export interface Tally {
  readonly cases: number;
  /** Cases in which something was found wrong. */
  readonly noticed: number;
  /** Cases in which the file system could be opened. */
  readonly opened: number;
  /** How often each kind was found. */
  readonly kinds: Readonly<Record<string, number>>;
  readonly slowest: { readonly what: string; readonly milliseconds: number };
}

/** Bytes of the counter. */
export const TEXT_OFFSET = 4;

function run({ image, plan, changing, progress }: ExplorerTask): Tally {
  const counter = new Int32Array(progress, 0, 1);
  const shared = new Uint8Array(progress, TEXT_OFFSET);
  const kinds: Record<string, number> = {};
  const slowest = { what: "", milliseconds: 0 };
  let count = 0;
  let noticed = 0;
  let opened = 0;
  for (const { what, device } of cases(plan, image)) {
    shared.fill(0);
    for (let at = 0; at < Math.min(what.length, shared.length); at++) shared[at] = what.charCodeAt(at);
    Atomics.add(counter, 0, 1);
    const start = performance.now();
    let findings: Findings;
    try {
      findings = changing ? changeAndExplore(device, count) : explore(device);
    } catch (error) {
      throw new Error(`${what}: ${error instanceof Error ? error.stack : error}`);
    }
    const milliseconds = performance.now() - start;
    if (milliseconds > slowest.milliseconds) Object.assign(slowest, { what, milliseconds });
    count++;
    if (findings.opened) opened++;
    if (!findings.opened || findings.kinds.size > 0) noticed++;
    for (const kind of findings.kinds) kinds[kind] = (kinds[kind] ?? 0) + 1;
  }
  return { cases: count, noticed, opened, kinds, slowest };
}

/** More than reading and writing a specimen take. */
const MOST_ACCESSES = 1000;

/** Changes a copy, and looks at what is left of it. Every other time, an error ends all writing; at times the device fails. */
function changeAndExplore(device: BlockDevice, nth: number): Findings {
  const findings = change(device, {
    errors: nth % 2 === 0 ? "continue" : "remount-ro",
    mount: { data: nth % 3 === 0 ? "journal" : "ordered", quota: { user: nth % 4 === 0, project: true } },
    ...(nth % 5 === 0 ? { failingAfter: (nth * 7919) % MOST_ACCESSES } : {}),
  });
  explore(new MemoryDevice(findings.image, { readOnly: true }), false);
  return findings;
}

// What is thrown here ends the worker.
parentPort?.on("message", (task: ExplorerTask) => parentPort?.postMessage(run(task)));
