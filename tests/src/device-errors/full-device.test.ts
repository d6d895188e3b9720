// Oracle: the kernel's ext4 on a device that fails in the same way, and e2fsck. The device is a loop device, or an image file, on a file
// system that is full: writing where there was a hole fails.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { withoutMountTools } from "../facilities.js";
import { ask, Bench, type ServedMount } from "../mount/served-mount.js";
import { unmount } from "../system/loop.js";
import { run } from "../system/process.js";

const PROBE = fileURLToPath(new URL("../../src/device-errors/probe.py", import.meta.url));
/** What the device's file system has room for, and what the device seems to have. */
const ROOM = "20M";
const SIZE = 96 << 20;
const DONE = "done";

type Outcomes = Readonly<Record<string, string>>;

function probe(mountPoint: string): Outcomes {
  const { code, stdout, stderr } = ask("python3", [PROBE, mountPoint]);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as Outcomes;
}

describe("a device that runs out of room", { skip: withoutMountTools() }, () => {
  let bench: Bench;
  let small = "";
  let image = "";

  before(() => {
    bench = new Bench();
    small = bench.path("small");
    image = `${small}/image`;
    mkdirSync(small);
  });
  after(() => bench.clear());

  /** The image is sparse, on a file system that is too small for it while `work` goes on, and large enough when it is checked. */
  async function onSmall(work: () => Promise<void> | void, ...mke2fs: string[]): Promise<void> {
    run("mount", ["-t", "tmpfs", "-o", `size=${ROOM}`, "tmpfs", small]);
    try {
      run("truncate", ["-s", String(SIZE), image]);
      run("mke2fs", ["-q", "-F", "-t", "ext4", "-J", "size=4", "-E", "lazy_itable_init=1,nodiscard", ...mke2fs, image]);
      await work();
      run("mount", ["-o", "remount,size=200M", small]);
      run("e2fsck", ["-fy", image], { accept: [1] });
      run("e2fsck", ["-fn", image]);
      assert.equal(run("debugfs", ["-R", "cat /kept", image]).stdout.toString(), "kept");
    } finally {
      unmount(small);
    }
  }

  async function withLoop(work: (device: string) => Promise<void> | void): Promise<void> {
    const device = run("losetup", ["--find", "--show", image]).stdout.toString("latin1").trim();
    try {
      await work(device);
    } finally {
      run("losetup", ["--detach", device]);
    }
  }

  async function ours(source: string): Promise<{ outcomes: Outcomes; output: string }> {
    let served: ServedMount | undefined;
    try {
      served = await bench.serve(source);
      const outcomes = probe(served.mountPoint);
      unmount(served.mountPoint);
      await served.end();
      return { outcomes, output: served.output };
    } finally {
      await served?.clear();
    }
  }

  it("fails every fsync from the first flush that failed on, where the kernel's ext4 fails, and the file system is read-only", async () => {
    let theirs: Outcomes = {};
    await onSmall(() =>
      withLoop((device) => {
        const at = bench.mountPoint();
        run("mount", ["-t", "ext4", device, at]);
        try {
          theirs = probe(at);
        } finally {
          unmount(at);
        }
      }),
    );
    let found: { outcomes: Outcomes; output: string } | undefined;
    await onSmall(() =>
      withLoop(async (device) => {
        found = await ours(device);
      }),
    );
    const { outcomes, output } = found!;
    for (const [call, outcome] of Object.entries(theirs)) {
      if (outcome !== DONE) assert.notEqual(outcomes[call], DONE, `${call}: ${outcome} of the kernel's ext4`);
    }
    assert.equal(outcomes["fsync while there is room"], DONE);
    assert.equal(outcomes["fsync of the writer"], "EIO");
    assert.equal(outcomes["creation of a file"], "EROFS");
    assert.match(output, /Aborting journal[\s\S]*Remounting filesystem read-only/);
  });

  it("tells each descriptor that was open of writes that failed", async () => {
    let found: { outcomes: Outcomes; output: string } | undefined;
    await onSmall(async () => {
      found = await ours(image);
    });
    const { outcomes, output } = found!;
    assert.equal(outcomes["fsync of the writer"], "EIO");
    assert.equal(outcomes["fsync of a descriptor that was open before"], "EIO");
    assert.match(output, /device write of \d+ bytes at \d+ failed/);
  });

  it("panics with errors=panic", async () => {
    await onSmall(() =>
      withLoop(async (device) => {
        const served = await bench.serve(device, ["errors=panic", "norestart"]);
        try {
          ask("python3", [PROBE, served.mountPoint]);
          const { code, signal } = await served.end();
          assert.ok(code !== 0 || signal !== null, served.output);
          assert.match(served.output, /errors=panic/);
        } finally {
          await served.clear();
        }
      }),
    );
  });
});
