/** Mounts of block devices, and through mount(2). Oracle: the kernel's mountinfo. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readSync } from "node:fs";
import { afterEach, before, beforeEach, describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import { close, SocketType, socketpair } from "@bulkhead/linux";
import { mountByKernel, mountClassically } from "../../src/helper/kernel-mount.js";
import { MountPoint } from "../../src/helper/mount-point.js";
import { encode, packets } from "../../src/index.js";
import { openDescriptors } from "../peer.js";
import { text, unhex } from "../wire.js";
import { cannotMount, drop, errors, HelperBench, LAST, lineOf } from "./bench.js";

// The first worker opens what the runtime keeps.
before(() => once(new Worker("", { eval: true }), "exit"));

let bench: HelperBench;
let descriptors: number;
beforeEach(() => {
  descriptors = openDescriptors();
  bench = new HelperBench();
});
afterEach(() => {
  bench.clear();
  assert.equal(openDescriptors(), descriptors, "descriptors left open");
});

/** What a server says to mount a block device here. */
const blockMount = (device: string) => [
  encode(packets.FSOPEN, { flags: 1 }),
  encode(packets.SOURCE, {}, text(device)),
  encode(packets.OPTIONS, {}, text("blksize=4096")),
  encode(packets.MOUNT_POINT, { expectedFormat: 0x4000 }, text(bench.mountPoint)),
  encode(packets.MOUNT, { msFlags: 6 }),
];

describe("the kernel's ways to mount", { skip: cannotMount }, () => {
  test("a block device is the kernel's own until it is unmounted", async () => {
    const loop = execFileSync("losetup", ["--find", "--show", bench.image], { encoding: "utf8" }).trim();
    try {
      bench.peer.say(LAST, bench.open(loop, 2), ...blockMount(loop));
      const { exitCode } = await bench.run({
        arguments: [loop, bench.mountPoint, "-t", "x"],
        timeouts: { command: 50 },
      });
      assert.equal(exitCode, 1);
      const heard = bench.peer.hear();
      assert.deepEqual(errors(heard.slice(1)), [0, 0, 0, 0, 0, 0, 0, 0]);
      assert.equal(bench.mounted, undefined);
      drop(heard);
    } finally {
      execFileSync("losetup", ["--detach", loop]);
    }
  });

  test("a server that answers INIT, and then nothing, cannot hold up who takes its mount back", async () => {
    const loop = execFileSync("losetup", ["--find", "--show", bench.image], { encoding: "utf8" }).trim();
    const [theirs, ours] = socketpair(SocketType.SEQPACKET);
    try {
      const packets = [unhex(LAST), ...blockMount(loop)];
      const server = new Worker(new URL("./stubborn-server.js", import.meta.url), {
        workerData: { fd: theirs, packets },
      });
      const answered = Promise.all([once(server, "message"), once(server, "exit")]);
      const { exitCode } = await bench.run({
        arguments: [loop, bench.mountPoint, "-t", "x"],
        server: { socket: ours, kill: () => {} },
        timeouts: { command: 1500 },
      });
      assert.equal(exitCode, 1);
      const [[fuse]] = (await answered) as [[number], unknown];
      // The request after INIT: what is left of the connection.
      assert.throws(() => readSync(fuse, new Uint8Array(1 << 21)), { code: "ENODEV" });
      closeSync(fuse);
      assert.equal(bench.mounted, undefined);
    } finally {
      close(theirs);
      execFileSync("losetup", ["--detach", loop]);
    }
  });

  test("mount(2) gives the same as the mount API", () => {
    const caller = { uid: 4711, gid: 4712 };
    const point = new MountPoint(text(bench.mountPoint), 0, caller);
    const options = [["default_permissions"], ["max_read", "8192"]] as const;
    const request = { source: text("a,b c"), options, msFlags: 7 | 1024, fuseblk: false };
    const lines = [mountByKernel, mountClassically].map((mount) => {
      const fuse = openSync("/dev/fuse", "r+");
      const made = mount(request, { fuse, subtype: "x", point, caller });
      try {
        assert.deepEqual(made.info(), bench.mounted);
        return lineOf(bench.mountPoint).replace(/^\d+ \d+ \S+/, "");
      } finally {
        made.undo();
        assert.equal(made.info(), undefined);
        made.release();
        closeSync(fuse);
      }
    });
    point.close();
    assert.match(
      lines[0]!,
      / ro,nosuid,nodev,noatime - fuse.x a,b\\040c ro,user_id=4711,group_id=4712,default_permissions/,
    );
    assert.equal(lines[0], lines[1]);
  });
});
