import type { MountOptions as EngineOptions } from "@bulkhead/ext4";
import type { Served } from "@bulkhead/fuse";
import { type MountImageOptions, mountImage } from "@bulkhead/server/mount";
import type { MountSettings } from "@bulkhead/server/options";
import { CommandError, exitCodeOf, messageOf } from "../command-line/errors.js";
import { ExitCode } from "../command-line/exit-code.js";
import { printable } from "../output/printable.js";
import { openLog } from "./log.js";
import type { MountRequest } from "./request.js";

/** Serves from this process until unmounted or interrupted. */
export async function serveInForeground(request: MountRequest): Promise<number> {
  const log =
    request.logFile === undefined
      ? (message: string) => process.stderr.write(`${printable(message)}\n`)
      : openLog(request.logFile);
  const served = await mount(request, log);
  await served.finished;
  return ExitCode.success;
}

/**
 * Mounts; resolves when the mount answers.
 *
 * @throws CommandError with a line that says what to do
 */
export async function mount(request: MountRequest, log: (message: string) => void): Promise<Served> {
  try {
    return await mountImage({ ...mountImageOptions(request), log });
  } catch (error) {
    const choice = await partitionChoice(request);
    if (choice !== undefined) throw new CommandError(choice);
    throw new CommandError(`cannot mount ${request.source}: ${explain(error)}`, exitCodeOf(error));
  }
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
      noAtime: settings.noAtime,
      strictAtime: settings.strictAtime,
      lazyTime: settings.lazyTime,
      ...(settings.defaultPermissions ? { defaultPermissions: true } : {}),
    },
    debug: settings.debug,
  };
}

function engineOptions(settings: MountSettings): EngineOptions {
  const { superblock, cacheBytes, errors, commitSeconds, data, quota } = settings;
  return {
    loadJournal: !settings.noLoad,
    barrier: settings.barrier,
    asyncCommit: settings.asyncCommit,
    quota: Object.fromEntries((quota ?? []).map((kind) => [kind, true])),
    ...(data === undefined ? {} : { data }),
    ...(commitSeconds === undefined ? {} : { commitInterval: commitSeconds }),
    minixDf: settings.minixDf,
    blockValidity: settings.blockValidity,
    ...(superblock === undefined ? {} : { superblock }),
    ...(cacheBytes === undefined ? {} : { cacheBytes }),
    ...(errors === undefined ? {} : { errors }),
  };
}

function servingOptions(settings: MountSettings): NonNullable<MountImageOptions["serving"]> {
  const { reservedUid, reservedGid } = settings;
  return {
    accessTimes: settings.noAtime ? "noatime" : "relatime",
    directoryAccessTimes: !settings.noDirAtime,
    writebackCache: settings.writebackCache,
    sync: settings.sync,
    dirSync: settings.dirSync,
    ...(reservedUid === undefined ? {} : { reservedUid }),
    ...(reservedGid === undefined ? {} : { reservedGid }),
  };
}

function explain(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  const message = messageOf(error);
  return code === "ENOENT" && message.includes("/dev/fuse") ? `${message}; is FUSE there? (modprobe fuse)` : message;
}

/** Looks at the source again for what the message alone cannot say. */
async function partitionChoice({ source, settings }: MountRequest): Promise<string | undefined> {
  const { partitionChoiceOf } = await import("../source/open-image.js");
  return partitionChoiceOf(source, settings);
}
