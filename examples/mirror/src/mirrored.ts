/** A mirror for a test: the example itself, in a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, chmodSync, constants, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findMount, unmount } from "@bulkhead/fuse";

const PATIENCE = 30_000;
const main = new URL("./main.js", import.meta.url).pathname;

/** Why nothing can be mounted here, or false. */
export function cannotMount(): string | false {
  if (process.getuid?.() !== 0) return "passthrough takes root";
  try {
    accessSync("/dev/fuse", constants.R_OK | constants.W_OK);
    return false;
  } catch {
    return "there is no /dev/fuse";
  }
}

export class Mirrored {
  readonly folder = mkdtempSync(join(tmpdir(), "mirror-"));
  readonly mountpoint = join(this.folder, "mirror");
  readonly source: string;
  /** What the mirror said. */
  output = "";
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;

  private constructor(options: readonly string[], source?: string, launcher: readonly string[] = []) {
    chmodSync(this.folder, 0o755);
    mkdirSync(this.mountpoint);
    this.source = source ?? join(this.folder, "source");
    if (source === undefined) mkdirSync(this.source);
    const argv = [...launcher, process.execPath, main, ...options, this.source, this.mountpoint];
    this.#child = spawn(argv[0]!, argv.slice(1), { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on("data", (chunk) => {
        this.output += chunk;
      });
    }
    this.#exited = once(this.#child, "exit");
  }

  /** Mirrors a directory of its own unless one is given; `launcher` is a command that runs it. */
  static async start(options: readonly string[] = [], source?: string, launcher?: readonly string[]) {
    const mirror = new Mirrored(options, source, launcher);
    try {
      await mirror.said(/mirrored at/);
      return mirror;
    } catch (error) {
      await mirror.remove();
      throw error;
    }
  }

  /** A name in the mirror. */
  path(name: string): string {
    return join(this.mountpoint, name);
  }

  /** The same in what is mirrored. */
  below(name: string): string {
    return join(this.source, name);
  }

  /** Waits for a line of the mirror. */
  async said(pattern: RegExp): Promise<void> {
    const until = performance.now() + PATIENCE;
    while (!pattern.test(this.output)) {
      if (performance.now() > until || this.#child.exitCode !== null) {
        throw new Error(`the mirror did not say ${pattern}, but: ${this.output}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Ends it as Ctrl-C does; its exit code. */
  async interrupt(): Promise<number | null> {
    this.#child.kill("SIGINT");
    await this.#exited;
    return this.#child.exitCode;
  }

  /** Leaves nothing behind, whatever state it is in. */
  async remove(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill("SIGKILL");
      await this.#exited;
    }
    while (findMount(this.mountpoint)) unmount(this.mountpoint, { lazy: true });
    rmSync(this.folder, { recursive: true });
  }
}
