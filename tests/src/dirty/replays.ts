/** What the fast and the long test of dirty journals have in common. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { fileURLToPath } from "node:url";
import { FileDevice, FileSystem } from "@bulkhead/ext4";
import { checkImage, debugfs } from "../images/build.js";
import { runApart } from "../system/apart.js";
import { withLoopMount } from "../system/loop.js";
import { run } from "../system/process.js";
import { removeScratch, scratchDirectory } from "../system/scratch.js";
import { compareWalks } from "../walk/compare.js";
import type { Walk } from "../walk/record.js";
import { copySparse, kernelWalk, libraryWalk } from "../walk/truth.js";
import type { DirtyCapture } from "./captures.js";

const CAPTURE = fileURLToPath(new URL("./main.js", import.meta.url));
const CAPTURE_TIMEOUT = 60_000;

async function withCapture<T>(capture: DirtyCapture, work: (image: string) => Promise<T>): Promise<T> {
  const directory = scratchDirectory("dirty");
  try {
    const image = `${directory}/${capture.name}.img`;
    await runApart(CAPTURE, [capture.name, image], CAPTURE_TIMEOUT);
    return await work(image);
  } finally {
    removeScratch(directory);
  }
}

/** The kernel's walk of a copy whose journal has been replayed; the replayed copy is sound. */
async function replayed(capture: DirtyCapture, image: string): Promise<Walk> {
  const copy = `${image}.replayed`;
  try {
    copySparse(image, copy);
    switch (capture.replay ?? "e2fsck") {
      case "e2fsck":
        run("e2fsck", ["-E", "journal_only", "-y", copy], { accept: [1] });
        break;
      case "debugfs":
        debugfs(copy, 0, ["journal_run"]);
        break;
      case "kernel":
        withLoopMount(copy, {}, () => undefined);
        break;
    }
    const walk = await kernelWalk(copy);
    run("e2fsck", ["-fy", copy], { accept: [1] });
    checkImage(copy);
    return walk;
  } finally {
    fs.rmSync(copy, { force: true });
  }
}

/** The kernel's walk after a mount for writing has replayed the journal of a copy onto the device, which is sound then. */
async function writtenHome(image: string): Promise<Walk> {
  const copy = `${image}.written`;
  try {
    copySparse(image, copy);
    const device = new FileDevice(fs, fs.openSync(copy, "r+"), { readOnly: false });
    const mounted = FileSystem.mount(device, { writable: true });
    mounted.unmount();
    mounted.close();
    checkImage(copy);
    return await kernelWalk(copy);
  } finally {
    fs.rmSync(copy, { force: true });
  }
}

/** A mount for writing deletes them; what the capture is compared with has them. */
function leavesOrphans(capture: DirtyCapture): boolean {
  return capture.replay === "debugfs";
}

/** What changes with any write to a file. */
function stampOf(file: string): readonly bigint[] {
  const { mtimeNs, ctimeNs, size } = fs.statSync(file, { bigint: true });
  return [mtimeNs, ctimeNs, size];
}

/** A capture reads as after its replay by others, is untouched by that, and a mount for writing replays it onto the device. */
export async function assertReplays(capture: DirtyCapture): Promise<void> {
  await withCapture(capture, async (image) => {
    const replayStart = BigInt(Date.now()) * 1_000_000n;
    const truth = await replayed(capture, image);
    const stale = await kernelWalk(image, { options: ["noload"] });
    const before = stampOf(image);
    assert.notDeepEqual(compareWalks(truth, stale), [], "without the journal the image would read otherwise");
    const library = await libraryWalk(image);
    assert.deepEqual(compareWalks(truth, library, { timesUntil: replayStart }), []);
    if (capture.how === "copied") {
      const unreplayed = await libraryWalk(image, { loadJournal: false });
      assert.deepEqual(compareWalks(stale, unreplayed), [], "noload reads the stale state");
    }
    assert.deepEqual(stampOf(image), before, "reading left the image as it was");
    const written = await writtenHome(image);
    if (!leavesOrphans(capture)) {
      assert.deepEqual(compareWalks(truth, written, { timesUntil: replayStart }), [], "replayed onto the device");
    }
  });
}
