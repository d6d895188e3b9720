/** What tests run apart. Oracle: mountinfo, and the kernel's ext4 on two images, of which one is mounted by somebody else. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { withoutLoopMounts } from "../facilities.js";
import { checkImage } from "../images/build.js";
import { makeWorkloadImage } from "../workloads/trial.js";
import { withLoopMountAsync } from "./loop.js";
import { runApart } from "./process.js";
import { removeScratch, scratchDirectory } from "./scratch.js";

const MIB = 1 << 20;
const TIMEOUT = 20_000;

/** Says which mounts it sees, and mounts an image. */
const SCRIPT = `
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
const [image, at, out] = process.argv.slice(2);
const before = readFileSync("/proc/self/mountinfo", "latin1");
execFileSync("mount", ["-o", "loop", image, at]);
writeFileSync(out, JSON.stringify([before, readFileSync("/proc/self/mountinfo", "latin1")]));
execFileSync("umount", [at]);
`;

describe("a process that is run apart", { skip: withoutLoopMounts() }, () => {
  it("sees its own mounts and the system's, and nobody is rid of theirs", async () => {
    const directory = scratchDirectory("apart");
    try {
      const [theirs, its, out, script] = ["theirs", "its", "out", "script.mjs"].map((name) => join(directory, name));
      makeWorkloadImage(theirs!, 8 * MIB, ["-O", "^has_journal"]);
      makeWorkloadImage(its!, 8 * MIB, ["-O", "^has_journal"]);
      writeFileSync(script!, SCRIPT);
      const mountPoint = scratchDirectory("apart-own");
      try {
        await withLoopMountAsync(theirs!, {}, async (at) => {
          await runApart(script!, [its!, mountPoint, out!], TIMEOUT);
          const [before = "", after = ""] = JSON.parse(readFileSync(out!, "utf8")) as string[];
          assert.match(before, / \/proc /);
          assert.ok(!before.includes(at), "the other mount is not there");
          assert.ok(after.includes(mountPoint), "its own is");
          assert.ok(readFileSync("/proc/self/mountinfo", "latin1").includes(at), "the other one is still mounted");
        });
      } finally {
        removeScratch(mountPoint);
      }
      checkImage(theirs!);
      checkImage(its!);
    } finally {
      removeScratch(directory);
    }
  });
});
