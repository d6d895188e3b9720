import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { refuse } from "./command-line.js";

/** Where a checkout has the command. */
export const COMMAND = "packages/cli/bin/bulkhead.js";
const HERE = fileURLToPath(new URL("../..", import.meta.url));
/** The command of this checkout. */
export const OURS = join(HERE, COMMAND);

const CONTENDERS = [
  "kernel",
  "kernel-direct",
  "kernel-device",
  "fuse2fs",
  "bulkhead",
  // Ours without the wall, and without a memory that outlives the server: what they cost.
  "uncontained",
  "norestart",
  // Ours of another checkout: what a change gains.
  "before",
] as const;

export type ContenderName = (typeof CONTENDERS)[number];

/** Whether it is what this checkout has made: its mistakes are failures. */
export function isOurs(name: ContenderName): boolean {
  return name === "bulkhead" || name === "uncontained" || name === "norestart";
}

/** The process ends when there is none of that name. */
export function contenderNamed(name: string): ContenderName {
  const found = CONTENDERS.find((one) => one === name);
  if (found === undefined) refuse(`no contender ${name}; there are: ${CONTENDERS.join(", ")}`);
  return found;
}

/**
 * That this checkout, and another one if there is one, are built as they are shipped: what was compiled alone starts three times as slowly.
 * The process ends when one is not.
 */
export async function checkBuilt(other: string | undefined): Promise<void> {
  for (const checkout of other === undefined ? [HERE] : [HERE, other]) {
    const module = pathToFileURL(join(checkout, "packages/cli/bin/built.js")).href;
    const { built } = await import(module).catch(() => refuse(`${checkout} is no checkout of Bulkhead`));
    if (!built().pathname.endsWith("/bundle/")) refuse(`${checkout} is not built: npm run build`);
  }
}

/** A mounted image. */
export interface Mounted {
  readonly directory: string;
  /** Milliseconds from the command's start until the mount answered. */
  readonly mountMilliseconds: number;
  /** Processes that serve it, and look after it; none when the kernel serves. */
  readonly servers: readonly number[];
  /** Highest resident memory of the server process so far in KiB; undefined when the kernel serves. */
  peakMemory(): number | undefined;
  unmount(): void;
}

function run(command: string, args: string[]): void {
  const result = spawnSync(command, args, { encoding: "utf8", timeout: 60_000 });
  if (result.error) throw result.error;
  if (result.status !== 0)
    throw new Error(`${command} ${args.join(" ")}: ${result.stderr.trim() || `exit ${result.status}`}`);
}

/** Processes whose command line contains `word`: the server, and of ours its keeper and what started it. */
function findProcesses(word: string): number[] {
  const found: number[] = [];
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    try {
      const line = readFileSync(`/proc/${entry}/cmdline`, "utf8");
      if (line.includes(word)) found.push(Number(entry));
    } catch {} // the process ended meanwhile
  }
  return found;
}

/** Takes back what `mount` has done. No signal of a terminal ends it half-way. */
function undo(command: string, args: string[]): void {
  run("sh", ["-c", 'trap "" INT TERM HUP; exec "$0" "$@"', command, ...args]);
}

/** Highest resident memory of the largest of some processes, in KiB. */
function peakOf(processes: readonly number[]): number {
  const peaks = processes.map((pid) => {
    const match = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
    return match === null ? 0 : Number(match[1]);
  });
  return Math.max(...peaks);
}

/**
 * Mounts `image`, for `kernel-device` a block device, the way one of the contenders does, read-only unless it is to be written.
 *
 * @param other the checkout, built, that `before` is
 */
export function mount(name: ContenderName, image: string, writable: boolean, other = ""): Mounted {
  const access = writable ? "rw" : "ro";
  const directory = mkdtempSync(join(tmpdir(), "bulkhead-bench-mnt-"));
  const start = performance.now();
  let loop: string | undefined;
  try {
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
        run(process.execPath, [OURS, "mount", "-o", access, image, directory]);
        break;
      case "uncontained":
        run(process.execPath, [OURS, "mount", "--uncontained", "-o", access, image, directory]);
        break;
      case "norestart":
        run(process.execPath, [OURS, "mount", "-o", `${access},norestart`, image, directory]);
        break;
      case "before":
        run(process.execPath, [join(other, COMMAND), "mount", "-o", access, image, directory]);
        break;
    }
  } catch (error) {
    // What did come about goes: who is interrupted here has no mount yet to undo.
    spawnSync("umount", ["--lazy", directory], { stdio: "ignore" });
    if (loop !== undefined) spawnSync("losetup", ["--detach", loop]);
    rmdirSync(directory);
    throw error;
  }
  const mountMilliseconds = performance.now() - start;
  const servers = name.startsWith("kernel") ? [] : findProcesses(directory);
  return {
    directory,
    mountMilliseconds,
    servers,
    peakMemory() {
      return servers.length === 0 ? undefined : peakOf(servers);
    },
    unmount() {
      try {
        undo("umount", [directory]);
      } catch (error) {
        undo("umount", ["--lazy", directory]);
        throw error;
      } finally {
        if (loop !== undefined) undo("losetup", ["--detach", loop]);
        rmdirSync(directory);
      }
      // The image may be checked and mounted again only when its server is gone.
      for (let i = 0; servers.some(isAlive); i++) {
        if (i === MOST_PAUSES)
          throw new Error(`${name}: its server is still there ${(MOST_PAUSES * PAUSE) / 1000} s after umount`);
        Atomics.wait(pause, 0, 0, PAUSE);
      }
    },
  };
}

/** Milliseconds, and how many of them a server may take to write what it has. */
const PAUSE = 10;
const MOST_PAUSES = 6000;
const pause = new Int32Array(new SharedArrayBuffer(4));

function isAlive(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
}
