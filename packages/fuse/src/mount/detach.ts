import { fork, spawn } from "node:child_process";
import { Errno, LinuxError } from "@bulkhead/linux";
import { isOnDevice, isSame, type Mounted, unmount } from "./mount.js";
import { findMount, listMounts } from "./mountinfo.js";

/**
 * Unmounts wherever the mount is by now, lazily if files are open; does nothing when it is not mounted any more. Whoever serves must not wait
 * for this in the serving thread.
 *
 * @param graceMs how long what the kernel's cache holds may take to be written before
 * @throws {LinuxError} of umount2; an Error when something else is mounted on top
 */
export async function detach({ info }: Pick<Mounted, "info">, graceMs: number): Promise<void> {
  // A directory above it may have another name by now.
  const mountpoint = listMounts().find((mount) => isSame(mount, info))?.mountpoint;
  if (mountpoint === undefined) return;
  if (findMount(mountpoint)?.id !== info.id)
    throw new Error(`something else is mounted on ${mountpoint}: unmount that first`);
  // Unmounting writes nothing back where it is lazy, or where others have the mount (bound elsewhere, or in a mount namespace of their own);
  // and they lose what the kernel's cache has for them when they are served no longer.
  await writeBack(mountpoint, graceMs);
  const away = isOnDevice(info) ? unmountElsewhere : unmount;
  try {
    await away(mountpoint);
  } catch (error) {
    if (!(error instanceof LinuxError && error.code === "EBUSY")) throw error;
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
    const timeout = Math.max(1, graceMs); // 0 is for ever
    const sync = spawn("sync", ["-f", mountpoint], { stdio: "ignore", timeout, killSignal: "SIGKILL" });
    sync.on("error", () => resolve());
    sync.on("exit", () => resolve());
  });
}
