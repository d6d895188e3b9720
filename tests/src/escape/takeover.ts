/** Contained mounts whose server is taken over at the moment when it looks at the image. */
import assert from "node:assert/strict";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findMount, unmount } from "@bulkhead/fuse";
import { serverEnvironment } from "@bulkhead/server/contained";
import { type HelperResult, type LaunchedServer, launchServer, runHelper } from "@bulkhead/service";
import { withoutFuse, withoutTools } from "../facilities.js";
import { run } from "../system/process.js";
import { removeScratch, scratchDirectory } from "../system/scratch.js";

const TAKEN_OVER = fileURLToPath(new URL("./taken-over.js", import.meta.url));

export const withoutTakeover = (): string | false =>
  (process.getuid?.() === 0 ? false : "mounting takes root") ||
  withoutFuse() ||
  withoutTools("mke2fs", "e2fsck", "unshare", "setpriv", "prlimit");

/** An image, where to mount it, and what is done to its servers. */
export class Takeover {
  readonly image: string;
  readonly mountPoint: string;
  readonly #folder = scratchDirectory("takeover");
  readonly #servers: LaunchedServer[] = [];

  constructor() {
    this.image = join(this.#folder, "image");
    this.mountPoint = join(this.#folder, "mount");
    mkdirSync(this.mountPoint);
    run("mke2fs", ["-q", "-F", "-t", "ext4", this.image, "8M"]);
  }

  /** Has the image mounted by a contained server that does what `taken-over.ts` is told. */
  async mount(...attack: readonly string[]): Promise<TakenOver> {
    const log = join(this.#folder, `log${this.#servers.length}`);
    const stderr = openSync(log, "w");
    const command = [process.execPath, TAKEN_OVER, ...attack];
    const server = launchServer({ command, environment: serverEnvironment, stderr });
    this.#servers.push(server);
    closeSync(stderr);
    const result = await runHelper({
      // Without iomap, the image stays the file that it is.
      arguments: [this.image, this.mountPoint, "-t", "bulkhead", "-o", "iomap=0"],
      server,
      extensions: true,
      timeouts: { command: 3_000 },
      log: () => undefined,
    });
    return new TakenOver(server, result, log);
  }

  /** The attack has failed, and nothing of a mount is left. How the server ended: 128 and more for signals. */
  async failed({ server, result }: TakenOver): Promise<number> {
    assert.notEqual(result.exitCode, 0);
    assert.equal(findMount(this.mountPoint), undefined);
    return await server.ended;
  }

  close(): void {
    while (findMount(this.mountPoint) !== undefined) unmount(this.mountPoint, { lazy: true });
    for (const server of this.#servers) server.kill();
    removeScratch(this.#folder);
  }
}

export class TakenOver {
  readonly server: LaunchedServer;
  readonly result: HelperResult;
  readonly #log: string;

  constructor(server: LaunchedServer, result: HelperResult, log: string) {
    this.server = server;
    this.result = result;
    this.#log = log;
  }

  /** What the attack has had to say. */
  get said(): string[] {
    return [...readFileSync(this.#log, "utf8").matchAll(/^attack: (.*)$/gm)].map(([, line = ""]) => line);
  }

  /** The server's process, by its number outside. */
  get pid(): number {
    const { pid } = this.server;
    return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ")[0]);
  }
}
