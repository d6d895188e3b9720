/** What a disk is asked for. Oracle: kernel ext4, on the same disk for the same work; e2fsck. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { type ContenderName, mount, OURS } from "./contenders.js";
import type { Asked } from "./disk-model.js";
import { openSlowDevice } from "./slow-device.js";

const cannotMount =
  process.getuid?.() !== 0 ? "mounting takes root" : existsSync("/dev/fuse") ? false : "there is no /dev/fuse";

const READ_ALL = fileURLToPath(new URL("./read-all.js", import.meta.url));

/** It is counted here, not timed. */
const AT_ONCE = { seek: 0, writeSeek: 0, reading: Infinity, writing: Infinity, flush: 0 };
/** It is noticed to be slow. */
const SEEKING = { ...AT_ONCE, seek: 1 };

function shell(script: string, cwd: string): void {
  execFileSync("bash", ["-euo", "pipefail", "-c", script], { cwd, stdio: ["ignore", "ignore", "inherit"] });
}

describe("on a disk with nothing in any cache", { skip: cannotMount }, () => {
  let folder: string;
  let image: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "bench-slow-disk-"));
    image = join(folder, "image");
    const mountpoint = join(folder, "mnt");
    mkdirSync(mountpoint);
    // The names sort the other way than their files lie.
    shell("truncate -s 256M image; mke2fs -q -F -t ext4 image; mount -o loop image mnt", folder);
    try {
      shell(
        `for d in $(seq 8); do mkdir dir-$d; for f in $(seq 999 -1 920); do head -c $((f * 97 % 9000)) /dev/zero > dir-$d/file-$f; done; done
         head -c 4M /dev/zero > large; sync -f .`,
        mountpoint,
      );
    } finally {
      spawnSync("umount", [mountpoint]);
    }
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** What a mount asks its disk for while a script runs. */
  async function asks(contender: ContenderName, script: string, disk = AT_ONCE): Promise<Asked> {
    const device = await openSlowDevice(image, disk);
    try {
      const mounted = mount(contender, device.path, false);
      let asked: Asked;
      try {
        writeFileSync("/proc/sys/vm/drop_caches", "3");
        const start = device.asked();
        shell(script, mounted.directory);
        const end = device.asked();
        asked = { ...end, reads: end.reads - start.reads, seeks: end.seeks - start.seeks };
      } finally {
        mounted.unmount();
      }
      execFileSync("e2fsck", ["-fn", device.path], { stdio: ["ignore", "ignore", "ignore"] });
      return asked;
    } finally {
      await device.close();
    }
  }

  for (const [what, script] of [
    ["the attributes of all files", "find . -size +1k"],
    ["all attributes, and what is in a large file", "find . -size +1k; cat large"],
  ] as const) {
    it(`${what} takes no more reads and no more seeks than kernel ext4 needs`, async (context: TestContext) => {
      const kernel = await asks("kernel-device", script);
      const ours = await asks("bulkhead", script);
      context.diagnostic(
        `kernel: ${kernel.reads} reads, ${kernel.seeks} seeks; bulkhead: ${ours.reads}, ${ours.seeks}`,
      );
      assert.ok(kernel.reads > 20, "the kernel has read");
      assert.ok(ours.reads <= kernel.reads, `${ours.reads} reads, ${kernel.reads} of the kernel's`);
      assert.ok(ours.seeks <= kernel.seeks, `${ours.seeks} seeks, ${kernel.seeks} of the kernel's`);
    });
  }

  it("small files in the order of their lists are read together, by a mount and by the library: with a quarter of the kernel's seeks", async (context: TestContext) => {
    const script = "find . -type f -exec cat {} +";
    const kernel = await asks("kernel-device", script, SEEKING);
    const mounted = await asks("bulkhead", script, SEEKING);
    const device = await openSlowDevice(image, SEEKING);
    try {
      writeFileSync("/proc/sys/vm/drop_caches", "3");
      execFileSync(process.execPath, [READ_ALL, device.path]);
      const { seeks } = device.asked();
      context.diagnostic(`seeks: kernel ${kernel.seeks}, mount ${mounted.seeks}, library ${seeks}`);
      assert.ok(mounted.seeks * 4 <= kernel.seeks, `${mounted.seeks} seeks, ${kernel.seeks} of the kernel's`);
      assert.ok(seeks * 4 <= kernel.seeks, `${seeks} seeks without a mount, ${kernel.seeks} of the kernel's`);
    } finally {
      await device.close();
    }
  });

  it("a copy of all files without a mount takes no more of either than `cp -a` from kernel ext4", async (context: TestContext) => {
    const kernel = await asks("kernel-device", `cp -a . ${join(folder, "by-kernel")}`);
    const device = await openSlowDevice(image, AT_ONCE);
    try {
      writeFileSync("/proc/sys/vm/drop_caches", "3");
      execFileSync(process.execPath, [OURS, "cp", "-r", `${device.path}:/`, join(folder, "by-us")]);
      const ours = device.asked();
      context.diagnostic(
        `kernel: ${kernel.reads} reads, ${kernel.seeks} seeks; bulkhead: ${ours.reads}, ${ours.seeks}`,
      );
      assert.ok(ours.reads <= kernel.reads, `${ours.reads} reads, ${kernel.reads} of the kernel's`);
      assert.ok(ours.seeks <= kernel.seeks, `${ours.seeks} seeks, ${kernel.seeks} of the kernel's`);
      execFileSync("diff", ["-r", "by-kernel", "by-us"], { cwd: folder });
    } finally {
      await device.close();
    }
  });

  it("the disk has what was written to it, and the image has not", async () => {
    const device = await openSlowDevice(image, AT_ONCE);
    try {
      const was = execFileSync("sha256sum", [image], { encoding: "utf8" });
      const mounted = mount("bulkhead", device.path, true);
      try {
        shell("rm -r dir-1; tr '\\0' x < large > new; sync -f .; echo 3 > /proc/sys/vm/drop_caches", mounted.directory);
        shell(`test "$(tr -d x < new | wc -c)-$(wc -c < new)" = 0-${4 << 20}; test ! -e dir-1`, mounted.directory);
      } finally {
        mounted.unmount();
      }
      const { bytesWritten, flushes } = device.asked();
      assert.ok(bytesWritten > 4 << 20 && flushes > 0, `${bytesWritten} bytes, ${flushes} flushes`);
      execFileSync("e2fsck", ["-fn", device.path], { stdio: ["ignore", "ignore", "ignore"] });
      assert.equal(execFileSync("sha256sum", [image], { encoding: "utf8" }), was);
    } finally {
      await device.close();
    }
  });
});
