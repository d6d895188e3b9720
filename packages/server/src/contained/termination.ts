import { setImmediate as turn } from "node:timers/promises";
import type { LoopEnd, ServingLoop } from "@bulkhead/fuse";
import { EventLoop } from "@bulkhead/linux";
import type { KeeperLine } from "./keeper-line.js";

/** Milliseconds that the keeper has to unmount; then serving stops whoever still uses the mount. */
const PATIENCE = 60_000;

/** Catches SIGTERM in a main thread that serves: its event loop, which would know, has to be given a turn. */
export class Termination {
  /** Readable when the event loop wants one. */
  readonly fd: number;
  #count = 0;

  private constructor() {
    process.on("SIGTERM", () => {
      this.#count++;
    });
    this.fd = new EventLoop().fd;
  }

  /** To be made before the lock-down. From here on the signal alone ends nothing. */
  static async watch(): Promise<Termination> {
    const termination = new Termination();
    // What is to be watched is known to the kernel after a turn.
    await turn();
    return termination;
  }

  /** How often the process was told to end. */
  get count(): number {
    return this.#count;
  }
}

/**
 * Runs the loop to its end, or until this process is told to end. If there is a keeper, it unmounts: what programs have written and
 * only the kernel has comes first, and all of it has to be served. Without one, and when told again, it ends at once.
 *
 * @returns why; `stopped` also when told
 */
export async function runUntilTold(
  loop: ServingLoop,
  termination: Termination,
  line: KeeperLine | undefined,
  log: (text: string) => void,
): Promise<LoopEnd> {
  let told = 0;
  for (;;) {
    if (termination.count > told) {
      told = termination.count;
      if (told > 1 || line?.tellToEnd() !== true) {
        log("SIGTERM: everything is committed, and from here on the mount answers ENOTCONN");
        loop.release();
        return "stopped";
      }
      log("SIGTERM: the keeper is asked to unmount");
      loop.timers.after(PATIENCE, () => line.stop());
    }
    const end = loop.run();
    if (end !== "interrupted") return end;
    await turn();
  }
}
