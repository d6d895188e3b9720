import { EndingSignals } from "@bulkhead/fuse";
import { close } from "@bulkhead/linux";
import { serverEnvironment, serverProgram } from "@bulkhead/server/contained";
import { lockHolder } from "@bulkhead/server/descriptor";
import { createSurvivalMemory } from "@bulkhead/server/survival";
import { type HeldMount, HelperExit, launchServer, runHelper } from "@bulkhead/service";
import { CommandError } from "../../command-line/errors.js";
import { ExitCode } from "../../command-line/exit-code.js";
import type { Log } from "../log.js";
import type { MountRequest, Serving } from "../request.js";
import { helperArguments, type MountPlan, planMount } from "./arguments.js";
import { KeptMount, type Server, type Successors } from "./kept-mount.js";
import { ServerLines } from "./server-lines.js";
import { ThreadQuestions } from "./thread-questions.js";

/** KiB that the kernel reads ahead: the largest request that FUSE sends with its default limits. */
export const READ_AHEAD_KIB = 1024;
/** Percent of the kernel's cache for written pages that a mount may take: as much as a disk's. */
export const DIRTY_SHARE = 100;
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
    const mount = await mounted(request, planMount(request, log), log);
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
async function mounted(request: MountRequest, plan: MountPlan, log: Log): Promise<KeptMount> {
  const first = await attempt(request, plan, log);
  if (!plan.asDevice || first.server.result.refusal === undefined) return successful(request, first, log);
  first.successors?.close();
  const second = successful(request, await attempt(request, { ...plan, asDevice: false }, log), log);
  log(
    `${request.source}: the kernel does not mount it as a block device: sync and umount do not wait until all is on it`,
  );
  return second;
}

interface Attempt {
  readonly server: Server;
  readonly successors: Successors | undefined;
}

/** Starts the first server of a mount. */
async function attempt(request: MountRequest, plan: MountPlan, log: Log): Promise<Attempt> {
  const args = helperArguments(request, plan);
  // What a kernel that does the file I/O has under way, no other server can know.
  if (request.settings.restarts === 0 || plan.iomap) {
    return { server: await start(request, args, log, {}), successors: undefined };
  }
  const memory = createSurvivalMemory();
  const server = await start(request, args, log, { memory });
  const { held } = server.result;
  return {
    server,
    successors: {
      most: request.settings.restarts,
      start: () => start(request, args, log, { memory, held }),
      close() {
        held?.close();
        close(memory);
      },
    },
  };
}

/** What a server gets besides its arguments. */
interface Inheritance {
  /** Descriptor of the memory that outlives it; with it, what it has otherwise is held for the next one. */
  readonly memory?: number;
  /** What the server before had, with whose mount it goes on. */
  readonly held?: HeldMount | undefined;
}

async function start(
  { source, mountpoint, settings }: MountRequest,
  args: string[],
  log: Log,
  { memory, held }: Inheritance,
): Promise<Server> {
  const server = launchServer({
    command: [process.execPath, serverProgram(), source, mountpoint],
    environment: serverEnvironment,
    stderr: "pipe",
    stream: true,
    ...(memory === undefined ? {} : { memory }),
  });
  if (server.stderr === undefined || server.stream === undefined) throw new Error("a server without its streams");
  const questions = new ThreadQuestions(server.stream, () => server.serverPid);
  const lines = new ServerLines(server.stderr, log, settings.debug ? Number.POSITIVE_INFINITY : undefined);
  const notes: string[] = [];
  const result = await runHelper({
    arguments: args,
    server,
    extensions: true,
    ...(held === undefined
      ? { readAheadKb: READ_AHEAD_KIB, dirtyShare: DIRTY_SHARE, hold: memory !== undefined }
      : { goOn: held }),
    log: (note) => notes.push(note),
  });
  if (result.exitCode !== HelperExit.MOUNTED) await lines.ended;
  return { process: server, lines, questions, result, notes };
}

/** @throws CommandError unless it was mounted */
function successful({ source }: MountRequest, { server, successors }: Attempt, log: Log): KeptMount {
  const { result, lines, notes } = server;
  if (result.mounted !== undefined) return new KeptMount(server, result.mounted, successors, log);
  successors?.close();
  const why = result.refusal?.message ?? lines.reason ?? notes.at(-1) ?? "the server ended without a word";
  // The server sees no other processes.
  const holder = lockHolder(source);
  const said = holder === undefined ? why : why.replace(" is in use:", ` is in use by ${holder}:`);
  const code = result.exitCode === ExitCode.success ? ExitCode.failure : result.exitCode;
  throw new CommandError(`cannot mount ${source}: ${said}`, code);
}
