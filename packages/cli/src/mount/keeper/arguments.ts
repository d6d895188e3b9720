import { stringToName } from "@bulkhead/ext4/names";
import { isWritable, mountsAsDevice, refuseByOtherName, type SourceOptions } from "@bulkhead/server/descriptor";
import { usesIomap } from "@bulkhead/server/kernel-iomap";
import type { MountSettings } from "@bulkhead/server/options";
import type { Log } from "../log.js";
import { type MountRequest, SERVICE_TYPE } from "../request.js";

/** What follows from looking at a source from outside, before anybody reads it. */
export interface MountPlan {
  readonly writable: boolean;
  /** The kernel does the file I/O. */
  readonly iomap: boolean;
  /** The kernel mounts the block device as its own. */
  readonly asDevice: boolean;
}

/** Words that are said anew, as what they come to. */
const DECIDED = /^(?:ro|rw|journal_path=.*|iomap(?:=.*)?)$/;

/** The mount helper's arguments for a mount. */
export function helperArguments(
  { source, mountpoint, settings, options, service }: MountRequest,
  { writable, iomap, asDevice }: MountPlan,
): Uint8Array[] {
  const { journalPath } = settings;
  const words = [
    ...options.flatMap((list) => list.split(",")).filter((word) => word !== "" && !DECIDED.test(word)),
    writable ? "rw" : "ro",
    ...(iomap ? [] : ["iomap=0"]),
    ...(iomap && settings.iomap === "required" ? ["iomap=1"] : []),
    ...(journalPath === undefined ? [] : [`journal_path=${journalPath}`]),
    ...(asDevice ? ["blkdev"] : []),
  ];
  // A word each, with what means something in lists escaped: whatever is in it stays in it.
  const list = words.flatMap((word) => ["-o", word.replace(/[\\,]/g, "\\$&")]);
  const noTable = service?.noTable === true ? ["-n"] : [];
  return [source, mountpoint, "-t", SERVICE_TYPE, ...list, ...noTable].map(stringToName);
}

/** @throws SourceError where what was asked for cannot be */
export function planMount({ source, settings }: MountRequest, log: Log): MountPlan {
  const where = sourceOptions(source, settings);
  const writable = isWritable(where, settings.access, log);
  refuseByOtherName(source, writable);
  // An image file gets a loop device where iomap=1 insists, and root mounts.
  const looped = settings.iomap === "required" && process.geteuid?.() === 0;
  const candidate = { source: where, data: settings.data, ...(looped ? { blockDevice: true } : {}) };
  const iomap = usesIomap(settings, candidate);
  // The kernel that does the file I/O waits for the server anyway.
  return { writable, iomap, asDevice: !iomap && mountsAsDevice(where, writable) };
}

function sourceOptions(path: string, { offset, partition }: MountSettings): SourceOptions {
  return {
    path,
    ...(offset === undefined ? {} : { offset }),
    ...(partition === undefined ? {} : { partition }),
  };
}
