// Oracle: what the kernel says of a server's memory (VmHWM), and e2fsck. However long a mount is used, it takes what its cache may take,
// and no more than 150 MiB besides.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { withoutMountTools } from "../facilities.js";
import { checkImage } from "../images/build.js";
import { run } from "../system/process.js";
import { ask, Bench } from "./served-mount.js";

const MIB = 1024;
const BESIDES = 150 * MIB;
const PASSES = 4;

/** As many directories and files as take a journal's largest transactions, made and removed. */
const MAKE_AND_REMOVE = `
import os, shutil, sys
top = sys.argv[1] + "/top"
for i in range(10000): os.makedirs(f"{top}/{i % 10}/{i % 100}/{i}")
for i in range(10000):
    with open(f"{top}/{i % 10}/{i % 100}/{i}/file", "wb") as f: f.write(b"x" * 5000)
shutil.rmtree(top)
`;

/** KiB. */
function peakMemory(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]);
}

describe("a server's memory", { skip: withoutMountTools() }, () => {
  let bench: Bench;

  before(() => {
    bench = new Bench();
  });
  after(() => bench.clear());

  // A journal of 1 GiB is what mke2fs gives to 128 GiB and more.
  for (const [cache, journal] of [
    [4, 1024],
    [32, 64],
    [32, 1024],
    [64, 1024],
  ] as const) {
    it(`stays within bounds with cache_size=${cache}M and a journal of ${journal} MiB`, async () => {
      const image = bench.path(`${cache}-${journal}`);
      run("mke2fs", ["-q", "-F", "-t", "ext4", "-J", `size=${journal}`, image, "8G"]);
      const served = await bench.serve(image, [`cache_size=${cache}M`]);
      const peaks: number[] = [];
      for (let pass = 0; pass < PASSES; pass++) {
        const { code, stderr } = ask("python3", ["-c", MAKE_AND_REMOVE, served.mountPoint]);
        assert.equal(code, 0, stderr);
        peaks.push(peakMemory(served.serverPid));
      }
      assert.equal(await served.stop(), "");
      checkImage(image);
      assert.ok(
        peaks.every((peak) => peak > 0 && peak <= cache * MIB + BESIDES),
        `${peaks.join(", ")} KiB`,
      );
    });
  }
});
