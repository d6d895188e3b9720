/** A mount served by our own command in a process that can be watched, signalled and killed. */
import { type ChildProcess, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { mountLoop, unmount } from "../system/loop.js";
import { removeScratch, scratchDirectory } from "../system/scratch.js";
import { COMMAND, startMount, type Way } from "./ways.js";

export { COMMAND };

/** For hangs alone: a server that ends waits for its fsync(2), and that for whatever else is written to the disk. */
const DEADLINE = 60_000;
const POLL_INTERVAL = 10;
/** Whatever talks to a mount is killed after this long; see DEADLINE. */
const TOOL_TIMEOUT = 60_000;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process of `bulkhead mount --foreground`. */
export class ServedMount {
  readonly mountPoint: string;
  readonly ended: Promise<Ended>;
  readonly #server: ChildProcess;
  readonly #said: Buffer[] = [];

  private constructor(server: ChildProcess, mountPoint: string) {
    this.#server = server;
    this.mountPoint = mountPoint;
    server.stdout?.on("data", (chunk: Buffer) => this.#said.push(chunk));
    server.stderr?.on("data", (chunk: Buffer) => this.#said.push(chunk));
    this.ended = new Promise((resolve) => {
      server.on("close", (code, signal) => resolve({ code, signal }));
    });
  }

  /** Mounts; resolves when the mount answers. The caller clears it away with `clear`. */
  static async start(
    image: string,
    mountPoint: string,
    options: readonly string[] = [],
    command?: readonly string[],
    way?: Way,
  ): Promise<ServedMount> {
    const server = startMount(image, mountPoint, options, command, way);
    const served = new ServedMount(server, mountPoint);
    for (let waited = 0; !isMounted(mountPoint); waited += POLL_INTERVAL) {
      if (server.exitCode !== null) throw new Error(`bulkhead mount: exit ${server.exitCode}: ${served.output}`);
      if (waited > DEADLINE) {
        await served.clear();
        throw new Error(`bulkhead mount: no mount after ${DEADLINE} ms: ${served.output}`);
      }
      await sleep(POLL_INTERVAL);
    }
    ask("stat", ["-f", mountPoint]); // waits for INIT: a signal that comes before it is an interrupted start
    return served;
  }

  /** What has been heard of the server; complete when it has ended. */
  get output(): string {
    return Buffer.concat(this.#said).toString("utf8").trim();
  }

  /** The process that has the mount's requests: another one, where that is contained. */
  get serverPid(): number {
    const connection = connectionOf(this.mountPoint);
    const holders = holdersOf(connection);
    // A keeper holds it as well, for the next server.
    const holder = holders.find(isContained) ?? holders.find((pid) => pid === this.pid);
    if (holder === undefined) throw new Error(`nobody serves ${this.mountPoint}`);
    return holder;
  }

  /** The process of the command. */
  get pid(): number {
    const { pid } = this.#server;
    if (pid === undefined) throw new Error("the server was never started");
    return pid;
  }

  signal(signal: NodeJS.Signals): void {
    this.#server.kill(signal);
  }

  /** How the server ended; throws if it still runs after `milliseconds`. */
  async end(milliseconds = DEADLINE): Promise<Ended> {
    const late = new AbortController();
    try {
      return await Promise.race([
        this.ended,
        sleep(milliseconds, undefined, { signal: late.signal }).then(() => {
          throw new Error(`the server still runs after ${milliseconds} ms: ${this.output}`);
        }),
      ]);
    } finally {
      late.abort();
    }
  }

  /** Ends a server that has lived until now, and gives everything it said; throws when it did not end in order. */
  async stop(): Promise<string> {
    this.signal("SIGTERM");
    const { code, signal } = await this.end();
    if (code !== 0) throw new Error(`the server ended with ${code ?? signal}: ${this.output}`);
    return this.output;
  }

  /** Takes mount and server away, whatever state they are in. */
  async clear(): Promise<void> {
    while (isMounted(this.mountPoint)) unmount(this.mountPoint);
    this.#server.kill("SIGKILL");
    await this.ended;
  }
}

/** The number of the FUSE connection behind a mount. */
export function connectionOf(mountPoint: string): string {
  const mount = readFileSync("/proc/self/mountinfo", "latin1")
    .split("\n")
    .find((line) => line.split(" ")[4] === mountPoint);
  const [major, minor] = mount?.split(" ")[2]?.split(":").map(Number) ?? [];
  if (major === undefined || minor === undefined) throw new Error(`nothing is mounted at ${mountPoint}`);
  return String(major * 2 ** 20 + minor);
}

/** Processes that hold the device of a connection. */
export function holdersOf(connection: string): number[] {
  const holders = `grep -ls '^fuse_connection:[[:space:]]*${connection}$' /proc/[0-9]*/fdinfo/* | cut -d/ -f3 | sort -u`;
  return ask("sh", ["-c", holders])
    .stdout.split("\n")
    .filter((pid) => pid !== "")
    .map(Number);
}

/** Whether a process that holds a connection is a server, and not its keeper. */
export function isContained(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("/contained-server.js\0");
  } catch {
    return false; // it ended
  }
}

/** mountinfo's fifth field is the mount point; those of tests hold nothing that it would escape. */
export function isMounted(mountPoint: string): boolean {
  return mountsAt(mountPoint) > 0;
}

/** How many mounts lie on top of each other at a directory. */
export function mountsAt(mountPoint: string): number {
  return readFileSync("/proc/self/mountinfo", "latin1")
    .split("\n")
    .filter((line) => line.split(" ")[4] === mountPoint).length;
}

/** What a tool said and how it ended: failing is an answer, hanging is not. */
export interface Answer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a tool that talks to a mount. */
export function ask(command: string, args: readonly string[], cwd = "/"): Answer {
  const result = spawnSync(command, args, {
    cwd,
    env: { ...process.env, LC_ALL: "C", TZ: "UTC" },
    timeout: TOOL_TIMEOUT,
    killSignal: "SIGKILL",
    maxBuffer: 1 << 28,
  });
  if (result.status === null) {
    throw new Error(`${command} ${args.join(" ")}: ${result.error?.message ?? result.signal ?? "no answer"}`);
  }
  return { code: result.status, stdout: result.stdout.toString("latin1"), stderr: result.stderr.toString("latin1") };
}

/** Runs `bulkhead` with these arguments to its end. */
export function bulkhead(...args: string[]): Answer {
  return ask(process.execPath, [COMMAND, ...args]);
}

/** A directory for images, with mount points as they are needed; all of it goes away in the end. */
export class Bench {
  readonly directory: string;
  readonly #served: ServedMount[] = [];
  readonly #loops: string[] = [];
  #points = 0;

  constructor() {
    this.directory = scratchDirectory("mounts");
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  /** A new empty directory. */
  mountPoint(): string {
    const path = this.path(`mount-${this.#points++}`);
    mkdirSync(path);
    return path;
  }

  async serve(
    image: string,
    options: readonly string[] = [],
    way?: Way,
    at: string = this.mountPoint(),
  ): Promise<ServedMount> {
    const served = await ServedMount.start(image, at, options, undefined, way);
    this.#served.push(served);
    return served;
  }

  /** The kernel's own, read-only; where it is. */
  loop(image: string, options: readonly string[] = []): string {
    const at = this.mountPoint();
    mountLoop(image, at, { options: ["ro", ...options] });
    this.#loops.push(at);
    return at;
  }

  /** Ends what `serve` has begun: the images are free for others. */
  async release(): Promise<void> {
    for (const served of this.#served.splice(0)) await served.clear();
  }

  async clear(): Promise<void> {
    await this.release();
    for (const at of this.#loops) unmount(at);
    removeScratch(this.directory);
  }
}
