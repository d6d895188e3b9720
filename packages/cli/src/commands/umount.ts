import type { MountInfo } from "@bulkhead/fuse";
import type { GivenArguments } from "../command-line/declaration.js";
import { CommandError } from "../command-line/errors.js";
import { ExitCode } from "../command-line/exit-code.js";
import { reasonOf } from "../command-line/reason.js";

export async function run(given: GivenArguments): Promise<number> {
  const mountpoint = given.positionals[0]!;
  const { findMount, isFuse, listMounts, resolveMountpoint, unmount } = await import("@bulkhead/fuse");
  const lazy = given.flag("lazy");
  let mount: MountInfo | undefined;
  try {
    mount = findMount(resolveMountpoint(mountpoint));
    if (mount === undefined) throw new CommandError("nothing is mounted there");
    if (!isFuse(mount)) {
      throw new CommandError(`what is mounted there is the kernel's own (${mount.type}); umount(8) unmounts it`);
    }
    unmount(mountpoint, { lazy });
  } catch (error) {
    throw new CommandError(`cannot unmount ${mountpoint}: ${explain(error)}`);
  }
  if (lazy) return ExitCode.success;
  const { source, major, minor } = mount;
  const other = listMounts().find((one) => one.major === major && one.minor === minor);
  if (other !== undefined) {
    throw new CommandError(`${mountpoint} is unmounted, but ${source} is still mounted at ${other.mountpoint}`);
  }
  const { released } = await import("../mount/released.js");
  if (await released(source)) return ExitCode.success;
  throw new CommandError(
    `${mountpoint} is unmounted, but its server has not finished with ${source}: it may be mounted in another mount namespace`,
  );
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
