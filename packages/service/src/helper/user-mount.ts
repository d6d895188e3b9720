import { mountFuse, unmount } from "@bulkhead/fuse";
import { close, Errno, ioctl, LinuxError, MountFlag } from "@bulkhead/linux";
import { type MadeMount, type MountTarget, topmostAt } from "./kernel-mount.js";
import type { MountRequest } from "./session.js";

/** `_IOR(229, 0, uint32_t)`: makes an unattached FUSE device another one of a mount's. */
const FUSE_DEV_IOC_CLONE = 0x8004e500;

/** What fusermount3 understands. */
const SUPPORTED =
  MountFlag.RDONLY | MountFlag.NOSUID | MountFlag.NODEV | MountFlag.NOEXEC | MountFlag.NOATIME | MountFlag.RELATIME;

/**
 * Mounts through fusermount3, which checks what the caller may do. It opens a FUSE device of its own; the server has another
 * already, which becomes a second one of the same connection before the first is closed.
 */
export function mountByFusermount(request: MountRequest, { fuse, subtype, point }: MountTarget): MadeMount {
  const { msFlags, options, source } = request;
  const has = (flag: number) => (msFlags & flag) !== 0;
  if (has(MountFlag.NOSYMFOLLOW))
    throw new LinuxError("mount", Errno.EINVAL, "nosymfollow takes root, as fusermount3 does not know it");
  if ((msFlags & ~SUPPORTED) !== 0) throw new LinuxError("mount", Errno.EINVAL, "flags that fusermount3 does not know");
  const known: readonly string[] = ["allow_other", "default_permissions", "max_read"];
  const unknown = options.find(([key]) => !known.includes(key));
  if (unknown !== undefined) throw new LinuxError("mount", Errno.EINVAL, unknown[0]);
  const maxRead = options.find(([key]) => key === "max_read")?.[1];
  const { path } = point;
  const mounted = mountFuse(path, {
    fsname: Buffer.from(source).toString(),
    subtype,
    allowOther: options.some(([key]) => key === "allow_other"),
    defaultPermissions: options.some(([key]) => key === "default_permissions"),
    readOnly: has(MountFlag.RDONLY),
    noExec: has(MountFlag.NOEXEC),
    noAtime: has(MountFlag.NOATIME),
    ...(maxRead === undefined ? {} : { maxRead: Number(maxRead) }),
  });
  const made = topmostAt(path, (at) => unmount(at, { lazy: true }));
  try {
    const first = new Uint8Array(4);
    new DataView(first.buffer).setUint32(0, mounted.fd, true);
    ioctl(fuse, FUSE_DEV_IOC_CLONE, first);
  } catch (error) {
    made.undo();
    throw error;
  } finally {
    close(mounted.fd);
  }
  return made;
}
