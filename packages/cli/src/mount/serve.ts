import type { MountImageOptions } from "@bulkhead/server/mount";
import { optimiseSooner } from "@bulkhead/server/node-options";
import { engineOptions, servingOptions } from "@bulkhead/server/options/apply";
import { CommandError, exitCodeOf } from "../command-line/errors.js";
import { ExitCode } from "../command-line/exit-code.js";
import { complain } from "../output/output.js";
import { printable } from "../output/printable.js";
import { explain } from "./explain.js";
import { openLog } from "./log.js";
import type { MountRequest, Serving } from "./request.js";

/** Serves from this process until unmounted or interrupted. */
export async function serveInForeground(request: MountRequest): Promise<number> {
  const log =
    request.logFile === undefined ? (message: string) => complain(`${printable(message)}\n`) : openLog(request.logFile);
  const served = await mount(request, log);
  await served.finished;
  return ExitCode.success;
}

/**
 * Mounts; resolves when the mount answers.
 *
 * @throws CommandError with a line that says what to do
 */
export async function mount(request: MountRequest, log: (message: string) => void): Promise<Serving> {
  try {
    if (request.uncontained) return await mountHere(request, log);
    // The server starts while the rest of the keeper loads.
    const { startServer } = await import("./keeper/launch.js");
    const first = startServer(request, log);
    const { keepMount } = await import("./keeper/keeper.js");
    return await keepMount(request, first, log);
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(`cannot mount ${request.source}: ${explain(error)}`, exitCodeOf(error));
  }
}

/** Serves from this process, which looks at the file system itself. */
async function mountHere(request: MountRequest, log: (message: string) => void): Promise<Serving> {
  const { mountImage } = await import("@bulkhead/server/mount");
  const served = await mountImage({ ...mountImageOptions(request), log });
  optimiseSooner();
  return served;
}

function mountImageOptions({ source, mountpoint, settings }: MountRequest): MountImageOptions {
  const { offset, partition, access, journalPath } = settings;
  return {
    source: {
      path: source,
      ...(offset === undefined ? {} : { offset }),
      ...(partition === undefined ? {} : { partition }),
    },
    ...(journalPath === undefined ? {} : { journal: { path: journalPath } }),
    mountpoint,
    access,
    engine: engineOptions(settings),
    serving: servingOptions(settings),
    discard: settings.discard,
    iomap: settings.iomap,
    cacheMappings: settings.iomapCache,
    kernel: {
      allowOther: settings.allowOther,
      noSuid: settings.noSuid,
      noDev: settings.noDev,
      noExec: settings.noExec,
      noSymFollow: settings.noSymFollow,
      noAtime: settings.noAtime,
      strictAtime: settings.strictAtime,
      lazyTime: settings.lazyTime,
      ...(settings.defaultPermissions ? { defaultPermissions: true } : {}),
    },
    debug: settings.debug,
  };
}
