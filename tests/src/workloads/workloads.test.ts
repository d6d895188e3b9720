/**
 * Real software on our mount. Oracles: each program's own check of what it has done (see software.ts), and e2fsck -fn afterwards. That
 * every workload passes on the kernel's ext4 is shown in the long test.
 */
import { describe, test } from "node:test";
import { withoutFuse, withoutLoopMounts, withoutTools } from "../facilities.js";
import { seedOf } from "../model/generate.js";
import { WORKLOADS } from "./software.js";
import { tryWorkload } from "./trial.js";

/** What the host without a mount is asked here; the others have their turn in workloads.long.test.ts. */
const BRIDGED = ["fsx"];

for (const subject of ["served", "bridged"] as const) {
  describe(`workloads on ${subject}`, { skip: withoutLoopMounts() || withoutFuse(), concurrency: 2 }, () => {
    for (const workload of WORKLOADS) {
      if (subject === "bridged" && !BRIDGED.includes(workload.name)) continue;
      const seed = seedOf(process.env);
      test(`${workload.name}: ${workload.about} (seed ${seed})`, { skip: withoutTools(...workload.tools) }, () =>
        tryWorkload(workload, { subject, seed }),
      );
    }
  });
}
