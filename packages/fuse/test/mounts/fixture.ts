import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, chmodSync, constants, mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findMount, type MountOptions, unmount } from "../../src/index.js";
import type { Command } from "./fixture-process.js";

/** Why a test on a real mount cannot run here, or false. */
export function cannotMount(): string | false {
  if (process.getuid?.() !== 0) return "needs root";
  try {
    accessSync("/dev/fuse", constants.R_OK | constants.W_OK);
    return false;
  } catch {
    return "needs /dev/fuse";
  }
}

const PATIENCE = 10_000;

/** `promise`, or a failure that says what did not happen in time. */
export async function within<T>(promise: Promise<T>, what: string, milliseconds = PATIENCE): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${milliseconds} ms`)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A fixture served by a child process on a mountpoint of its own. */
export class Fixture {
  readonly mountpoint: string;
  readonly child: ChildProcess;
  stderr = "";
  readonly exited: Promise<[code: number | null, signal: NodeJS.Signals | null]>;

  private constructor(options: MountOptions, launcher: readonly string[], graceMs: number) {
    this.mountpoint = mkdtempSync(join(tmpdir(), "fuse-fixture-"));
    chmodSync(this.mountpoint, 0o777);
    const script = new URL("./fixture-process.js", import.meta.url).pathname;
    const argv = [...launcher, process.execPath, script, this.mountpoint, JSON.stringify(options), String(graceMs)];
    this.child = spawn(argv[0]!, argv.slice(1), { stdio: ["ignore", "inherit", "pipe", "ipc"] });
    this.child.stderr?.on("data", (chunk) => {
      this.stderr += chunk;
    });
    this.exited = once(this.child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  }

  static async start(options: MountOptions = {}, launcher: readonly string[] = [], graceMs = 500): Promise<Fixture> {
    const fixture = new Fixture(options, launcher, graceMs);
    try {
      await fixture.#answer("ready");
      return fixture;
    } catch (error) {
      await fixture.remove();
      throw error;
    }
  }

  path(name: string): string {
    return join(this.mountpoint, name);
  }

  get mounted(): boolean {
    return findMount(this.mountpoint) !== undefined;
  }

  async do(command: Command): Promise<number> {
    const answer = this.#answer("result");
    this.child.send(command);
    return answer;
  }

  get(cell: number): Promise<number> {
    return this.do({ do: "get", cell });
  }

  set(cell: number, value: number): Promise<number> {
    return this.do({ do: "set", cell, value });
  }

  notify(method: Extract<Command, { do: "notify" }>["method"], ...args: (number | string | number[])[]) {
    return this.do({ do: "notify", method, args });
  }

  async #answer(key: "ready" | "result"): Promise<number> {
    const message = once(this.child, "message").then(([value]) => Reflect.get(value, key) as number);
    const gone = this.exited.then(([code, signal]) => {
      throw new Error(`the fixture exited (${code ?? signal}): ${this.stderr}`);
    });
    return within(Promise.race([message, gone]), key);
  }

  /** The end of the process: exit code, or the signal that killed it. */
  async end(): Promise<number | NodeJS.Signals | null> {
    const [code, signal] = await within(this.exited, "exit of the fixture");
    return signal ?? code;
  }

  /** Leaves nothing behind, whatever state it is in. */
  async remove(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill("SIGKILL");
      await this.exited;
    }
    while (this.mounted) unmount(this.mountpoint, { lazy: true });
    rmdirSync(this.mountpoint);
  }
}
