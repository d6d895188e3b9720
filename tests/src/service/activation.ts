/** A service as a service manager has it: systemd-socket-activate starts a server for each connection. */
import { type ChildProcess, spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { serverEnvironment } from "@bulkhead/server/contained";

const DEADLINE = 15_000;
export const SERVER = fileURLToPath(new URL("./server-process.js", import.meta.url));
export const HELPER = fileURLToPath(new URL("./helper-process.js", import.meta.url));

/** Puts a user's rights in front of a command; none: root's. */
export const asUser = (uid: number): string[] => [
  ...["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", "--inh-caps=-all", "--"],
];

export class Activation {
  readonly directory: string;
  readonly #process: ChildProcess;
  #said = "";
  #ended = false;
  readonly #end: Promise<void>;

  private constructor(directory: string, type: string, server: readonly string[], launcher: readonly string[]) {
    this.directory = directory;
    const listen = ["systemd-socket-activate", "--seqpacket", "--accept", "--listen", join(directory, type)];
    const environment = Object.entries(serverEnvironment).map(([name, value]) => `--setenv=${name}=${value}`);
    const [command = "", ...args] = [...launcher, ...listen, ...environment, ...server];
    this.#process = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"] });
    this.#process.stderr?.on("data", (chunk: Buffer) => {
      this.#said += chunk.toString();
    });
    this.#end = new Promise((resolve) => {
      this.#process.on("close", () => {
        this.#ended = true;
        resolve();
      });
      this.#process.on("error", () => resolve());
    });
  }

  /** Listens at DIRECTORY/TYPE with a server of this kind. */
  static start(
    directory: string,
    type: string,
    server: readonly string[],
    launcher: readonly string[] = [],
  ): Promise<Activation> {
    return Activation.listen(directory, type, [process.execPath, SERVER, ...server], launcher);
  }

  /** Listens at DIRECTORY/TYPE with any program as the server. */
  static async listen(
    directory: string,
    type: string,
    program: readonly string[],
    launcher: readonly string[] = [],
  ): Promise<Activation> {
    const activation = new Activation(directory, type, program, launcher);
    // The socket's file is there before anybody listens.
    for (let waited = 0; !activation.#said.includes("Listening"); waited += 10) {
      if (activation.#ended || waited > DEADLINE) throw new Error(`no socket: ${activation.#said}`);
      await sleep(10);
    }
    return activation;
  }

  /** What servers, and their starter, have said. */
  get said(): string {
    return this.#said;
  }

  /** Waits until something was said. */
  async hear(pattern: RegExp): Promise<void> {
    for (let waited = 0; !pattern.test(this.#said); waited += 10) {
      if (waited > DEADLINE) throw new Error(`${pattern} was not said: ${this.#said}`);
      await sleep(10);
    }
  }

  /** Ends the listener; servers end with their mounts. Waits for all of them. */
  async stop(): Promise<void> {
    this.#process.kill("SIGTERM");
    await this.#end;
    rmSync(this.directory, { recursive: true, force: true });
  }
}
