/** Lets recorders work on a mount until the server dies at a moment nobody chose, and keeps the image as it is then. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ServedMount } from "../mount/served-mount.js";
import { ioctl } from "../system/calls.js";
import { mountLoop, unmount } from "../system/loop.js";
import { removeScratch, scratchDirectory } from "../system/scratch.js";
import { copySparse } from "../walk/truth.js";
import { writeTarball } from "../workloads/tarball.js";
import { type Note, readNotes } from "./notes.js";

const MAIN = fileURLToPath(new URL("./main.js", import.meta.url));
const FSX = fileURLToPath(new URL("../../src/workloads/fsx.py", import.meta.url));
const DEADLINE = 30_000;
const POLL_INTERVAL = 10;
const EXT4_IOC_SHUTDOWN = 0x8004587d;
/** Without another commit of the journal: what a cut of the power leaves. */
const SHUTDOWN_NOLOGFLUSH = 2;
/** Notes that stay true when there are later ones. */
const MONOTONIC: ReadonlySet<Note["kind"]> = new Set(["prefix", "version", "slot", "rows", "commit"]);
const NOISE_FILES = 3000;
const NOISE_OPERATIONS = 100_000;

export interface Crash {
  readonly subject: "kernel" | "served";
  readonly recorders: readonly string[];
  readonly seed: number;
  /** The server dies some time after so many notes. */
  readonly notes: number;
  /** Whether others work on the mount as well, who sync nothing. */
  readonly noise: boolean;
}

/** Someone who serves an image until it is killed. */
interface Victim {
  readonly mountPoint: string;
  kill(): Promise<void>;
  clear(): Promise<void>;
}

/** The kernel's ext4 cannot be killed; it can be told to write nothing any more. */
function kernelVictim(image: string): Victim {
  const mountPoint = scratchDirectory("victim");
  mountLoop(image, mountPoint);
  return {
    mountPoint,
    async kill() {
      const argument = Buffer.alloc(4);
      argument.writeUInt32LE(SHUTDOWN_NOLOGFLUSH, 0);
      const fd = openSync(mountPoint, "r");
      try {
        ioctl(fd, EXT4_IOC_SHUTDOWN, argument);
      } finally {
        closeSync(fd);
      }
    },
    async clear() {
      unmount(mountPoint);
      removeScratch(mountPoint);
    },
  };
}

async function servedVictim(image: string): Promise<Victim> {
  const served = await ServedMount.start(image, scratchDirectory("victim"), ["norestart"]);
  return {
    mountPoint: served.mountPoint,
    async kill() {
      const { serverPid } = served;
      for (const pid of descendants(served.pid)) {
        try {
          process.kill(pid, "SIGKILL");
        } catch (error) {
          // What started the server ends with it, maybe before its turn comes.
          if (pid === serverPid || (error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
        }
      }
      await served.ended;
    },
    async clear() {
      await served.clear();
      removeScratch(served.mountPoint);
    },
  };
}

/** A process and all that it started, itself last. */
function descendants(pid: number): number[] {
  const listed = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1");
  const children = listed.split(" ").filter((text) => text !== "");
  return [...children.flatMap((child) => descendants(Number(child))), pid];
}

/**
 * Crashes a server in the middle of its work.
 *
 * @param image is left as it was at the crash
 * @returns what was durable by then
 */
export async function crash(image: string, plan: Crash): Promise<Note[]> {
  const directory = scratchDirectory("crash");
  const workers: ChildProcess[] = [];
  const victim = plan.subject === "kernel" ? kernelVictim(image) : await servedVictim(image);
  try {
    const notebook = join(directory, "notes");
    for (const [index, name] of plan.recorders.entries()) {
      workers.push(
        start(process.execPath, [MAIN, "record", name, victim.mountPoint, notebook, String(plan.seed + index)]),
      );
    }
    if (plan.noise) {
      const tarball = join(directory, "noise.tar");
      writeTarball(tarball, NOISE_FILES, plan.seed);
      workers.push(start("tar", ["--extract", "-f", tarball, "-C", victim.mountPoint]));
      workers.push(
        start("python3", [FSX, victim.mountPoint, String(plan.seed), String(NOISE_OPERATIONS), "4096", "noshift"]),
      );
    }
    await noted(notebook, plan.notes, plan.recorders);
    await sleep(plan.seed % 97);
    const before = readNotes(notebook).length;
    await victim.kill();
    const all = readNotes(notebook);
    // A server that is killed answers nothing any more; what the kernel answers while it shuts down counts for nothing.
    const notes = plan.subject === "kernel" ? settled(all, before) : all;
    copySparse(image, `${image}.crashed`);
    return notes;
  } finally {
    for (const worker of workers) worker.kill("SIGKILL");
    await victim.clear();
    removeScratch(directory);
  }
}

/** The first `count` notes, without those that later ones say more of. */
function settled(notes: readonly Note[], count: number): Note[] {
  const changed = new Set(notes.slice(count).flatMap(({ kind, path }) => (MONOTONIC.has(kind) ? [] : [path])));
  return notes.slice(0, count).filter(({ path }) => !changed.has(path));
}

function start(program: string, args: readonly string[]): ChildProcess {
  return spawn(program, args, { stdio: "ignore", env: { ...process.env, LC_ALL: "C" } });
}

async function noted(notebook: string, count: number, recorders: readonly string[]): Promise<void> {
  for (let waited = 0; waited < DEADLINE; waited += POLL_INTERVAL) {
    if (existsSync(notebook) && readNotes(notebook).length >= count) return;
    for (const name of recorders) {
      const error = `${notebook}.${name}.error`;
      if (existsSync(error)) throw new Error(`${name} ended by itself: ${readFileSync(error, "utf8")}`);
    }
    await sleep(POLL_INTERVAL);
  }
  throw new Error(`fewer than ${count} notes in ${DEADLINE} ms`);
}
