/** e2fsck for many images: a shell that starts it again and again, beside this process. */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeScratch, scratchDirectory } from "../system/scratch.js";
import { Slot } from "./slot.js";

export interface Verdict {
  /** What e2fsck exited with. */
  readonly code: number;
  readonly output: string;
}

/** Images that are on their way at the same time at most: few, so that they stay in the processor's cache. */
const SLOTS = 8;
/** Each line is a file, and what e2fsck is told to do with it. */
const LOOP = `
while read -r image options; do
  "$FSCK" $options "$image" < /dev/null > "$image.said" 2>&1
  echo "$image $?"
done`;
const TIMEOUT = 120_000;
const MEMORY = "/dev/shm";
/** Bytes that there must be room for in memory: a file that cannot grow there ends who writes to it with SIGBUS. */
const ROOM = 256 * 1024 * 1024;
/** Time as of the workloads, so that equal images stay equal. */
const NOW = "1700000000";
const { PATH: SEARCH = "" } = process.env;
const PATH = `${SEARCH}:/usr/local/sbin:/usr/sbin:/sbin`;

interface Job {
  readonly settle: (verdict: Verdict) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** Where the images are: in memory, as far as that can be. The files are used again and again. */
export class Fsck {
  readonly #directory: string;
  readonly #free: Slot[];
  readonly #slots: readonly Slot[];
  readonly #waiting: ((slot: Slot) => void)[] = [];
  readonly #jobs = new Map<string, Job>();
  #shell: ChildProcessWithoutNullStreams | undefined;
  #answers = "";
  #complaints = "";

  constructor() {
    const base = hasRoom(MEMORY) ? MEMORY : tmpdir();
    removeAbandoned(base);
    this.#directory = scratchDirectory(`crash-${process.pid}`, base);
    this.#slots = Array.from({ length: SLOTS }, (_, n) => new Slot(this.#directory, String(n)));
    this.#free = [...this.#slots];
  }

  #start(): ChildProcessWithoutNullStreams {
    const shell = spawn("sh", ["-c", LOOP], {
      cwd: this.#directory,
      env: {
        PATH,
        FSCK: program(),
        LC_ALL: "C",
        TZ: "UTC",
        E2FSCK_TIME: NOW,
        E2FSPROGS_FAKE_TIME: NOW,
        BLKID_FILE: "/dev/null",
      },
    });
    shell.stdout.setEncoding("latin1").on("data", (text: string) => this.#hear(text));
    shell.stderr.setEncoding("latin1").on("data", (text: string) => {
      this.#complaints += text;
    });
    shell.stdin.on("error", () => {}); // it has ended, which is told below
    shell.on("error", (error) => this.#giveUp(error));
    shell.on("close", (code, signal) =>
      this.#giveUp(new Error(`the loop of e2fsck: ${code ?? signal ?? "?"} ${this.#complaints}`)),
    );
    return shell;
  }

  #hear(text: string): void {
    this.#answers += text;
    const lines = this.#answers.split("\n");
    this.#answers = lines.pop()!;
    for (const line of lines) {
      const [name, code] = line.split(" ");
      const job = this.#jobs.get(name!);
      if (job === undefined) throw new Error(`the loop of e2fsck says ${JSON.stringify(line)}`);
      this.#jobs.delete(name!);
      clearTimeout(job.timer);
      job.settle({ code: Number(code), output: readFileSync(join(this.#directory, `${name}.said`), "latin1") });
    }
  }

  #giveUp(error: Error): void {
    for (const { reject, timer } of this.#jobs.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.#jobs.clear();
  }

  /** A file for an image, as soon as there is one. To be given back. */
  async take(): Promise<Slot> {
    return this.#free.pop() ?? (await new Promise((resolve) => this.#waiting.push(resolve)));
  }

  giveBack(slot: Slot): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(slot);
    else next(slot);
  }

  /** @param options of e2fsck (`-fy` and the like) */
  run(slot: Slot, options: readonly string[]): Promise<Verdict> {
    return new Promise((settle, reject) => {
      this.#shell ??= this.#start();
      const shell = this.#shell;
      if (shell.exitCode !== null || shell.signalCode !== null) {
        reject(new Error(`the loop of e2fsck has ended ${this.#complaints}`));
        return;
      }
      const timer = setTimeout(() => shell.kill("SIGKILL"), TIMEOUT);
      this.#jobs.set(slot.name, { settle, reject, timer });
      shell.stdin.write(`${slot.name} ${options.join(" ")}\n`);
    });
  }

  close(): void {
    this.#shell?.stdin.end();
    for (const slot of this.#slots) slot.close();
    removeScratch(this.#directory);
  }
}

/** e2fsck; the same one that needs not be linked each time that it starts, where that is installed. */
function program(): string {
  const version = (name: string) =>
    /^\S+ \S+ \(.*\)/.exec(spawnSync(name, ["-V"], { encoding: "latin1", env: { PATH } }).stderr ?? "")?.[0];
  const unlinked = version("e2fsck.static");
  return unlinked !== undefined && unlinked === version("e2fsck") ? "e2fsck.static" : "e2fsck";
}

function hasRoom(directory: string): boolean {
  if (!existsSync(directory)) return false;
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize >= ROOM;
}

/** A run that was killed has left its images. */
function removeAbandoned(base: string): void {
  for (const name of readdirSync(base)) {
    const owner = /^bulkhead-crash-(\d+)-/.exec(name)?.[1];
    if (owner === undefined || existsSync(`/proc/${owner}`)) continue;
    rmSync(join(base, name), { recursive: true, force: true });
  }
}
