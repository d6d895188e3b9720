/**
 * Helper and contained servers against each other, with real mounts. Oracles: systemd-socket-activate for the way a server is
 * started, the kernel's mount table, and cat, e2fsck and debugfs for what is in a mount.
 */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { findMount, unmount } from "@bulkhead/fuse";
import { runHelper } from "@bulkhead/service";
import { withoutFuse, withoutTools } from "../facilities.js";
import { ask } from "../mount/served-mount.js";
import { run } from "../system/process.js";
import { removeScratch, scratchDirectory } from "../system/scratch.js";
import { Activation } from "./activation.js";

const skip =
  (process.getuid?.() === 0 ? false : "mounting takes root") ||
  withoutFuse() ||
  withoutTools("systemd-socket-activate", "mke2fs", "e2fsck", "debugfs");

let folder: string;
let mountPoint: string;
let image: string;
beforeEach(() => {
  folder = scratchDirectory("service");
  mountPoint = join(folder, "mount");
  mkdirSync(mountPoint);
  image = join(folder, "image");
});
afterEach(() => {
  while (findMount(mountPoint) !== undefined) unmount(mountPoint, { lazy: true });
  removeScratch(folder);
});

async function service(type: string, ...server: string[]): Promise<Activation> {
  const directory = join(folder, `services-${type}`);
  mkdirSync(directory);
  return await Activation.start(directory, type, server);
}

function makeImage(): void {
  run("mke2fs", ["-q", "-O", "has_journal,extent,64bit,metadata_csum", "-b", "4096", image, "16M"]);
}

describe("helper and server", { skip }, () => {
  test("mount the example, socket-activated, twice", async () => {
    writeFileSync(image, "source");
    const activation = await service("hello", "hello", "Ahoy!");
    const log: string[] = [];
    try {
      for (let round = 0; round < 2; round++) {
        const result = await runHelper({
          arguments: [image, mountPoint, "-t", "fuse.hello", "-o", "fsname=the source"],
          socketDirectory: activation.directory,
          readAheadKb: 512,
          log: (line) => void log.push(line),
        });
        assert.deepEqual([result.exitCode, result.answers], [0, true], `${log.join("; ")}; ${activation.said}`);
        assert.deepEqual(findMount(mountPoint), result.mounted);
        assert.deepEqual([result.mounted?.type, result.mounted?.source], ["fuse.hello", "the source"]);
        assert.equal(ask("cat", [join(mountPoint, "hello")]).stdout, "Ahoy!\n");
        assert.equal(ask("touch", [join(mountPoint, "new")]).code, 1);
        unmount(mountPoint);
      }
      await activation.hear(/unmounted[\s\S]*unmounted/);
    } finally {
      await activation.stop();
    }
  });

  test("mount ext4, write to it, and leave it clean", async () => {
    makeImage();
    const activation = await service("ext4", "ext4");
    try {
      const { exitCode, answers } = await runHelper({
        arguments: [image, mountPoint, "-t", "ext4"],
        socketDirectory: activation.directory,
      });
      assert.deepEqual([exitCode, answers], [0, true], activation.said);
      writeThrough(join(mountPoint, "file"), "contained");
      assert.equal(ask("cat", [join(mountPoint, "file")]).stdout, "contained\n");
      unmount(mountPoint);
      await activation.hear(/unmounted/);
    } finally {
      await activation.stop();
    }
    run("e2fsck", ["-fn", image]);
    assert.equal(run("debugfs", ["-R", "cat /file", image]).stdout.toString(), "contained\n");
  });

  test("mount nothing when the image is bad, and say why", async () => {
    writeFileSync(image, new Uint8Array(1 << 20));
    const activation = await service("ext4", "ext4");
    try {
      const { exitCode, mounted } = await runHelper({
        arguments: [image, mountPoint, "-t", "ext4"],
        socketDirectory: activation.directory,
      });
      assert.deepEqual([exitCode, mounted, findMount(mountPoint)], [1, undefined, undefined]);
      await activation.hear(/super|magic/i);
    } finally {
      await activation.stop();
    }
  });

  test("mount read-only what cannot be written to", async () => {
    makeImage();
    const activation = await service("ext4", "ext4");
    const loop = run("losetup", ["--find", "--show", "--read-only", image]).stdout.toString().trim();
    try {
      const { exitCode } = await runHelper({
        arguments: [loop, mountPoint, "-t", "ext4"],
        socketDirectory: activation.directory,
      });
      assert.equal(exitCode, 0, activation.said);
      assert.match(ask("touch", [join(mountPoint, "file")]).stderr, /Read-only/);
      unmount(mountPoint);
      await activation.hear(/unmounted/);
    } finally {
      run("losetup", ["--detach", loop]);
      await activation.stop();
    }
    run("e2fsck", ["-fn", image]);
  });
});

/** Has another process write, as whoever serves must not. */
function writeThrough(path: string, content: string): void {
  assert.equal(ask("sh", ["-c", 'echo "$1" > "$0"', path, content]).code, 0);
}
