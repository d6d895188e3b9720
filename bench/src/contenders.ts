import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const bulkhead = fileURLToPath(new URL("../../packages/cli/bin/bulkhead.js", import.meta.url));

export type ContenderName = "kernel" | "kernel-direct" | "kernel-device" | "fuse2fs" | "bulkhead";

/** A mounted image. */
export interface Mounted {
  readonly directory: string;
  /** Milliseconds from the command's start until the mount answered. */
  readonly mountMilliseconds: number;
  /** Highest resident memory of the server so far in KiB; undefined when the kernel serves. */
  peakMemory(): number | undefined;
  unmount(): void;
}

function run(command: string, args: string[]): void {
  const result = spawnSync(command, args, { encoding: "utf8", timeout: 60_000 });
  if (result.error) throw result.error;
  if (result.status !== 0)
    throw new Error(`${command} ${args.join(" ")}: ${result.stderr.trim() || `exit ${result.status}`}`);
}

/** Processes whose command line contains all of `words`. */
function findServer(words: readonly string[]): number | undefined {
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    try {
      const line = readFileSync(`/proc/${entry}/cmdline`, "utf8");
      if (words.every((word) => line.includes(word))) return Number(entry);
    } catch {} // the process ended meanwhile
  }
  return undefined;
}

/** Mounts `image`, for `kernel-device` a block device, the way one of the contenders does, read-only unless it is to be written. */
export function mount(name: ContenderName, image: string, writable: boolean): Mounted {
  const access = writable ? "rw" : "ro";
  const directory = mkdtempSync(join(tmpdir(), "bulkhead-bench-mnt-"));
  const start = performance.now();
  let loop: string | undefined;
  switch (name) {
    case "kernel":
      run("mount", ["-t", "ext4", "-o", `loop,${access}`, image, directory]);
      break;
    case "kernel-device":
      run("mount", ["-t", "ext4", "-o", access, image, directory]);
      break;
    case "kernel-direct":
      loop = execFileSync(
        "losetup",
        ["--find", "--show", ...(writable ? [] : ["--read-only"]), "--direct-io=on", image],
        {
          encoding: "utf8",
        },
      ).trim();
      run("mount", ["-t", "ext4", "-o", access, loop, directory]);
      break;
    case "fuse2fs":
      run("fuse2fs", ["-o", access, image, directory]);
      break;
    case "bulkhead":
      run(process.execPath, [bulkhead, "mount", "-o", access, image, directory]);
      break;
  }
  const mountMilliseconds = performance.now() - start;
  const server = name === "fuse2fs" || name === "bulkhead" ? findServer([directory]) : undefined;
  return {
    directory,
    mountMilliseconds,
    peakMemory() {
      if (server === undefined) return undefined;
      const match = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${server}/status`, "utf8"));
      return match === null ? undefined : Number(match[1]);
    },
    unmount() {
      run("umount", [directory]);
      if (loop !== undefined) run("losetup", ["--detach", loop]);
      rmdirSync(directory);
      // The image may be checked and mounted again only when its server is gone.
      for (let i = 0; i < 6000 && server !== undefined && isAlive(server); i++) Atomics.wait(pause, 0, 0, 10);
    },
  };
}

const pause = new Int32Array(new SharedArrayBuffer(4));

function isAlive(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
}
