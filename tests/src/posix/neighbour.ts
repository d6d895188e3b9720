/** Another process that takes record locks when asked: what belongs to a process can only be tried with two. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { LockKind, open, setLock, setLockWaiting } from "@bulkhead/linux";
import { O } from "./calls.js";
import type { Subject } from "./subject.js";

export type Request =
  | { readonly call: "lock" | "wait"; readonly path: string; readonly start: number; readonly length: number }
  | { readonly call: "unlock" };

const SELF = fileURLToPath(import.meta.url);
const AS_NEIGHBOUR = "--neighbour";
const PATIENCE = 5_000;

export class Neighbour {
  readonly pid: number;
  readonly #process: ChildProcess;

  private constructor(child: ChildProcess, pid: number) {
    this.#process = child;
    this.pid = pid;
  }

  /** Starts one, until the end of the case. */
  static async start(subject: Subject): Promise<Neighbour> {
    const child = fork(SELF, [AS_NEIGHBOUR], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    subject.defer(() => child.kill("SIGKILL"));
    await once(child, "message");
    if (child.pid === undefined) throw new Error("no neighbour");
    return new Neighbour(child, child.pid);
  }

  /** Whether it got what it was asked for. */
  async ask(request: Request): Promise<boolean> {
    const answer = once(this.#process, "message", { signal: AbortSignal.timeout(PATIENCE) });
    this.#process.send(request);
    const [got] = (await answer) as [boolean];
    return got;
  }

  /** Waits until it waits for a lock. */
  async asleep(): Promise<void> {
    for (let waited = 0; waited < PATIENCE; waited += 5) {
      if (this.#isBlocked()) return;
      await sleep(5);
    }
    throw new Error("the neighbour does not wait");
  }

  /** /proc/locks shows who waits with an arrow. */
  #isBlocked(): boolean {
    return readFileSync("/proc/locks", "latin1")
      .split("\n")
      .some((line) => line.includes("->") && line.split(/\s+/).includes(String(this.pid)));
  }

  async kill(): Promise<void> {
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await ended;
  }
}

function serve(): void {
  const descriptors = new Map<string, number>();
  const descriptor = (path: string): number => {
    const fd = descriptors.get(path) ?? open(path, O.RDWR);
    descriptors.set(path, fd);
    return fd;
  };
  process.on("message", (request: Request) => {
    let got = true;
    if (request.call === "unlock") {
      for (const fd of descriptors.values()) setLock(fd, "process", { kind: LockKind.UNLOCK, start: 0, length: 0 });
    } else {
      const lock = { kind: LockKind.WRITE, start: request.start, length: request.length };
      if (request.call === "wait") setLockWaiting(descriptor(request.path), "process", lock);
      else got = setLock(descriptor(request.path), "process", lock);
    }
    process.send?.(got);
  });
  process.send?.(true);
}

if (process.argv.includes(AS_NEIGHBOUR)) serve();
