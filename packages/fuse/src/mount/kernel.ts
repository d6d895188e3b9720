import { constants } from "node:fs";
import {
  close,
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
  moveMount,
  open,
} from "@bulkhead/linux";
import { fuseOptions, type MountOptions, sourceName } from "./options.js";

/** Opens /dev/fuse: a descriptor that belongs to no mount yet. */
export function openDevice(): number {
  return open("/dev/fuse", constants.O_RDWR);
}

/**
 * The block size of a fuseblk mount, which becomes the device's: a page, as the kernel has it for other FUSE mounts. With less,
 * some kernels (6.17) lose what was written to a part of a page, and it gains nothing: programs see the file system's own.
 */
const DEVICE_BLOCK_SIZE = 4096;

/**
 * Attaches `fd` to a new mount at `mountpoint`, through the mount API, or mount(2) on kernels before 5.2. Takes root, or
 * CAP_SYS_ADMIN in the mount namespace. `mode`: of the mountpoint. `device`: mount this block device, as fuseblk.
 */
export function attach(fd: number, mountpoint: string, mode: number, options: MountOptions, device?: string): void {
  const list: [string, string?][] = [
    ["fd", String(fd)],
    ["rootmode", (mode & constants.S_IFMT).toString(8)],
    ["user_id", String(process.getuid?.() ?? 0)],
    ["group_id", String(process.getgid?.() ?? 0)],
    ...fuseOptions(options),
  ];
  if (options.subtype !== undefined) list.push(["subtype", options.subtype]);
  if (device !== undefined) list.push(["blksize", String(DEVICE_BLOCK_SIZE)]);
  const type = device === undefined ? "fuse" : "fuseblk";
  const source = device ?? sourceName(options);
  let context: number;
  try {
    context = fsopen(type);
  } catch (error) {
    if (!isMissingCall(error)) throw error;
    const data = list.map(([key, value]) => (value === undefined ? key : `${key}=${value}`)).join(",");
    mount(source, mountpoint, type, flags(options, MountFlag), data);
    return;
  }
  try {
    fsconfigString(context, "source", source);
    for (const [key, value] of list) {
      if (value === undefined) fsconfigFlag(context, key);
      else fsconfigString(context, key, value);
    }
    if (options.readOnly) fsconfigFlag(context, "ro");
    if (options.lazyTime) fsconfigFlag(context, "lazytime");
    if (options.rootNode !== undefined) setRootNode(context, options.rootNode);
    if (device === undefined) fsconfigCreate(context);
    else createNew(context);
    const detached = fsmount(context, flags(options, MountAttribute));
    try {
      moveMount(detached, mountpoint);
    } finally {
      close(detached);
    }
  } finally {
    close(context);
  }
}

/** A kernel that does not know the option calls the root 1, which the server hears from its requests. */
function setRootNode(context: number, node: number): void {
  try {
    fsconfigString(context, "root_nodeid", String(node));
  } catch (error) {
    if (!(error instanceof LinuxError && error.code === "EINVAL")) throw error;
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

interface Bits {
  readonly RDONLY: number;
  readonly NOSUID: number;
  readonly NODEV: number;
  readonly NOEXEC: number;
  readonly NOSYMFOLLOW: number;
  readonly NOATIME: number;
  readonly STRICTATIME: number;
}

/** mount(2) and fsmount number these differently. */
function flags(options: MountOptions, bits: Bits): number {
  return (
    (options.readOnly ? bits.RDONLY : 0) |
    (options.noSuid !== false ? bits.NOSUID : 0) |
    (options.noDev !== false ? bits.NODEV : 0) |
    (options.noExec ? bits.NOEXEC : 0) |
    (options.noSymFollow ? bits.NOSYMFOLLOW : 0) |
    (options.noAtime ? bits.NOATIME : options.strictAtime ? bits.STRICTATIME : 0)
  );
}
