import type { GivenArguments } from "../command-line/declaration.js";
import { CommandError } from "../command-line/errors.js";
import { ExitCode } from "../command-line/exit-code.js";
import { reasonOf } from "../command-line/reason.js";

export async function run(given: GivenArguments): Promise<number> {
  const mountpoint = given.positionals[0]!;
  const { findMount, resolveMountpoint, unmount } = await import("@bulkhead/fuse");
  try {
    if (findMount(resolveMountpoint(mountpoint)) === undefined) throw new CommandError("nothing is mounted there");
    unmount(mountpoint, { lazy: given.flag("lazy") });
  } catch (error) {
    throw new CommandError(`cannot unmount ${mountpoint}: ${explain(error)}`);
  }
  return ExitCode.success;
}

function explain(error: unknown): string {
  switch ((error as NodeJS.ErrnoException | undefined)?.code) {
    case "EBUSY":
      return "files in it are in use (fuser -vm shows by whom); --lazy detaches it all the same";
    case "EPERM":
      return "only root and the user who mounted it may";
    default:
      return reasonOf(error);
  }
}
