import { constants, readFileSync } from "node:fs";
import { findMount, listMounts, type MountInfo } from "@bulkhead/fuse";
import {
  close,
  Errno,
  fsconfigCreate,
  fsconfigCreateNew,
  fsconfigFlag,
  fsconfigString,
  fsmount,
  fsopen,
  isMissingCall,
  LinuxError,
  MountAttribute,
  MountFlag,
  mount,
  moveMountOnto,
  UmountFlag,
  umount,
} from "@bulkhead/linux";
import type { Caller } from "./caller.js";
import { type FuseOption, joinOptions } from "./mount-options.js";
import type { MountPoint } from "./mount-point.js";
import type { MountRequest } from "./session.js";

/** What was mounted, so that it can be looked up and taken back. */
export interface MadeMount {
  /** Its line in mountinfo; undefined if it is gone. Does not touch the mount. */
  info(): MountInfo | undefined;
  /** Detaches it at once. */
  undo(): void;
  /** Lets go of it; the mount stays. */
  release(): void;
}

/** What mounting takes besides the request. */
export interface MountTarget {
  /** The FUSE device. */
  readonly fuse: number;
  readonly subtype: string;
  readonly point: MountPoint;
  readonly caller: Caller;
}

/** ENOPARAM: an option that the file system does not know. */
const ENOPARAM = 519;

/** Mount flags, as attributes of fsmount or as options of the file system. The others say the default. */
const ATTRIBUTES: readonly (readonly [flag: number, attribute: number])[] = [
  [MountFlag.RDONLY, MountAttribute.RDONLY],
  [MountFlag.NOSUID, MountAttribute.NOSUID],
  [MountFlag.NODEV, MountAttribute.NODEV],
  [MountFlag.NOEXEC, MountAttribute.NOEXEC],
  [MountFlag.NOSYMFOLLOW, MountAttribute.NOSYMFOLLOW],
  [MountFlag.NOATIME, MountAttribute.NOATIME],
  [MountFlag.NODIRATIME, MountAttribute.NODIRATIME],
];
const FLAG_OPTIONS: readonly (readonly [flag: number, option: string])[] = [
  [MountFlag.RDONLY, "ro"],
  [MountFlag.SYNCHRONOUS, "sync"],
  [MountFlag.DIRSYNC, "dirsync"],
  [MountFlag.LAZYTIME, "lazytime"],
];

/** Mounts through the mount API, or mount(2) where that, or its `subtype`, is missing. Takes root. */
export function mountByKernel(request: MountRequest, target: MountTarget): MadeMount {
  let context: number;
  try {
    context = fsopen(request.fuseblk ? "fuseblk" : "fuse");
  } catch (error) {
    if (!(error instanceof LinuxError) || error.code === "EMFILE") throw error;
    return mountClassically(request, target);
  }
  try {
    fsconfigString(context, "source", Buffer.from(request.source).toString());
    for (const [key, value] of request.options) {
      if (value === undefined) fsconfigFlag(context, key);
      else fsconfigString(context, key, value);
    }
    for (const [flag, option] of FLAG_OPTIONS) if ((request.msFlags & flag) !== 0) fsconfigFlag(context, option);
    if (!setSubtype(context, target.subtype)) return mountClassically(request, target);
    // The helper's own come last: of two, the kernel takes the latter.
    for (const [key, value] of identityOf(target)) fsconfigString(context, key, value ?? "");
    if (request.fuseblk) createNew(context);
    else fsconfigCreate(context);
    const mounted = fsmount(context, attributes(request.msFlags));
    try {
      const made = heldBy(mounted);
      // Last: what fails before leaves nothing.
      moveMountOnto(mounted, target.point.fd);
      return made;
    } catch (error) {
      close(mounted);
      throw error;
    }
  } finally {
    close(context);
  }
}

/** What the helper alone says: whose the mount is, and what serves it. */
function identityOf({ fuse, point, caller }: MountTarget): FuseOption[] {
  return [
    ["fd", String(fuse)],
    ["rootmode", (point.stat.mode & constants.S_IFMT).toString(8)],
    ["user_id", String(caller.uid)],
    ["group_id", String(caller.gid)],
  ];
}

function setSubtype(context: number, subtype: string): boolean {
  try {
    fsconfigString(context, "subtype", subtype);
    return true;
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error;
    const refusals: readonly number[] = [ENOPARAM, Errno.EINVAL, Errno.EOPNOTSUPP];
    if (refusals.includes(error.errno)) return false;
    throw error;
  }
}

/** A device that is mounted already would be mounted once more, and the server of that mount would serve this one, too. */
function createNew(context: number): void {
  try {
    fsconfigCreateNew(context);
  } catch (error) {
    if (!(isMissingCall(error) || (error instanceof LinuxError && error.code === "EINVAL"))) throw error;
    fsconfigCreate(context);
  }
}

function attributes(msFlags: number): number {
  // Of the ways to keep access times the kernel takes one, and relatime is the default.
  const exclusive = (msFlags & (MountFlag.NOATIME | MountFlag.RELATIME)) === 0;
  const strict = exclusive && (msFlags & MountFlag.STRICTATIME) !== 0 ? MountAttribute.STRICTATIME : 0;
  return ATTRIBUTES.reduce((bits, [flag, bit]) => ((msFlags & flag) !== 0 ? bits | bit : bits), strict);
}

/**
 * Detaches a mount, and cuts its connection first: a server that answers nothing cannot hold up whoever waits for it, which with a
 * block device would be us.
 */
const CUT_OFF = UmountFlag.FORCE | UmountFlag.DETACH;

/** A mount by its own descriptor: that leads to its root, wherever it is attached. */
function heldBy(fd: number): MadeMount {
  const id = Number(/^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"))?.[1] ?? -1);
  return {
    info: () => listMounts().find((line) => line.id === id),
    undo: () => umount(`/proc/self/fd/${fd}`, CUT_OFF),
    release: () => close(fd),
  };
}

/** Mounts through mount(2), for kernels without the mount API. */
export function mountClassically(request: MountRequest, target: MountTarget): MadeMount {
  const { point, subtype } = target;
  const type = `${request.fuseblk ? "fuseblk" : "fuse"}.${subtype}`;
  // ro, sync and dirsync are flags here.
  mount(request.source, point.link, type, request.msFlags, joinOptions([...request.options, ...identityOf(target)]));
  return topmostAt(point.path);
}

/** A mount that was just made at `path`, told apart from later ones by its id. */
export function topmostAt(path: string, detach: (path: string) => void = detachPath): MadeMount {
  const id = findMount(path)?.id;
  const info = () => listMounts().find((line) => line.id === id && line.mountpoint === path);
  return {
    info,
    undo() {
      if (findMount(path)?.id === id) detach(path);
    },
    release() {},
  };
}

function detachPath(path: string): void {
  umount(path, CUT_OFF | UmountFlag.NOFOLLOW);
}
