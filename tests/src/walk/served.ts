/** An image mounted by our own command, the server in a process of its own. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { startMount } from "../mount/ways.js";
import { unmount } from "../system/loop.js";
import { removeScratch, scratchDirectory } from "../system/scratch.js";

const MOUNT_DEADLINE = 15_000;
const END_DEADLINE = 10_000;
const POLL_INTERVAL = 10;

export interface ServedOptions {
  /** Options of the mount, as after `-o`. */
  readonly options?: readonly string[];
}

/**
 * Mounts `image` read-only with `bulkhead mount --foreground`, hands the mount point to `work`, and unmounts. The server stays in
 * this process's group, so whoever kills the group ends the mount as well.
 *
 * @throws when the mount does not come up, or the server does not end cleanly after the unmount
 */
export async function withServedMount<T>(
  image: string,
  options: ServedOptions,
  work: (mountPoint: string) => Promise<T>,
): Promise<T> {
  const mountPoint = scratchDirectory("served");
  const server = startMount(image, mountPoint, ["ro", ...(options.options ?? [])]);
  const said: Buffer[] = [];
  server.stdout?.on("data", (chunk: Buffer) => said.push(chunk));
  server.stderr?.on("data", (chunk: Buffer) => said.push(chunk));
  const output = (): string => Buffer.concat(said).toString("utf8").trim();
  try {
    await mounted(server, mountPoint, output);
    const result = await work(mountPoint);
    unmount(mountPoint);
    await ended(server, output);
    return result;
  } finally {
    if (isMounted(mountPoint)) unmount(mountPoint);
    server.kill("SIGKILL");
    removeScratch(mountPoint);
  }
}

async function mounted(server: ChildProcess, mountPoint: string, output: () => string): Promise<void> {
  for (let waited = 0; waited < MOUNT_DEADLINE; waited += POLL_INTERVAL) {
    if (isMounted(mountPoint)) return;
    if (server.exitCode !== null) throw new Error(`bulkhead mount: exit ${server.exitCode}: ${output()}`);
    await sleep(POLL_INTERVAL);
  }
  throw new Error(`bulkhead mount: no mount after ${MOUNT_DEADLINE} ms: ${output()}`);
}

async function ended(server: ChildProcess, output: () => string): Promise<void> {
  if (server.exitCode === null && server.signalCode === null) {
    const waiting = new AbortController();
    const timer = setTimeout(() => waiting.abort(), END_DEADLINE);
    try {
      await once(server, "exit", { signal: waiting.signal });
    } catch {
      throw new Error(`bulkhead mount: still running ${END_DEADLINE} ms after the unmount: ${output()}`);
    } finally {
      clearTimeout(timer);
    }
  }
  if (server.exitCode !== 0) {
    throw new Error(`bulkhead mount: ended with ${server.exitCode ?? server.signalCode}: ${output()}`);
  }
}

/** mountinfo's fifth field is the mount point; those of ours hold nothing that it would escape. */
function isMounted(mountPoint: string): boolean {
  return readFileSync("/proc/self/mountinfo", "latin1")
    .split("\n")
    .some((line) => line.split(" ")[4] === mountPoint && / - fuse[. ]/.test(line));
}
