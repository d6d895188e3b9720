import { stringToName } from "@bulkhead/ext4/names";
import { findMount, resolveMountpoint } from "@bulkhead/fuse";
import { MountFlag, mount } from "@bulkhead/linux";
import { parseCommand } from "@bulkhead/service";
import { CommandError, UsageError } from "../command-line/errors.js";
import { reasonOf } from "../command-line/reason.js";
import { SERVICE_TYPE } from "../mount/request.js";
import type { MountCall } from "./call.js";

/** What mount(8) takes over from the mount table. */
const FROM_TABLE = /^(?:user|group)_id=\d+$/;

/** Changes what of a mount is the kernel's alone: ro and rw, noexec and the like. Its server is not told. */
export function remount({ directory, words }: MountCall): void {
  const mountpoint = resolveMountpoint(directory);
  const type = findMount(mountpoint)?.type;
  if (type?.endsWith(`.${SERVICE_TYPE}`) !== true)
    throw new CommandError(`${directory}: no mount of bulkhead's is there`);
  const { msFlags, options } = parseCommand([SERVICE_TYPE, mountpoint, "-o", words.join(",")].map(stringToName));
  const fixed = options.filter((word) => !FROM_TABLE.test(word));
  if (fixed.length > 0) {
    throw new UsageError(
      `-o ${fixed.join(",")} cannot be changed of what is mounted: unmount ${directory}, and mount it with the new options`,
    );
  }
  try {
    mount("none", mountpoint, "none", msFlags | MountFlag.REMOUNT, "");
  } catch (error) {
    throw new CommandError(`cannot remount ${directory}: ${explain(error)}`);
  }
}

function explain(error: unknown): string {
  const isBusy = (error as NodeJS.ErrnoException | undefined)?.code === "EBUSY";
  return isBusy ? "files in it are open for writing (fuser -vm shows by whom)" : reasonOf(error);
}
