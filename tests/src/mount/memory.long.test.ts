// Oracle: what the kernel says of a server's memory (VmHWM), and e2fsck. However long a mount is used, it takes what its cache may take,
// and no more than 150 MiB besides.
import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
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

/** 100,000 names that fill their blocks, one of them each: small blocks take as much besides as anything does. */
function name(pass: number): string {
  return `
import os, sys
top = sys.argv[1] + "/names"
os.makedirs(top, exist_ok=True)
for i in range(100000):
    if i % 50000 == 0:
        source = f"{sys.argv[1]}/source-${pass}-{i}"
        open(source, "w").close()
    os.link(source, f"{top}/${pass}-{i:07}" + 246 * "n")
`;
}

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
      await assertBounded(cache, ["-J", `size=${journal}`], Array<string>(PASSES).fill(MAKE_AND_REMOVE));
    });
  }

  it("stays within bounds with blocks of 1 KiB", async () => {
    await assertBounded(64, ["-b", "1024", "-O", "large_dir"], [name(1), name(2), name(3), MAKE_AND_REMOVE]);
  });

  async function assertBounded(cache: number, options: readonly string[], passes: readonly string[]): Promise<void> {
    const image = bench.path("image");
    rmSync(image, { force: true });
    run("mke2fs", ["-q", "-F", "-t", "ext4", ...options, image, "8G"]);
    const served = await bench.serve(image, [`cache_size=${cache}M`]);
    const peaks: number[] = [];
    for (const pass of passes) {
      const { code, stderr } = ask("python3", ["-c", pass, served.mountPoint]);
      assert.equal(code, 0, stderr);
      peaks.push(peakMemory(served.serverPid));
    }
    assert.equal(await served.stop(), "");
    checkImage(image);
    assert.ok(
      peaks.every((peak) => peak > 0 && peak <= cache * MIB + BESIDES),
      `${peaks.join(", ")} KiB`,
    );
  }
});
