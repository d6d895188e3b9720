/**
 * Real software on a mount. Oracles: each program's own check of what it has done (see software.ts), e2fsck -fn afterwards, and
 * the kernel's ext4, on which every workload has to pass first.
 */
import { describe, test } from "node:test";
import { withoutLoopMounts, withoutTools } from "../facilities.js";
import { seedOf } from "../model/generate.js";
import { WORKLOADS } from "./software.js";
import { tryWorkload } from "./trial.js";

/** Too long for every run. */
const LONG_ONLY: ReadonlySet<string> = new Set(["npm"]);

describe("workloads on the kernel's ext4", { skip: withoutLoopMounts(), concurrency: 2 }, () => {
  for (const workload of WORKLOADS.filter(({ name }) => !LONG_ONLY.has(name))) {
    test(`${workload.name}: ${workload.about}`, { skip: withoutTools(...workload.tools) }, () =>
      tryWorkload(workload, { subject: "kernel", seed: seedOf(process.env) }),
    );
  }
});
