import { statfs } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { ServedMount } from "../mount/served-mount.js";

/** Milliseconds that a server may live, at most. */
const LONGEST_LIFE = 1200;
/** So many of a hundred are killed while they still prepare to go on. */
const YOUNG = 15;
const POLL = 20;

interface Limits {
  readonly most: number;
  /** Milliseconds that a server lives. */
  readonly longestLife: number;
}

/** Kills the servers of a mount, one after the other, at random moments. */
export class Killer {
  kills = 0;
  readonly #served: ServedMount;
  readonly #random: () => number;
  readonly #limits: Limits;
  #stopped = false;

  constructor(served: ServedMount, random: () => number, limits: Partial<Limits> = {}) {
    this.#served = served;
    this.#random = random;
    this.#limits = { most: Number.POSITIVE_INFINITY, longestLife: LONGEST_LIFE, ...limits };
  }

  /** Goes on until `stop`, or until there were enough. */
  async run(): Promise<void> {
    let last = 0;
    while (!this.#stopped && this.kills < this.#limits.most) {
      const pid = this.#server();
      if (pid === undefined || pid === last) {
        await sleep(POLL);
        continue;
      }
      last = pid;
      // Its preparations do not count, or none would come to serve where the machine has much to do.
      const young = this.#random() * 100 < YOUNG;
      if (!young) await statfs(this.#served.mountPoint);
      await sleep(this.#random() * this.#limits.longestLife);
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
