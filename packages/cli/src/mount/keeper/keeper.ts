import { EndingSignals } from "@bulkhead/fuse";
import { close } from "@bulkhead/linux";
import { KERNEL_CACHE } from "@bulkhead/server/contained";
import { lockHolder } from "@bulkhead/server/descriptor";
import { createSurvivalMemory } from "@bulkhead/server/survival/memory-file";
import { CommandError } from "../../command-line/errors.js";
import { ExitCode } from "../../command-line/exit-code.js";
import { explain } from "../explain.js";
import type { Log } from "../log.js";
import type { MountRequest, Serving } from "../request.js";
import { helperArguments, type MountPlan, planMount } from "./arguments.js";
import { type Belongings, KeptMount, letGo } from "./kept-mount.js";
import { dismiss, startServer, type WaitingServer } from "./launch.js";
import { type Server, speakWith } from "./server.js";

/**
 * Mounts with a contained server, and stays for the mount's life: it alone has privileges, and never looks at what is on the source.
 * Resolves when the mount answers.
 *
 * @param first the first server, started with `startServer`
 * @throws CommandError with a line that says what to do
 */
export async function keepMount(request: MountRequest, first: WaitingServer, log: Log): Promise<Serving> {
  // Caught from before there is a mount: one that came in between would leave it behind.
  const signals = new EndingSignals();
  try {
    const mount = await mounted(
      request,
      orDismissed(first, () => planMount(request, log)),
      first,
      log,
    );
    // A server that does without a keeper has none.
    if (mount === undefined) return { finished: Promise.resolve() };
    await mount.answers();
    signals.deliverTo(() => mount.interrupt());
    const finished = mount.finished.finally(() => signals.release());
    return { finished };
  } catch (error) {
    signals.release();
    throw error;
  }
}

/** What comes before a server is spoken to: without it, nobody waits for that. */
function orDismissed<T>(waiting: WaitingServer, work: () => T): T {
  try {
    return work();
  } catch (error) {
    dismiss(waiting);
    throw error;
  }
}

/** Has a server mounted. Where the kernel does not mount the device as its own, it is a plain mount. */
async function mounted(
  request: MountRequest,
  plan: MountPlan,
  first: WaitingServer,
  log: Log,
): Promise<KeptMount | undefined> {
  const asPlanned = await attempt(request, plan, first, log);
  if (!plan.asDevice || asPlanned.server.result.refusal === undefined) return successful(request, asPlanned, log);
  letGo(asPlanned);
  const again = await attempt(request, { ...plan, asDevice: false }, startServer(request, log), log);
  const second = successful(request, again, log);
  log(
    `${request.source}: the kernel does not mount it as a block device: sync and umount do not wait until all is on it`,
  );
  return second;
}

interface Attempt extends Belongings {
  readonly server: Server;
}

/** Speaks with the first server of a mount. */
async function attempt(request: MountRequest, plan: MountPlan, waiting: WaitingServer, log: Log): Promise<Attempt> {
  const args = helperArguments(request, plan);
  // What a kernel that does the file I/O has under way, no other server can know.
  const outlives = request.settings.restarts > 0 && !plan.iomap;
  const memory = outlives ? orDismissed(waiting, createSurvivalMemory) : undefined;
  const first = { arguments: args, memory, ...KERNEL_CACHE, hold: true };
  let server: Server;
  try {
    server = await speakWith(waiting, first);
  } catch (error) {
    if (memory !== undefined) close(memory);
    throw error;
  }
  const { held } = server.result;
  if (memory === undefined) return { server, held, successors: undefined };
  return {
    server,
    held,
    successors: {
      most: request.settings.restarts,
      start() {
        if (held === undefined) throw new Error("nothing is held for another server");
        const next = { arguments: args, memory, goOn: held };
        return speakWith(startServer(request, log), next);
      },
      close: () => close(memory),
    },
  };
}

/** Undefined: it is mounted, by a server that takes no keeper. @throws CommandError unless it was mounted */
function successful({ source }: MountRequest, attempted: Attempt, log: Log): KeptMount | undefined {
  const { server } = attempted;
  const { result, notes, reason } = server;
  if (result.mounted !== undefined && result.isKept) return new KeptMount(server, result.mounted, attempted, log);
  letGo(attempted);
  if (result.mounted !== undefined) return undefined;
  const why =
    (result.refusal && explain(result.refusal)) ?? reason ?? notes.at(-1) ?? "the server ended without a word";
  // The server sees no other processes.
  const holder = lockHolder(source);
  const said = holder === undefined ? why : why.replace(" is in use:", ` is in use by ${holder}:`);
  const code = result.exitCode === ExitCode.success ? ExitCode.failure : result.exitCode;
  throw new CommandError(`cannot mount ${source}: ${said}`, code);
}
