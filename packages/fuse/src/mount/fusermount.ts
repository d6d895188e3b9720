import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { close, Errno, LinuxError, receiveMessage, SocketType, socketpair } from "@bulkhead/linux";
import { escapeOption, fuseOptions, type MountOptions, sourceName } from "./options.js";

/*
 * fusermount3 is libfuse's set-user-id program: it opens /dev/fuse and mounts for users who may not, and hands the
 * descriptor back over the socket that the environment names.
 */
const PROGRAM = "fusermount3";
const TIMEOUT = 30_000;

/** Mounts through fusermount3. The attached descriptor. @throws {LinuxError} with what fusermount3 said */
export function mountAsUser(mountpoint: string, options: MountOptions): number {
  const [ours, theirs] = socketpair(SocketType.STREAM);
  try {
    const list = fuseOptions(options).map(([key, value]) => (value === undefined ? key : `${key}=${value}`));
    list.push(`fsname=${escapeOption(sourceName(options))}`);
    if (options.subtype !== undefined) list.push(`subtype=${escapeOption(options.subtype)}`);
    if (options.readOnly) list.push("ro");
    if (options.noSuid === false) list.push("suid");
    if (options.noDev === false) list.push("dev");
    if (options.noExec) list.push("noexec");
    if (options.noSymFollow) list.push("nosymfollow");
    if (options.noAtime) list.push("noatime");
    const outcome = spawnSync(PROGRAM, ["-o", list.join(","), "--", mountpoint], {
      stdio: ["ignore", "ignore", "pipe", theirs],
      env: { ...process.env, _FUSE_COMMFD: "3" },
      timeout: TIMEOUT,
    });
    check(outcome, "mount", mountpoint);
    const { descriptors } = receiveMessage(ours, new Uint8Array(1), 1, 0x40 /* MSG_DONTWAIT */);
    const fd = descriptors[0];
    if (fd === undefined) throw new LinuxError("mount", Errno.EPROTO, `${mountpoint}: ${PROGRAM} sent no descriptor`);
    return fd;
  } finally {
    close(ours);
    close(theirs);
  }
}

/** Unmounts through fusermount3, which allows it to whoever mounted. */
export function unmountAsUser(mountpoint: string, lazy: boolean): void {
  const outcome = spawnSync(PROGRAM, ["-u", ...(lazy ? ["-z"] : []), "--", mountpoint], {
    stdio: ["ignore", "ignore", "pipe"],
    timeout: TIMEOUT,
  });
  check(outcome, "umount", mountpoint);
}

function check(outcome: SpawnSyncReturns<Buffer>, what: string, mountpoint: string): void {
  if (outcome.error !== undefined) {
    const missing = Reflect.get(outcome.error, "code") === "ENOENT";
    const why = missing ? `${PROGRAM} is not installed (Debian: fuse3)` : outcome.error.message;
    throw new LinuxError(what, missing ? Errno.ENOENT : Errno.EIO, `${mountpoint}: ${why}`);
  }
  if (outcome.status === 0) return;
  const said = outcome.stderr.toString().trim();
  const busy = said.includes("busy");
  throw new LinuxError(what, busy ? Errno.EBUSY : Errno.EPERM, `${mountpoint}: ${said}`);
}
