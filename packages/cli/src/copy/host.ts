import * as fs from "node:fs";
import type { Timestamp } from "@bulkhead/ext4";
import type { HostPath } from "./destination.js";

/** What the host can set on a file beyond its contents. None of these follows a symbolic link. */
export interface Host {
  setOwner(path: HostPath, uid: number, gid: number): void;
  setTimes(path: HostPath, atime: Timestamp, mtime: Timestamp): void;
  setXattr(path: HostPath, name: Uint8Array, value: Uint8Array): void;
  /** Fails with ENODATA where there is none. */
  removeXattr(path: HostPath, name: string): void;
  hasXattr(path: HostPath, name: string): boolean;
  /** @param mode with the type of a device, fifo or socket */
  makeNode(path: HostPath, mode: number, device: { readonly major: number; readonly minor: number }): void;
}

/** The host that we run on; system calls that Node lacks are Linux's. */
export async function openHost(): Promise<Host> {
  return process.platform === "linux" ? linuxHost() : portableHost;
}

async function linuxHost(): Promise<Host> {
  const { lchown, lgetxattr, lremovexattr, lsetxattr, lutimens, makedev, mknod } = await import("@bulkhead/linux");
  return {
    setOwner: lchown,
    setTimes: lutimens,
    setXattr: lsetxattr,
    removeXattr: lremovexattr,
    hasXattr(path, name) {
      try {
        return lgetxattr(path, name) !== undefined;
      } catch {
        return false;
      }
    },
    makeNode: (path, mode, { major, minor }) => mknod(path, mode, makedev(major, minor)),
  };
}

function unsupported(): never {
  throw Object.assign(new Error("this system cannot"), { code: "EOPNOTSUPP" });
}

const portableHost: Host = {
  setOwner: (path, uid, gid) => fs.lchownSync(path, uid, gid),
  setTimes: (path, atime, mtime) => fs.lutimesSync(path, secondsOf(atime), secondsOf(mtime)),
  setXattr: unsupported,
  removeXattr: unsupported,
  hasXattr: () => false,
  makeNode: unsupported,
};

function secondsOf({ seconds, nanoseconds }: Timestamp): number {
  return seconds + nanoseconds / 1e9;
}
