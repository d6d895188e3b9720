import { Errno, errnoName, ioctl, LinuxError } from "@bulkhead/linux";
import { BackingType, DeviceIoctl } from "../protocol/flags.js";
import { FuseBackingMap } from "../protocol/structs.js";

/** What to do about it, by what the kernel says. */
const ADVICE: Readonly<Record<string, string>> = {
  EPERM:
    "passthrough is not in effect (INIT must agree on PASSTHROUGH with maxStackDepth 1 or 2; Linux 6.9), or CAP_SYS_ADMIN is missing",
  EBADF: "it is not open",
  EINVAL: "only regular files can back others",
  EISDIR: "only regular files can back others",
  ELOOP: "its file system is stacked on too many others: maxStackDepth 2 allows one, and no mount allows more",
  ENOTTY: "this kernel has no backing files (Linux 6.9), or the descriptor is none of /dev/fuse",
  ENOENT: "there is no such backing file: was it closed before?",
};

function failure(call: string, error: unknown, subject: string): unknown {
  if (!(error instanceof LinuxError)) return error;
  const advice = ADVICE[errnoName(error.errno)];
  return new LinuxError(call, error.errno, advice === undefined ? subject : `${subject} (${advice})`);
}

/**
 * Makes the open file `file` known to the kernel as a backing file of the connection that `device`, an attached /dev/fuse
 * descriptor, serves. Returns its id, ≥ 1. `file` may be an O_PATH descriptor, and may be closed afterwards: the kernel
 * opens it anew for every open of the mount's file, with that open's flags and the credentials of the caller of this.
 *
 * @throws {LinuxError} EPERM, EBADF, EINVAL, EISDIR, ELOOP, ENOTTY, each with what to do
 */
export function openBacking(device: number, file: number, type: number = BackingType.PASSTHROUGH): number {
  const map = new Uint8Array(FuseBackingMap.size);
  const view = FuseBackingMap.view(new DataView(map.buffer), 0);
  view.fd = file;
  view.flags = type;
  try {
    return ioctl(device, DeviceIoctl.BACKING_OPEN, map);
  } catch (error) {
    throw failure("FUSE_DEV_IOC_BACKING_OPEN", error, `of descriptor ${file}`);
  }
}

/**
 * Takes back an id; files that are open through it keep the backing file alive, new opens cannot name it.
 *
 * @throws {LinuxError} EPERM, EINVAL (id ≤ 0), ENOENT
 */
export function closeBacking(device: number, id: number): void {
  const argument = new Uint8Array(4);
  new DataView(argument.buffer).setInt32(0, id, true);
  try {
    ioctl(device, DeviceIoctl.BACKING_CLOSE, argument);
  } catch (error) {
    if (error instanceof LinuxError && error.errno === Errno.EINVAL) {
      throw new LinuxError("FUSE_DEV_IOC_BACKING_CLOSE", error.errno, `of id ${id} (ids are ≥ 1)`);
    }
    throw failure("FUSE_DEV_IOC_BACKING_CLOSE", error, `of id ${id}`);
  }
}
