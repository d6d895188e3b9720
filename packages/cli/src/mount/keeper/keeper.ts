import { EndingSignals } from "@bulkhead/fuse";
import { close } from "@bulkhead/linux";
import { lockHolder } from "@bulkhead/server/descriptor";
import { type HeldMount, HelperExit, runHelper } from "@bulkhead/service/helper";
import type { LaunchedServer } from "@bulkhead/service/launcher";
import { CommandError } from "../../command-line/errors.js";
import { ExitCode } from "../../command-line/exit-code.js";
import type { Log } from "../log.js";
import type { MountRequest, Serving } from "../request.js";
import { helperArguments, type MountPlan, planMount } from "./arguments.js";
import { KeptMount, type Server, type Successors } from "./kept-mount.js";
import { dismiss, startFirst, startServer, type WaitingServer } from "./launch.js";
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
 * @param waiting the server, started with `startFirst`
 * @throws CommandError with a line that says what to do
 */
export async function keepMount(request: MountRequest, waiting: WaitingServer, log: Log): Promise<Serving> {
  // Caught from before there is a mount: one that came in between would leave it behind.
  const signals = new EndingSignals();
  try {
    const mount = await mounted(request, planned(request, waiting, log), log);
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

interface Planned {
  readonly plan: MountPlan;
  readonly waiting: WaitingServer;
}

/** Looks at the source from outside. The server that waits goes on, unless it has to be started in another way. */
function planned(request: MountRequest, waiting: WaitingServer, log: Log): Planned {
  let plan: MountPlan;
  try {
    plan = planMount(request, log);
  } catch (error) {
    dismiss(waiting);
    throw error;
  }
  // What a kernel that does the file I/O has under way, no other server can know.
  if (!plan.iomap || waiting.memory === undefined) return { plan, waiting };
  dismiss(waiting);
  return { plan, waiting: startFirst(request, false) };
}

/** Has a server mounted. Where the kernel does not mount the device as its own, it is a plain mount. */
async function mounted(request: MountRequest, { plan, waiting }: Planned, log: Log): Promise<KeptMount> {
  const first = await attempt(request, plan, waiting, log);
  if (!plan.asDevice || first.server.result.refusal === undefined) return successful(request, first, log);
  first.successors?.close();
  const second = successful(
    request,
    await attempt(request, { ...plan, asDevice: false }, startFirst(request), log),
    log,
  );
  log(
    `${request.source}: the kernel does not mount it as a block device: sync and umount do not wait until all is on it`,
  );
  return second;
}

interface Attempt {
  readonly server: Server;
  readonly successors: Successors | undefined;
}

/** Speaks with the first server of a mount. */
async function attempt(request: MountRequest, plan: MountPlan, waiting: WaitingServer, log: Log): Promise<Attempt> {
  const args = helperArguments(request, plan);
  const { process, memory } = waiting;
  const server = await converse(request, args, process, log, { hold: memory !== undefined });
  if (memory === undefined) return { server, successors: undefined };
  const { held } = server.result;
  return {
    server,
    successors: {
      most: request.settings.restarts,
      start: () => converse(request, args, startServer(request, memory), log, { goOn: held }),
      close() {
        held?.close();
        close(memory);
      },
    },
  };
}

/** Whether what the server gets is held for the next one, or what the one before had, with whose mount it goes on. */
type Inheritance = { readonly hold: boolean } | { readonly goOn: HeldMount | undefined };

async function converse(
  { settings }: MountRequest,
  args: string[],
  server: LaunchedServer,
  log: Log,
  inheritance: Inheritance,
): Promise<Server> {
  if (server.stderr === undefined || server.stream === undefined) throw new Error("a server without its streams");
  const questions = new ThreadQuestions(server.stream, () => server.serverPid);
  const lines = new ServerLines(server.stderr, log, settings.debug ? Number.POSITIVE_INFINITY : undefined);
  const notes: string[] = [];
  const result = await runHelper({
    arguments: args,
    server,
    extensions: true,
    ...("hold" in inheritance || inheritance.goOn === undefined
      ? { readAheadKb: READ_AHEAD_KIB, dirtyShare: DIRTY_SHARE, hold: "hold" in inheritance && inheritance.hold }
      : { goOn: inheritance.goOn }),
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
