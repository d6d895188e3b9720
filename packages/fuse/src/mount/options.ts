import { Errno, LinuxError } from "@bulkhead/linux";

/** How to mount. Unset: the kernel's own default, unless it says otherwise. */
export interface MountOptions {
  /** What `mount` and `df` show as the source; default the subtype, or `fuse`. */
  readonly fsname?: string;
  /** What they show as the type, after `fuse.`. */
  readonly subtype?: string;
  /** Let other users than the one who mounts in. */
  readonly allowOther?: boolean;
  /** Let the kernel check permissions by mode, owner and ACL. */
  readonly defaultPermissions?: boolean;
  readonly readOnly?: boolean;
  /** Ignore set-user-id bits; default true. Only root may say false. */
  readonly noSuid?: boolean;
  /** Make device nodes unusable; default true. Only root may say false. */
  readonly noDev?: boolean;
  readonly noExec?: boolean;
  /** Follow no symbolic links; Linux 5.14, where fsmount(2) knows it. Takes root. */
  readonly noSymFollow?: boolean;
  readonly noAtime?: boolean;
  /** Note every read. The kernel does that only for files whose I/O it does itself (iomap). */
  readonly strictAtime?: boolean;
  /** Write times late; the same. */
  readonly lazyTime?: boolean;
  /** The root's nodeid, for kernels that let it be another than 1 (those with iomap). */
  readonly rootNode?: number;
  /** Largest READ in bytes, ≥ 4096. */
  readonly maxRead?: number;
  /** The file system is on this block device, and root mounts it as such: see {@link DeviceClaim}. */
  readonly device?: DeviceClaim;
}

/**
 * Exclusive use of a block device (O_EXCL). The kernel takes it over where it mounts the device as `fuseblk`, and keeps it until
 * the mount is gone, whatever becomes of the server. Then umount(2) waits for the answer to DESTROY, and sync(2) for SYNCFS.
 */
export interface DeviceClaim {
  /** Absolute. */
  readonly path: string;
  /** Lets go, for the kernel to take it. */
  release(): void;
  /** Takes it back. @throws when somebody else has it by now */
  take(): void;
}

/** What every way of mounting passes to the kernel's FUSE, as `key=value` or a bare `key`. */
export function fuseOptions(options: MountOptions): [key: string, value?: string][] {
  const list: [string, string?][] = [];
  if (options.defaultPermissions) list.push(["default_permissions"]);
  if (options.allowOther) list.push(["allow_other"]);
  if (options.maxRead !== undefined) list.push(["max_read", String(options.maxRead)]);
  return list;
}

export function sourceName(options: MountOptions): string {
  return options.fsname ?? options.subtype ?? "fuse";
}

/** One option of a comma-separated list; commas and backslashes inside are escaped, as fusermount3 reads them. */
export function escapeOption(text: string): string {
  if (text.includes("\0")) throw new LinuxError("mount", Errno.EINVAL, text);
  return text.replace(/[\\,]/g, "\\$&");
}
