/** What mount options mean for the engine and for serving. */
import type { MountOptions as EngineOptions } from "@bulkhead/ext4";
import type { ServerOptions } from "../server-options.js";
import type { MountSettings } from "./settings.js";

export function engineOptions(settings: MountSettings): EngineOptions {
  const { superblock, cacheBytes, directoryGroups, errors, commitSeconds, data, quota } = settings;
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
    ...(directoryGroups === undefined ? {} : { directoryGroups }),
    ...(cacheBytes === undefined ? {} : { cacheBytes }),
    ...(errors === undefined ? {} : { errors }),
  };
}

/** What is plain data of it. */
export function servingOptions(
  settings: MountSettings,
): Omit<ServerOptions, "onChange" | "expire" | "after" | "iomap"> {
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

/**
 * Whether permissions count: where others come in. Whoever has the image for himself may do everything that is in it, root as well;
 * and a kernel that checks permissions asks for a directory's attributes again after each name that is made or taken away in it.
 */
export function checksPermissions(settings: Pick<MountSettings, "defaultPermissions" | "allowOther">): boolean {
  return settings.defaultPermissions || settings.allowOther;
}
