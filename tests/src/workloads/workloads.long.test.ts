/** workloads.test.ts with all there is to do: 30,000 files, 64 MiB of every fio job, every stressor. */
import { describe, test } from "node:test";
import { withoutFuse, withoutLoopMounts, withoutTools } from "../facilities.js";
import { seedOf } from "../model/generate.js";
import { FEATURES, MOUNTED } from "../model/variants.js";
import { WORKLOADS } from "./software.js";
import { tryWorkload } from "./trial.js";

const IMAGES: Readonly<Record<string, readonly string[]>> = {
  default: ["-O", FEATURES, "-b", "4096", "-J", "size=16"],
  "1 KiB blocks": ["-O", FEATURES, "-b", "1024", "-J", "size=8", "-i", "8192"],
  "no journal": ["-O", `${FEATURES},^has_journal`, "-b", "4096"],
  bigalloc: ["-O", `${FEATURES},bigalloc,^resize_inode`, "-b", "4096", "-C", "16384", "-i", "16384"],
};

for (const subject of [...MOUNTED, "bridged"] as const) {
  describe(`all of the workloads on ${subject}`, { skip: withoutLoopMounts() || withoutFuse() }, () => {
    for (const [name, mke2fs] of Object.entries(IMAGES)) {
      for (const workload of WORKLOADS) {
        // Ranges are shifted by whole clusters only.
        if (name === "bigalloc" && workload.name === "fsx") continue;
        const seed = seedOf(process.env);
        test(`${workload.name}, ${name} (seed ${seed})`, { skip: withoutTools(...workload.tools) }, () =>
          tryWorkload(workload, { subject, seed, mke2fs, long: true }),
        );
      }
    }
  });
}
