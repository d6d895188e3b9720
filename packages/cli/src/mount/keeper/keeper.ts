import { statfs } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { detach, EndingSignals, isMounted, type MountInfo, unmount } from "@bulkhead/fuse";
import { serverEnvironment, serverProgram } from "@bulkhead/server/contained";
import { lockHolder } from "@bulkhead/server/descriptor";
import { type HelperResult, type LaunchedServer, launchServer, runHelper } from "@bulkhead/service";
import { CommandError } from "../../command-line/errors.js";
import { ExitCode } from "../../command-line/exit-code.js";
import type { Log } from "../log.js";
import type { MountRequest, Serving } from "../request.js";
import { helperArguments, type MountPlan, planMount } from "./arguments.js";
import { ServerLines } from "./server-lines.js";
import { ThreadQuestions } from "./thread-questions.js";

/** KiB that the kernel reads ahead: the largest request that FUSE sends with its default limits. */
export const READ_AHEAD_KIB = 1024;
/** Percent of the kernel's cache for written pages that a mount may take: as much as a disk's. */
export const DIRTY_SHARE = 100;
/** Milliseconds that open files may keep an unmounted file system alive, and then the server to write everything. */
const GRACE = 5_000;
const LAST_WORDS = 120_000;
/** Milliseconds that a mount has to answer for the first time. */
const FIRST_ANSWER = 30_000;

/**
 * One server's life, as the keeper sees it from outside: it is started with a socket, asks the helper for what it needs, is mounted,
 * and ends with its mount.
 */
interface Server {
  readonly process: LaunchedServer;
  readonly lines: ServerLines;
  readonly questions: ThreadQuestions;
  readonly result: HelperResult;
  /** What the helper had to say. */
  readonly notes: readonly string[];
}

/**
 * Mounts with a contained server, and stays for the mount's life: it alone has privileges, and never looks at what is on the source.
 * Resolves when the mount answers.
 *
 * @throws CommandError with a line that says what to do
 */
export async function keepMount(request: MountRequest, log: Log): Promise<Serving> {
  // Caught from before there is a mount: one that came in between would leave it behind.
  const signals = new EndingSignals();
  try {
    const mount = new KeptMount(await mounted(request, planMount(request, log), log));
    await mount.answers();
    let signalled = false;
    signals.deliverTo(() => {
      if (signalled) mount.cutOff();
      else mount.end().catch((error: unknown) => log(`${request.mountpoint}: not unmounted: ${String(error)}`));
      signalled = true;
    });
    const finished = mount.finished.finally(() => signals.release());
    return { finished };
  } catch (error) {
    signals.release();
    throw error;
  }
}

/** Starts a server and has it mounted. Where the kernel does not mount the device as its own, it is a plain mount. */
async function mounted(request: MountRequest, plan: MountPlan, log: Log): Promise<Server> {
  const first = await attempt(request, helperArguments(request, plan), log);
  if (!plan.asDevice || first.result.refusal === undefined) return successful(request, first);
  const plain = helperArguments(request, { ...plan, asDevice: false });
  const second = successful(request, await attempt(request, plain, log));
  log(
    `${request.source}: the kernel does not mount it as a block device: sync and umount do not wait until all is on it`,
  );
  return second;
}

async function attempt({ source, mountpoint }: MountRequest, args: string[], log: Log): Promise<Server> {
  const server = launchServer({
    command: [process.execPath, serverProgram(), source, mountpoint],
    environment: serverEnvironment,
    stderr: "pipe",
    stream: true,
  });
  if (server.stderr === undefined || server.stream === undefined) throw new Error("a server without its streams");
  const questions = new ThreadQuestions(server.stream, () => server.serverPid);
  const lines = new ServerLines(server.stderr, log);
  const notes: string[] = [];
  const result = await runHelper({
    arguments: args,
    server,
    extensions: true,
    readAheadKb: READ_AHEAD_KIB,
    dirtyShare: DIRTY_SHARE,
    log: (note) => notes.push(note),
  });
  if (result.mounted === undefined) await lines.ended;
  return { process: server, lines, questions, result, notes };
}

/** @throws CommandError unless it was mounted */
function successful({ source }: MountRequest, server: Server): Server {
  const { result, lines, notes } = server;
  if (result.mounted !== undefined) return server;
  const why = result.refusal?.message ?? lines.reason ?? notes.at(-1) ?? "the server ended without a word";
  // The server sees no other processes.
  const holder = lockHolder(source);
  const said = holder === undefined ? why : why.replace(" is in use:", ` is in use by ${holder}:`);
  const code = result.exitCode === ExitCode.success ? ExitCode.failure : result.exitCode;
  throw new CommandError(`cannot mount ${source}: ${said}`, code);
}

/** A mount whose server is another process. */
class KeptMount {
  /** Resolves when the server has ended in order; rejects with what it died of. */
  readonly finished: Promise<void>;
  readonly #server: Server;
  readonly #mount: { readonly mountpoint: string; readonly info: MountInfo };
  #ending: Promise<void> | undefined;

  constructor(server: Server) {
    const info = server.result.mounted;
    if (info === undefined) throw new Error("kept, but not mounted");
    this.#server = server;
    this.#mount = { mountpoint: info.mountpoint, info };
    this.finished = this.#watch();
    this.finished.catch(() => {});
  }

  async #watch(): Promise<void> {
    const { process: server, lines } = this.#server;
    const code = await server.ended;
    await lines.ended;
    if (code !== 0) throw new CommandError(lines.reason ?? `the server ended (${ending(code)})`);
  }

  /** Resolves when the kernel has the server's first answer. @throws CommandError when it does not come: the mount is gone then */
  async answers(): Promise<void> {
    if (this.#server.result.answers) return;
    const late = sleep(FIRST_ANSWER, "late" as const, { ref: false });
    // The server is another process: if it does not answer, it is a thread of Node's pool that waits.
    const answer = await Promise.race([statfs(this.#mount.mountpoint).catch(() => "refused" as const), late]);
    if (answer !== "late" && answer !== "refused") return;
    this.cutOff();
    if (isMounted(this.#mount)) unmount(this.#mount.mountpoint, { lazy: true });
    await this.finished.catch(() => {});
    throw new CommandError(this.#server.lines.reason ?? "the server does not answer");
  }

  /** Unmounts, lazily if files are open, and waits for the server: files that are open for longer fail with ENOTCONN. */
  end(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  async #end(): Promise<void> {
    if (isMounted(this.#mount)) await detach(this.#mount, GRACE);
    const timer = setTimeout(() => this.cutOff(), GRACE);
    await this.finished.catch(() => {});
    clearTimeout(timer);
  }

  /** Has the server end, whoever still uses the mount. One that does not is killed. */
  cutOff(): void {
    this.#server.questions.stop();
    const timer = setTimeout(() => this.#server.process.kill(), LAST_WORDS);
    this.#server.process.ended.finally(() => clearTimeout(timer));
  }
}

function ending(code: number): string {
  return code > 128 ? `signal ${code - 128}` : `exit code ${code}`;
}
