// Oracles: the software's own judges (fsx's copy in memory, git fsck, sqlite's integrity check, tar --compare), and e2fsck. The server is
// killed at random moments, 200 times and more, and none of them may notice.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { withoutFuse, withoutLoopMounts, withoutTools } from "../facilities.js";
import { checkImage } from "../images/build.js";
import { Random } from "../images/random.js";
import { seedOf } from "../model/generate.js";
import { FEATURES } from "../model/variants.js";
import { Bench } from "../mount/served-mount.js";
import type { Way } from "../mount/ways.js";
import { unmount } from "../system/loop.js";
import { makeWorkloadImage } from "../workloads/trial.js";
import { Killer } from "./killer.js";

const SOFTWARE = fileURLToPath(new URL("./software.js", import.meta.url));
const HELD = fileURLToPath(new URL("../../src/survival/held.py", import.meta.url));
const WORKLOADS = ["fsx", "git", "sqlite", "untar"] as const;
const KILLS = Number(process.env["SURVIVAL_KILLS"] ?? 200);
/** Milliseconds that a round of killing takes, at least; it is repeated until there were enough. */
const ROUND = 30_000;
const MOST_ROUNDS = 30;

const skip = withoutLoopMounts() || withoutFuse() || withoutTools("git", "sqlite3", "tar", "python3");

describe("software on a mount whose server is killed again and again", { skip }, () => {
  let bench: Bench;
  before(() => {
    bench = new Bench();
  });
  after(() => bench.clear());

  const withoutJournal = ["-O", `${FEATURES},^has_journal`, "-b", "4096"];
  const variants: readonly [name: string, kills: number, mke2fs?: readonly string[] | undefined, way?: Way][] = [
    ["with a journal", KILLS],
    ["without a journal", KILLS / 5, withoutJournal],
    ["by a service", KILLS / 5, undefined, "activated"],
  ];
  for (const [name, wanted, mke2fs, way] of variants) {
    it(`${name}: notices nothing`, { timeout: 3_600_000 }, async (context) => {
      const seed = seedOf(process.env);
      const random = new Random(seed);
      const image = bench.path("image");
      makeWorkloadImage(image, 2 ** 31, mke2fs);
      const served = await bench.serve(image, ["restarts=1000000"], way);
      const killer = new Killer(served, () => random.below(2 ** 30) / 2 ** 30);
      const killing = killer.run();
      try {
        for (let round = 0; killer.kills < wanted && round < MOST_ROUNDS; round++) {
          const runs = WORKLOADS.map((workload) => software(workload, served.mountPoint, seed + 1000 * round));
          const failures = (await Promise.all(runs)).filter((said) => said !== "");
          assert.deepEqual(failures, [], `BULKHEAD_SEED=${seed}, after ${killer.kills} kills: ${served.output}`);
        }
      } finally {
        killer.stop();
        await killing;
      }
      context.diagnostic(`seed ${seed}: ${killer.kills} kills`);
      assert.ok(killer.kills >= wanted, `only ${killer.kills} kills`);
      unmount(served.mountPoint);
      assert.deepEqual(await served.end(600_000), { code: 0, signal: null }, served.output);
      checkImage(image);
    });
  }

  it("a directory of 100,000 names is read to its end, whoever serves", { timeout: 600_000 }, async () => {
    const image = bench.path("names");
    makeWorkloadImage(image, 2 ** 29, ["-N", "120000"]);
    const served = await bench.serve(image);
    const holder = spawn("python3", [HELD, served.mountPoint, "100000"], { stdio: ["pipe", "pipe", "inherit"] });
    const ended = new Promise((resolve) => holder.on("close", resolve));
    await new Promise((resolve) => holder.stdout.once("data", resolve));
    process.kill(served.serverPid, "SIGKILL");
    holder.stdin.end("\n");
    assert.equal(await ended, 0, served.output);
    assert.match(served.output, /Another one goes on/);
    unmount(served.mountPoint);
    assert.deepEqual(await served.end(600_000), { code: 0, signal: null }, served.output);
    checkImage(image);
  });
});

/** Runs a workload again and again; what it had to say when it failed. */
function software(workload: string, mountPoint: string, seed: number): Promise<string> {
  return new Promise((resolve) => {
    const args = [SOFTWARE, workload, mountPoint, String(seed), String(ROUND)];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
    const said: Buffer[] = [];
    child.stderr.on("data", (chunk: Buffer) => said.push(chunk));
    child.on("close", (code) =>
      resolve(code === 0 ? "" : `${workload}: ${Buffer.concat(said).toString().slice(-3000)}`),
    );
  });
}
