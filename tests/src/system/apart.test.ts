/** What tests run apart. Oracles: /proc, mountinfo, and the kernel's ext4 on two images, of which one is mounted by somebody else. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { withoutLoopMounts } from "../facilities.js";
import { checkImage } from "../images/build.js";
import { makeWorkloadImage } from "../workloads/trial.js";
import { runApart } from "./apart.js";
import { withLoopMountAsync } from "./loop.js";
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

/** Says which process it is, after so many milliseconds; or fails, at once or when nobody waits for it any more. */
const DIVERSE = `
import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
const [what, out] = process.argv.slice(2);
if (what === "fails") throw new Error("as it was told to");
if (what === "exits") process.exitCode = 3;
if (what === "later") setTimeout(() => { throw new Error("nobody waited"); }, 20);
writeFileSync(out, String(process.pid));
if (what === "hangs") await sleep(60_000);
`;

async function withScript(text: string, work: (script: string, out: string) => Promise<void>): Promise<void> {
  const directory = scratchDirectory("apart");
  try {
    const script = join(directory, "script.mjs");
    writeFileSync(script, text);
    await work(script, join(directory, "out"));
  } finally {
    removeScratch(directory);
  }
}

async function ended(pid: string): Promise<void> {
  for (const until = Date.now() + TIMEOUT; existsSync(`/proc/${pid}`); await sleep(10)) {
    assert.ok(Date.now() < until, `process ${pid} does not end`);
  }
}

describe("a process that is run apart", { skip: withoutLoopMounts() }, () => {
  it("does one job after another, two at a time are two", async () => {
    await withScript(DIVERSE, async (script, out) => {
      const pids = new Set<string>();
      for (let n = 0; n < 3; n++) {
        await runApart(script, ["well", out], TIMEOUT);
        pids.add(readFileSync(out, "utf8"));
      }
      assert.equal(pids.size, 1);
      await Promise.all([1, 2].map((n) => runApart(script, ["well", out + n], TIMEOUT)));
      assert.notEqual(readFileSync(`${out}1`, "utf8"), readFileSync(`${out}2`, "utf8"));
    });
  });

  it("says why it failed, and does nothing any more", async () => {
    await withScript(DIVERSE, async (script, out) => {
      await runApart(script, ["well", out], TIMEOUT);
      const before = readFileSync(out, "utf8");
      await assert.rejects(
        runApart(script, ["fails", out], TIMEOUT),
        /script\.mjs fails .*: exit 1\n[\s\S]*as it was told to/,
      );
      await runApart(script, ["well", out], TIMEOUT);
      const after = readFileSync(out, "utf8");
      assert.notEqual(after, before);
      await assert.rejects(runApart(script, ["exits", out], TIMEOUT), /: exit 3\n/);
      await assert.rejects(runApart(script, ["hangs", out], 500), /: still running after 500 ms/);
      for (const pid of [after, readFileSync(out, "utf8")]) assert.equal(existsSync(`/proc/${pid}`), false);
    });
  });

  it("fails the next job when something of the last one fails after its end", async () => {
    await withScript(DIVERSE, async (script, out) => {
      await runApart(script, ["later", out], TIMEOUT);
      await ended(readFileSync(out, "utf8"));
      await assert.rejects(runApart(script, ["well", out], TIMEOUT), /: exit 1\n[\s\S]*nobody waited/);
      await runApart(script, ["well", out], TIMEOUT);
    });
  });

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
