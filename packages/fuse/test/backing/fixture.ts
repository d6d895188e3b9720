import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findMount, type InitFlagName, unmount } from "../../src/index.js";
import { within } from "../mounts/fixture.js";
import { Cell, NAMES } from "./passthrough-filesystem.js";
import type { Answer, Command } from "./passthrough-process.js";

const script = new URL("./passthrough-process.js", import.meta.url).pathname;

/** What a backing file holds at first: its own name, over and over. */
export const contents = (name: string, length = 16_384) => Buffer.alloc(length, name);

const PATIENCE = 10_000;

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const late = performance.now() + PATIENCE;
  while (!(await holds())) {
    if (performance.now() > late) throw new Error(`not within ${PATIENCE} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The passthrough fixture on a mountpoint of its own, in front of a directory of its own unless one is given. */
export class Passthrough {
  readonly folder: string;
  readonly mountpoint: string;
  readonly directory: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  log = "";

  private constructor(maxStackDepth: number, directory?: string, want: readonly InitFlagName[] = []) {
    this.folder = mkdtempSync(join(tmpdir(), "fuse-passthrough-"));
    this.mountpoint = join(this.folder, "mnt");
    mkdirSync(this.mountpoint);
    this.directory = directory ?? join(this.folder, "backing");
    if (directory === undefined) {
      mkdirSync(this.directory);
      for (const name of NAMES) writeFileSync(join(this.directory, name), contents(name));
    }
    const argv = [script, this.mountpoint, this.directory, String(maxStackDepth), ...want];
    this.#child = spawn(process.execPath, argv, { stdio: ["ignore", "inherit", "pipe", "ipc"] });
    this.#child.stderr?.on("data", (chunk) => {
      this.log += chunk;
    });
    this.#exited = once(this.#child, "exit");
  }

  /** `directory` holds the backing files; `maxStackDepth` 0: PASSTHROUGH is not asked for. */
  static async start(maxStackDepth = 1, directory?: string, want?: readonly InitFlagName[]): Promise<Passthrough> {
    const fixture = new Passthrough(maxStackDepth, directory, want);
    try {
      await fixture.#answer();
      return fixture;
    } catch (error) {
      await fixture.remove();
      throw error;
    }
  }

  path(name: string): string {
    return join(this.mountpoint, name);
  }

  backing(name: string): string {
    return join(this.directory, name);
  }

  async ask(command: Command): Promise<Answer> {
    const answer = this.#answer();
    this.#child.send(command);
    return answer;
  }

  async do(command: Command): Promise<number> {
    return (await this.ask(command)).result;
  }

  get(cell: number): Promise<number> {
    return this.do({ do: "get", cell });
  }

  /** How the opens from here on are answered. */
  answerOpens(way: number): Promise<number> {
    return this.do({ do: "set", cell: Cell.WAY, value: way });
  }

  /** Waits until every open was released: RELEASE comes in the background. */
  settled(): Promise<void> {
    return until("every open was released", async () => {
      return (await this.get(Cell.RELEASES)) === (await this.get(Cell.OPENS));
    });
  }

  /** Waits until `cell` is `value`. */
  reached(cell: number, value: number): Promise<void> {
    return until(`cell ${cell} is ${value}`, async () => (await this.get(cell)) === value);
  }

  /** Waits for a line of the log: it comes on another way than answers. */
  logged(pattern: RegExp): Promise<void> {
    return until(`the log says ${pattern}`, async () => pattern.test(this.log));
  }

  async #answer(): Promise<Answer> {
    const message = once(this.#child, "message").then(([value]) => value as Answer);
    const gone = this.#exited.then(() => {
      throw new Error(`the fixture exited: ${this.log}`);
    });
    return within(Promise.race([message, gone]), "an answer of the fixture");
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
