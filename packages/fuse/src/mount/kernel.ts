import { constants } from "node:fs";
import {
  close,
  fsconfigCreate,
  fsconfigFlag,
  fsconfigString,
  fsmount,
  fsopen,
  isMissingCall,
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
 * Attaches `fd` to a new mount at `mountpoint`, through the mount API, or mount(2) on kernels before 5.2. Takes root, or
 * CAP_SYS_ADMIN in the mount namespace. `mode`: of the mountpoint.
 */
export function attach(fd: number, mountpoint: string, mode: number, options: MountOptions): void {
  const list: [string, string?][] = [
    ["fd", String(fd)],
    ["rootmode", (mode & constants.S_IFMT).toString(8)],
    ["user_id", String(process.getuid?.() ?? 0)],
    ["group_id", String(process.getgid?.() ?? 0)],
    ...fuseOptions(options),
  ];
  if (options.subtype !== undefined) list.push(["subtype", options.subtype]);
  let context: number;
  try {
    context = fsopen("fuse");
  } catch (error) {
    if (!isMissingCall(error)) throw error;
    const data = list.map(([key, value]) => (value === undefined ? key : `${key}=${value}`)).join(",");
    mount(sourceName(options), mountpoint, "fuse", flags(options, MountFlag), data);
    return;
  }
  try {
    fsconfigString(context, "source", sourceName(options));
    for (const [key, value] of list) {
      if (value === undefined) fsconfigFlag(context, key);
      else fsconfigString(context, key, value);
    }
    if (options.readOnly) fsconfigFlag(context, "ro");
    fsconfigCreate(context);
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

interface Bits {
  readonly RDONLY: number;
  readonly NOSUID: number;
  readonly NODEV: number;
  readonly NOEXEC: number;
  readonly NOATIME: number;
}

/** mount(2) and fsmount number these differently. */
function flags(options: MountOptions, bits: Bits): number {
  return (
    (options.readOnly ? bits.RDONLY : 0) |
    (options.noSuid !== false ? bits.NOSUID : 0) |
    (options.noDev !== false ? bits.NODEV : 0) |
    (options.noExec ? bits.NOEXEC : 0) |
    (options.noAtime ? bits.NOATIME : 0)
  );
}
