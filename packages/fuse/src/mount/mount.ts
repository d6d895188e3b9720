import { readlinkSync, realpathSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { close, Errno, LinuxError, UmountFlag, umount } from "@bulkhead/linux";
import { mountAsUser, unmountAsUser } from "./fusermount.js";
import { attach, openDevice } from "./kernel.js";
import { findMount, type MountInfo } from "./mountinfo.js";
import type { MountOptions } from "./options.js";

/** A mount that this process made. */
export interface Mounted {
  /** The attached /dev/fuse descriptor. When its last copy is closed the mount is dead. */
  readonly fd: number;
  /** Absolute, without symbolic links. */
  readonly mountpoint: string;
  /** Its line in mountinfo, from just after mounting. */
  readonly info: MountInfo;
}

const root = () => process.geteuid?.() === 0;

/**
 * Mounts at `mountpoint`, an existing directory (or a file, for a file system whose root is a file): directly for root,
 * through fusermount3 for others. Returns before anything was served; the first request waiting is INIT.
 *
 * @throws {LinuxError} with the call that failed
 */
export function mountFuse(mountpoint: string, options: MountOptions = {}): Mounted {
  const path = realPath(mountpoint, "mount");
  const before = findMount(path);
  let fd: number;
  if (root()) {
    const { mode } = statSync(path);
    fd = mountDevice(path, mode, options) ?? attached(path, mode, options);
  } else {
    fd = mountAsUser(path, options);
  }
  const info = findMount(path);
  if (info === undefined || info.id === before?.id) {
    close(fd);
    throw new LinuxError("mount", 2, `${path} is not in /proc/self/mountinfo after mounting`);
  }
  return { fd, mountpoint: path, info };
}

/** Mounts a block device as such; undefined where that is not possible, and the claim is ours again. */
function mountDevice(path: string, mode: number, options: MountOptions): number | undefined {
  const { device } = options;
  if (device === undefined) return undefined;
  device.release();
  try {
    return attached(path, mode, options, device.path);
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error;
    // No fuseblk in this kernel, or it lets nobody write to a mounted device (CONFIG_BLK_DEV_WRITE_MOUNTED). If somebody else
    // was faster, that is what this says.
    device.take();
    return undefined;
  }
}

function attached(path: string, mode: number, options: MountOptions, device?: string): number {
  const fd = openDevice();
  try {
    attach(fd, path, mode, options, device);
  } catch (error) {
    close(fd);
    throw error;
  }
  return fd;
}

/** Whether the kernel has mounted a block device: unmounting it then waits for its server. */
export function isOnDevice({ type }: MountInfo): boolean {
  return type === "fuseblk" || type.startsWith("fuseblk.");
}

export interface UnmountOptions {
  /** Detach at once even if files are open; the file system lives on until the last is closed. */
  readonly lazy?: boolean;
}

/**
 * Unmounts what is on top at `mountpoint`, dead or alive: the path's last component is not looked at, so that a mount
 * whose server is gone (ENOTCONN) is cleared too.
 *
 * @throws {LinuxError} EBUSY: files are open, and `lazy` was not asked; EINVAL: nothing is mounted there
 */
export function unmount(mountpoint: string, options: UnmountOptions = {}): void {
  const path = resolveMountpoint(mountpoint);
  const lazy = options.lazy ?? false;
  if (root()) umount(path, UmountFlag.NOFOLLOW | (lazy ? UmountFlag.DETACH : 0));
  else unmountAsUser(path, lazy);
}

/** The path as mountinfo has it, found without asking what is mounted there. */
export function resolveMountpoint(mountpoint: string): string {
  let path = mountpoint;
  for (let links = 0; links <= MOST_LINKS; links++) {
    const name = basename(path);
    if (name === "" || name === "." || name === "..") return realPath(path, "umount");
    path = join(realpathSync.native(dirname(path)), name);
    const target = linkTarget(path);
    if (target === undefined) return path;
    // Not tidied up: ".." is the directory above what a link leads to.
    path = target.startsWith("/") ? target : `${dirname(path)}/${target}`;
  }
  throw new LinuxError("umount", Errno.ELOOP, mountpoint);
}

const MOST_LINKS = 40;

/** Of a directory that is mounted on, the kernel knows by itself that it is no symbolic link. */
function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** As realpath(3), for which "" is nothing: Node's takes it for the current directory, and a mount would cover that. */
function realPath(path: string, syscall: string): string {
  if (path === "") throw new LinuxError(syscall, Errno.ENOENT, "an empty path");
  return realpathSync.native(path);
}

/** Whether `mounted` is still what is on top at its mountpoint. */
export function isMounted(mounted: Pick<Mounted, "mountpoint" | "info">): boolean {
  const now = findMount(mounted.mountpoint);
  return now !== undefined && isSame(now, mounted.info);
}

/** Numbers of mounts are given anew. */
export function isSame(one: MountInfo, other: MountInfo): boolean {
  return one.id === other.id && one.minor === other.minor && one.major === other.major;
}

/**
 * Cuts the connection: every request, waiting or to come, fails (ECONNABORTED, ENOTCONN). The mount stays until it is
 * unmounted. Root, or whoever mounted.
 */
export function abortConnection(info: MountInfo): void {
  try {
    writeFileSync(`/sys/fs/fuse/connections/${info.major * 2 ** 20 + info.minor}/abort`, "1");
  } catch (error) {
    // Without fusectl mounted: a forced umount aborts first, and then fails or succeeds as any other.
    if (!root()) throw error;
    try {
      umount(info.mountpoint, UmountFlag.FORCE | UmountFlag.NOFOLLOW);
    } catch (failure) {
      if (!(failure instanceof LinuxError && failure.code === "EBUSY")) throw failure;
    }
  }
}

/**
 * Sets the mount's read-ahead, which decides how large sequential reads become: as root, after INIT was answered.
 * Returns whether it could be set.
 */
export function setReadAhead(info: MountInfo, kilobytes: number): boolean {
  return setBacking(info, "read_ahead_kb", kilobytes);
}

/**
 * Lets up to `bytes` of written pages wait in the kernel's cache, about: as root. FUSE is held to 1 % of what all file systems may take
 * together, and who writes much waits for the server early; without any limit, the server has nothing to do until somebody asks for fsync.
 * Linux before 6.2 knows no limit in bytes: there are the limits of other file systems.
 */
export function setDirtyLimit(info: MountInfo, bytes: number): boolean {
  if (setBacking(info, "max_bytes", bytes)) return setBacking(info, "strict_limit", 1);
  return setBacking(info, "max_ratio", 100) && setBacking(info, "strict_limit", 0);
}

/** A setting of the kernel's cache for a mount. */
function setBacking(info: MountInfo, name: string, value: number): boolean {
  const bdi = `${info.major}:${info.minor}${isOnDevice(info) ? "-fuseblk" : ""}`;
  try {
    writeFileSync(`/sys/class/bdi/${bdi}/${name}`, String(value));
    return true;
  } catch {
    return false;
  }
}
