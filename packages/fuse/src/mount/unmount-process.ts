/** Entry of a process that unmounts: `unmount-process.js MOUNTPOINT [lazy]`. Its exit code is the errno. */
import { Errno, LinuxError } from "@bulkhead/linux";
import { unmount } from "./mount.js";

const [mountpoint = "", lazy] = process.argv.slice(2);
try {
  unmount(mountpoint, { lazy: lazy === "lazy" });
} catch (error) {
  process.exitCode = error instanceof LinuxError ? error.errno : Errno.EIO;
}
process.disconnect?.();
