/** Runs a workload on a loop mount and takes the image as a power cut would leave it. */
import { closeSync, fsyncSync, ftruncateSync, openSync, rmSync } from "node:fs";
import { debugfs } from "../images/build.js";
import { ioctl } from "../system/calls.js";
import { withLoopMount } from "../system/loop.js";
import { run } from "../system/process.js";
import { copySparse } from "../walk/truth.js";
import type { DirtyCapture } from "./captures.js";
import { writeJournal } from "./journal-writer.js";
import { settle } from "./workloads.js";

const IMAGE_SIZE = 64 << 20;
/** EXT4_IOC_SHUTDOWN and its flags: with and without a last commit of the journal. */
const EXT4_IOC_SHUTDOWN = 0x8004587d;
const SHUTDOWN_LOGFLUSH = 1;
const SHUTDOWN_NOLOGFLUSH = 2;
/** No commit but those that the workload asks for. */
const COMMIT_INTERVAL = "commit=300";

/** Makes the capture as `path`; throws when its journal is not as dirty as the capture promises. */
export function makeCapture(capture: DirtyCapture, path: string): void {
  const live = `${path}.live`;
  const fd = openSync(live, "w");
  ftruncateSync(fd, IMAGE_SIZE);
  closeSync(fd);
  run("mke2fs", ["-q", "-F", ...capture.mke2fs, live]);
  withLoopMount(live, {}, settle);
  if (capture.how === "written") {
    copySparse(live, path);
    withLoopMount(live, {}, capture.workload);
    writeJournal(path, live, capture.journalOpen ?? "");
  } else captureMounted(capture, live, path);
  rmSync(live, { force: true });
  assertDirty(capture, path);
}

function captureMounted(capture: DirtyCapture, live: string, path: string): void {
  const options = [COMMIT_INTERVAL, ...(capture.mountOptions ?? [])];
  withLoopMount(live, { options }, (mountPoint) => {
    capture.workload(mountPoint);
    if (capture.how === "copied") syncRoot(mountPoint);
    else shutDown(mountPoint, capture.how === "flushed" ? SHUTDOWN_LOGFLUSH : SHUTDOWN_NOLOGFLUSH);
    copySparse(live, path);
  });
}

function syncRoot(mountPoint: string): void {
  const fd = openSync(mountPoint, "r");
  fsyncSync(fd);
  closeSync(fd);
}

function shutDown(mountPoint: string, flags: number): void {
  const argument = Buffer.alloc(4);
  argument.writeUInt32LE(flags, 0);
  const fd = openSync(mountPoint, "r");
  try {
    ioctl(fd, EXT4_IOC_SHUTDOWN, argument);
  } finally {
    closeSync(fd);
  }
}

function assertDirty(capture: DirtyCapture, path: string): void {
  const header = run("dumpe2fs", ["-h", path]).stdout.toString("latin1");
  if (!header.includes("needs_recovery")) throw new Error(`${capture.name}: the journal needs no recovery`);
  if (!/^Journal start:\s+[1-9]/m.test(header)) throw new Error(`${capture.name}: the journal is empty`);
  const log = debugfs(path, 0, ["logdump -a"], false).toString("latin1");
  if (capture.shows !== undefined && !capture.shows.test(log)) {
    throw new Error(`${capture.name}: the journal does not show ${capture.shows}:\n${log.slice(0, 2000)}`);
  }
  if (capture.wraps === true && !wraps(log)) throw new Error(`${capture.name}: the journal does not wrap around`);
}

/** Whether the descriptor and commit blocks that logdump lists go back to the journal's beginning. */
function wraps(log: string): boolean {
  let previous = 0;
  for (const match of log.matchAll(/at block (\d+)/g)) {
    const block = Number(match[1]);
    if (block < previous) return true;
    previous = block;
  }
  return false;
}
