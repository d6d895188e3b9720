import { fork, spawn } from "node:child_process";
import { Errno, LinuxError } from "@bulkhead/linux";
import { isOnDevice, type Mounted, unmount } from "./mount.js";

/**
 * Unmounts, lazily if files are open. Whoever serves must not wait for this in the serving thread.
 *
 * @param graceMs how long what the kernel's cache holds of open files may take to be written
 * @throws {LinuxError} of umount2
 */
export async function detach(
  { mountpoint, info }: Pick<Mounted, "mountpoint" | "info">,
  graceMs: number,
): Promise<void> {
  const away = isOnDevice(info) ? unmountElsewhere : unmount;
  try {
    await away(mountpoint);
  } catch (error) {
    if (!(error instanceof LinuxError && error.code === "EBUSY")) throw error;
    // A lazy unmount writes nothing back, and whoever is served no longer loses what the kernel's cache has for it.
    await writeBack(mountpoint, graceMs);
    await away(mountpoint, { lazy: true });
  }
}

/**
 * Unmounts from a process of its own. The kernel waits there for what the serving thread answers to DESTROY, and nothing
 * interrupts that: if this process were killed meanwhile, it could never end.
 */
function unmountElsewhere(mountpoint: string, { lazy = false } = {}): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = fork(new URL("./unmount-process.js", import.meta.url), [mountpoint, ...(lazy ? ["lazy"] : [])], {
      stdio: "ignore",
      execArgv: [],
      detached: true, // a signal to our group must not reach it
    });
    child.on("error", reject);
    child.on("exit", (code) => {
      if (code === 0) resolve();
      else reject(new LinuxError("umount2", code ?? Errno.EIO, mountpoint));
    });
  });
}

/** Has a process of its own do it, as the serving thread answers the writes; without sync(1), nothing happens. */
function writeBack(mountpoint: string, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const sync = spawn("sync", ["-f", mountpoint], { stdio: "ignore", timeout: graceMs, killSignal: "SIGKILL" });
    sync.on("error", () => resolve());
    sync.on("exit", () => resolve());
  });
}
