import { statfs } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { detach, isMounted, type MountInfo, unmount } from "@bulkhead/fuse";
import { Poll, PollSet } from "@bulkhead/linux";
import { type HeldMount, HelperExit } from "@bulkhead/service/helper";
import { CommandError, messageOf } from "../../command-line/errors.js";
import type { Log } from "../log.js";
import type { Server } from "./server.js";

/** Milliseconds that open files may keep an unmounted file system alive, and then the server to write everything. */
const GRACE = 5_000;
const LAST_WORDS = 120_000;
/** Of a server that may have been taken over, in milliseconds. */
const TIMES = {
  /** What unmounting may take, where the kernel waits for what the server writes and answers. */
  unmounting: 1_800_000,
  /** What it may take to end when the kernel has let go of it: until then it can write to what others may use already. */
  outliving: 1_800_000,
  /** Between looks at whether the kernel has. */
  look: 10_000,
};
/** Milliseconds that a mount has to answer for the first time. */
const FIRST_ANSWER = 30_000;
const MINUTE = 60_000;

/** Who goes on with a mount when its server dies. */
export interface Successors {
  /** So many within a minute at most. */
  readonly most: number;
  /** Starts the next one. */
  start(): Promise<Server>;
  /** There will be no more: lets go of what they would have had. */
  close(): void;
}

/** What there is for a mount besides its server, and goes with it. */
export interface Belongings {
  readonly held: HeldMount | undefined;
  /** Undefined: nobody goes on. */
  readonly successors: Successors | undefined;
}

export function letGo({ held, successors }: Belongings): void {
  held?.close();
  successors?.close();
}

/** A mount whose server is another process. */
export class KeptMount {
  /** Resolves when the server has ended in order; rejects with what it died of. */
  readonly finished: Promise<void>;
  readonly #mount: { readonly mountpoint: string; readonly info: MountInfo };
  readonly #successors: Successors | undefined;
  readonly #log: Log;
  readonly #times: typeof TIMES;
  /** When servers died, in milliseconds of the process's clock. */
  #deaths: number[] = [];
  #server: Server;
  #answered = false;
  #isCutOff = false;
  #ending: Promise<void> | undefined;

  /** @param belongings the mount's from here on */
  constructor(server: Server, info: MountInfo, belongings: Belongings, log: Log, times = TIMES) {
    this.#times = times;
    this.#server = server;
    this.#mount = { mountpoint: info.mountpoint, info };
    this.#successors = belongings.successors;
    this.#log = log;
    const stop = this.#watchConnection(belongings.held);
    this.finished = this.#watch().finally(() => {
      stop();
      letGo(belongings);
    });
    this.finished.catch(() => {});
  }

  /** Ends a server that goes on without a mount. @returns what ends the watch */
  #watchConnection(held: HeldMount | undefined): () => void {
    const { look, outliving } = this.#times;
    const connection = new PollSet(1);
    connection.set(0, held?.fuse ?? -1, 0);
    let timer = setInterval(() => {
      // Unasked: the kernel has nothing more to say there.
      if (connection.poll(0) <= 0 || (connection.returned(0) & Poll.ERR) === 0) return;
      clearInterval(timer);
      timer = setTimeout(() => this.cutOff(), outliving);
    }, look);
    return () => clearInterval(timer);
  }

  /** Sees the servers end, one after the other. @throws CommandError with what the last one died of */
  async #watch(): Promise<void> {
    for (;;) {
      const server = this.#server;
      // Whoever told it to end wants no other one in its place.
      server.line.onToldToEnd(() => this.end().catch((error: unknown) => this.#notUnmounted(error)));
      const { why, isCertain } = await server.ended;
      if (why === undefined) return;
      if (!isCertain || !(await this.#goOn(why))) throw new CommandError(why);
    }
  }

  /** Has another server go on; whether one does. */
  async #goOn(why: string): Promise<boolean> {
    const successors = this.#successors;
    if (successors === undefined || !this.#answered || this.#isCutOff) return false;
    const { mountpoint } = this.#mount;
    const now = performance.now();
    this.#deaths = [...this.#deaths.filter((then) => then > now - MINUTE), now];
    if (this.#deaths.length > successors.most) {
      this.#log(
        `${mountpoint}: ${why}: ${this.#deaths.length} deaths within a minute. It is given up: the mount answers ` +
          "ENOTCONN until it is unmounted",
      );
      return false;
    }
    this.#log(`${mountpoint}: ${why}. Another one goes on`);
    try {
      this.#server = await successors.start();
    } catch (error) {
      this.#log(`${mountpoint}: nobody can go on: ${messageOf(error)}`);
      return false;
    }
    if (this.#isCutOff) this.cutOff();
    const { result, reason } = this.#server;
    if (result.exitCode === HelperExit.MOUNTED || reason === undefined) return true;
    this.#log(`${mountpoint}: nobody can go on: ${reason}`);
    return false;
  }

  /** Resolves when the kernel has the server's first answer. @throws CommandError when it does not come: the mount is gone then */
  async answers(): Promise<void> {
    if (!this.#server.result.answers) await this.#firstAnswer();
    this.#answered = true;
  }

  async #firstAnswer(): Promise<void> {
    const late = sleep(FIRST_ANSWER, "late" as const, { ref: false });
    // The server is another process: if it does not answer, it is a thread of Node's pool that waits.
    const answer = await Promise.race([statfs(this.#mount.mountpoint).catch(() => "refused" as const), late]);
    if (answer !== "late" && answer !== "refused") return;
    this.cutOff();
    if (isMounted(this.#mount)) unmount(this.#mount.mountpoint, { lazy: true });
    await this.finished.catch(() => {});
    throw new CommandError(this.#server.reason ?? "the server does not answer");
  }

  /** Unmounts for whoever sent a signal: the second time, the server has to end whoever still uses the mount. */
  interrupt(): void {
    if (this.#ending !== undefined) this.cutOff();
    else this.end().catch((error: unknown) => this.#notUnmounted(error));
  }

  #notUnmounted(error: unknown): void {
    this.#log(`${this.#mount.mountpoint}: not unmounted: ${messageOf(error)}`);
  }

  /** Unmounts, lazily if files are open, and waits for the server: files that are open for longer fail with ENOTCONN. */
  end(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  async #end(): Promise<void> {
    let timer = setTimeout(() => this.cutOff(), this.#times.unmounting);
    try {
      await detach(this.#mount, GRACE);
      clearTimeout(timer);
      timer = setTimeout(() => this.cutOff(), GRACE);
      await this.finished.catch(() => {});
    } finally {
      clearTimeout(timer);
    }
  }

  /** Has the server end, whoever still uses the mount. One that does not is killed. */
  cutOff(): void {
    this.#isCutOff = true;
    const server = this.#server;
    server.line.stop();
    const timer = setTimeout(() => server.kill(), LAST_WORDS);
    void server.ended.finally(() => clearTimeout(timer));
  }
}
