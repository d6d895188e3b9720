import { stringToName } from "@bulkhead/ext4/names";
import { findMount, resolveMountpoint } from "@bulkhead/fuse";
import { MountFlag, mount } from "@bulkhead/linux";
import { parseMountOptions } from "@bulkhead/server/options";
import { parseCommand } from "@bulkhead/service";
import { CommandError } from "../command-line/errors.js";
import { reasonOf } from "../command-line/reason.js";
import { SERVICE_TYPE } from "../mount/request.js";
import { printable } from "../output/printable.js";
import type { MountCall } from "./call.js";

/** What mount(8) takes over from the mount table. */
const FROM_TABLE = /^(?:user|group)_id=\d+$/;

/**
 * Changes what of a mount is the kernel's alone: ro and rw, noexec and the like. Its server is not told.
 *
 * @throws UsageError for an option that is none; CommandError
 */
export function remount({ directory, words }: MountCall): void {
  const mountpoint = resolveMountpoint(directory);
  const type = findMount(mountpoint)?.type;
  if (type?.endsWith(`.${SERVICE_TYPE}`) !== true)
    throw new CommandError(`${directory}: no mount of bulkhead's is there`);
  const { msFlags, options } = parseCommand([SERVICE_TYPE, mountpoint, "-o", words.join(",")].map(stringToName));
  const servers = options.filter((word) => !FROM_TABLE.test(word));
  parseMountOptions(servers);
  // Not refused: mount(8) adds what fstab(5) has, whatever is to change.
  if (servers.length > 0) {
    process.stderr.write(
      `mount.bulkhead: ${printable(`-o ${servers.join(",")}`)} is as it was mounted, and changes only when ${printable(directory)} is unmounted and mounted again\n`,
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
