import { statfs } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { ServedMount } from "../mount/served-mount.js";

/** Milliseconds that a server may live, at most. */
const LONGEST_LIFE = 1200;
/** So many of a hundred are killed while they still prepare to go on. */
const YOUNG = 15;
const POLL = 20;

/** Kills the servers of a mount, one after the other, at random moments. */
export class Killer {
  kills = 0;
  readonly #served: ServedMount;
  readonly #random: () => number;
  #stopped = false;

  constructor(served: ServedMount, random: () => number) {
    this.#served = served;
    this.#random = random;
  }

  /** Goes on until `stop`, or until there is nobody to kill any more. */
  async run(): Promise<void> {
    let last = 0;
    while (!this.#stopped) {
      const pid = this.#server();
      if (pid === undefined || pid === last) {
        await sleep(POLL);
        continue;
      }
      last = pid;
      // Its preparations do not count, or none would come to serve where the machine has much to do.
      const young = this.#random() * 100 < YOUNG;
      if (!young) await statfs(this.#served.mountPoint);
      await sleep(this.#random() * LONGEST_LIFE);
      if (this.#stopped) return;
      try {
        process.kill(pid, "SIGKILL");
        this.kills++;
      } catch {
        // It has ended by itself.
      }
    }
  }

  stop(): void {
    this.#stopped = true;
  }

  #server(): number | undefined {
    const { pid } = this.#served;
    try {
      const { serverPid } = this.#served;
      return serverPid === pid ? undefined : serverPid;
    } catch {
      return undefined;
    }
  }
}
