/** Keeps a mount whose servers die: what outlives them is here, and each gets it from here. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type MountOptions, mountFuse, unmount } from "@bulkhead/fuse";
import { createSurvivalMemory } from "@bulkhead/server/survival";
import type { Life } from "./bare-server.js";

const SERVER = fileURLToPath(new URL("./bare-server.js", import.meta.url));

export class BareKeeper {
  readonly mountPoint: string;
  /** Servers that have died. */
  deaths = 0;
  readonly #life: Life;
  /** −1 when it is closed: a mount that nobody serves any more answers ENOTCONN. */
  #fuse: number;
  readonly #image: number;
  readonly #memory: number;
  #server: ChildProcess;
  #ending = false;
  readonly #ended: Promise<void>;
  readonly #said: string[] = [];

  constructor(life: Life, mountPoint: string, mount: MountOptions = {}) {
    this.mountPoint = mountPoint;
    this.#life = life;
    this.#image = openSync(life.image, "r+");
    this.#memory = createSurvivalMemory();
    this.#fuse = mountFuse(mountPoint, { fsname: life.image, subtype: "bulkhead", ...mount }).fd;
    let done = () => {};
    this.#ended = new Promise((resolve) => {
      done = resolve;
    });
    this.#server = this.#start(done);
  }

  #start(done: () => void): ChildProcess {
    const server = spawn(process.execPath, [SERVER, JSON.stringify(this.#life), String(this.deaths)], {
      stdio: ["ignore", "ignore", "pipe", this.#fuse, this.#image, this.#memory],
    });
    server.stderr?.on("data", (chunk: Buffer) => this.#said.push(chunk.toString()));
    server.on("exit", (code, signal) => {
      if (code === 0 || this.#ending) return done();
      this.deaths++;
      if (signal === "SIGKILL") {
        this.#server = this.#start(done);
        return;
      }
      this.#said.push(`the server ended by itself: ${code ?? signal}\n`);
      this.#letGo();
      done();
    });
    return server;
  }

  get output(): string {
    return this.#said.join("");
  }

  #letGo(): void {
    if (this.#fuse >= 0) closeSync(this.#fuse);
    this.#fuse = -1;
  }

  /** Kills the server that there is. The first one has to have answered: what it had read of the kernel's INIT would not be sent again. */
  kill(): void {
    this.#server.kill("SIGKILL");
  }

  /** Unmounts, and waits for the server's end. */
  async end(): Promise<void> {
    for (let tries = 0; ; tries++) {
      try {
        unmount(this.mountPoint);
        break;
      } catch (error) {
        if (tries === 50) {
          this.#ending = true;
          unmount(this.mountPoint, { lazy: true });
          this.#server.kill("SIGKILL");
          console.error(error);
          break;
        }
        await sleep(100);
      }
    }
    await this.#ended;
    this.#letGo();
    closeSync(this.#image);
    closeSync(this.#memory);
  }
}
