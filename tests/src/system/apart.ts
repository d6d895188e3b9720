/**
 * Scripts of our own that run apart, each job in one of a few processes that do one after another: what a process has loaded and V8 has
 * compiled for one job, the next ones find there. That is most of what the walk of a small image costs.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { ENVIRONMENT } from "./process.js";

/**
 * Lets go of a new namespace's copies of what other tests have mounted: such mounts would live on in it, and whoever asks something
 * of all mounts, as stress-ng does, would get errors that other tests are about.
 */
export const LET_GO =
  "cut -d' ' -f5 /proc/self/mountinfo | grep /bulkhead- | while read -r at; do umount --lazy \"$at\" 2>/dev/null; done; " +
  'exec "$0" "$@"';

/** A new namespace, and what it does before it is anybody's. */
const APART = ["unshare", "--mount", "--propagation", "private", "sh", "-c", LET_GO, process.execPath] as const;
const MAIN = fileURLToPath(new URL("./apart-main.js", import.meta.url));

/** What a process is told to do: a script, and its arguments. */
export interface Job {
  readonly script: string;
  readonly args: readonly string[];
}

/** Processes without a job, by the script that they know. They end with this one. */
const idle = new Map<string, Hand[]>();

/**
 * Runs one of our own scripts, a module that is through when its import is, in a Node process with a mount namespace of its own: whatever
 * it mounts goes away with that process, also when it is killed, and what other tests have mounted is not there. Another job of this
 * script may have run there before. Resolves when it is through; rejects with what it wrote to standard error when it fails,
 * or is still running after `timeout` ms. It is killed then, with all that it has started.
 */
export async function runApart(script: string, args: readonly string[], timeout: number): Promise<void> {
  const free = idle.get(script) ?? [];
  idle.set(script, free);
  const hand = free.pop() ?? new Hand();
  await hand.do({ script, args }, timeout);
  free.push(hand);
}

class Hand {
  readonly #child: ChildProcess;
  #said = "";
  /** Why it does nothing any more. */
  #ended: string | undefined;
  /** Tells who gave it the job in hand. */
  #answer: (() => void) | undefined;

  constructor() {
    const [command, ...args] = APART;
    const child = spawn(command, [...args, MAIN], {
      env: ENVIRONMENT,
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      detached: true,
    });
    const end = (why: string) => {
      this.#ended ??= why;
      this.#answer?.();
    };
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#said += text;
    });
    child.on("message", () => this.#answer?.());
    child.on("error", ({ message }) => end(message));
    child.on("close", (code, signal) => end(`exit ${code ?? signal ?? "?"}`));
    this.#child = child;
  }

  /** Rejects when it has ended. */
  async do(job: Job, timeout: number): Promise<void> {
    this.#holdUp(true);
    const timer = setTimeout(() => {
      this.#ended = `still running after ${timeout} ms`;
      if (this.#child.pid !== undefined) process.kill(-this.#child.pid, "SIGKILL");
    }, timeout);
    await new Promise<void>((resolve) => {
      this.#answer = resolve;
      if (this.#ended === undefined) this.#child.send(job);
      else resolve();
    });
    clearTimeout(timer);
    this.#answer = undefined;
    this.#holdUp(false);
    if (this.#ended === undefined) return;
    throw new Error(`${[job.script, ...job.args].join(" ")}: ${this.#ended}\n${this.#said.trim()}`);
  }

  /** Whether this process waits for that one. */
  #holdUp(waits: boolean): void {
    const { channel, stderr } = this.#child;
    for (const one of [this.#child, channel, stderr as unknown as { ref(): void; unref(): void } | null]) {
      if (waits) one?.ref();
      else one?.unref();
    }
  }
}
