/** Attempts, each made in a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { removeScratch, scratchDirectory } from "../system/scratch.js";
import type { Attempt, AttemptGroup, Outcome } from "./attempt.js";

const ATTACKER = fileURLToPath(new URL("./attacker.js", import.meta.url));
const IMAGE_SIZE = 1024 * 1024;
const AT_ONCE = 3;
const DEADLINE = 30_000;

/** Something to attack: a directory that anybody may write to, and a process. */
export class Target {
  readonly scratch: string;
  readonly #victim: ChildProcess;

  constructor() {
    this.scratch = scratchDirectory("escape");
    chmodSync(this.scratch, 0o777);
    for (const name of ["image", "victim", "delete-me", "rename-me"]) {
      const path = join(this.scratch, name);
      writeFileSync(path, "");
      chmodSync(path, 0o666);
    }
    truncateSync(join(this.scratch, "image"), IMAGE_SIZE);
    mkdirSync(join(this.scratch, "empty"));
    this.#victim = spawn("sleep", ["600"], { stdio: "ignore" });
  }

  /** How an attempt ends, against a server that has locked itself down, or against one that has not. */
  attack(group: AttemptGroup, attempt: Attempt, mode: "locked" | "free"): Promise<Outcome> {
    const node = [process.execPath, ...(group.jitless === true ? ["--jitless"] : [])];
    const { pid = 0 } = this.#victim;
    const attacker = [ATTACKER, group.name, attempt.name, this.scratch, String(pid), String(stackOf(pid)), mode];
    // What is mounted without a wall goes with the process.
    const apart = mode === "free" ? ["unshare", "--mount", "--propagation", "private", "--"] : [];
    const [command = "", ...args] = [...apart, ...node, ...attacker];
    return new Promise((resolve, reject) => {
      const child = spawn(command, args, {
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, UV_USE_IO_URING: "0", NODE_OPTIONS: "" },
        timeout: DEADLINE,
        killSignal: "SIGKILL",
      });
      let output = "";
      let errors = "";
      child.stdout.on("data", (chunk: Buffer) => {
        output += chunk.toString();
      });
      child.stderr.on("data", (chunk: Buffer) => {
        errors += chunk.toString();
      });
      child.on("error", reject);
      child.on("close", (code, signal) => {
        if (signal !== null) resolve(signal);
        else if (code === 0) resolve(output.trim());
        else reject(new Error(`"${attempt.name}" ended with ${code}: ${errors}`));
      });
    });
  }

  close(): void {
    this.#victim.kill("SIGKILL");
    removeScratch(this.scratch);
  }
}

/** An address in the stack of a process. */
function stackOf(pid: number): number {
  const maps = readFileSync(`/proc/${pid}/maps`, "latin1");
  return Number.parseInt(/^([0-9a-f]+)-.*\[stack\]/m.exec(maps)?.[1] ?? "0", 16);
}

/** All attempts that this machine knows, or every so many of them, a few at once. */
export async function attackAll(
  groups: readonly AttemptGroup[],
  mode: "locked" | "free",
  every = 1,
): Promise<ReadonlyMap<Attempt, Outcome>> {
  const all = groups.flatMap((group) => group.attempts.map((attempt) => ({ group, attempt })));
  const queue = all
    .filter((_, i) => i % every === 0)
    .filter(({ attempt }) => attempt.only === undefined || attempt.only === process.arch);
  const outcomes = new Map<Attempt, Outcome>();
  const target = new Target();
  try {
    const work = async () => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        outcomes.set(next.attempt, await target.attack(next.group, next.attempt, mode));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  } finally {
    target.close();
  }
  return outcomes;
}
