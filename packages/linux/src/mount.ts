import { LinuxError, orThrow } from "./error.js";
import { cString, native, type Path, showPath } from "./libc.js";

/** `MS_*` flags of mount(2). */
export const MountFlag = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  SYNCHRONOUS: 16,
  REMOUNT: 32,
  DIRSYNC: 128,
  NOSYMFOLLOW: 256,
  NOATIME: 1024,
  NODIRATIME: 2048,
  BIND: 4096,
  MOVE: 8192,
  REC: 16384,
  PRIVATE: 1 << 18,
  RELATIME: 1 << 21,
  STRICTATIME: 1 << 24,
  LAZYTIME: 1 << 25,
} as const;

/** Flags of umount2. */
export const UmountFlag = { FORCE: 1, DETACH: 2, EXPIRE: 4, NOFOLLOW: 8 } as const;

/** Mount attributes of fsmount. */
export const MountAttribute = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  NOATIME: 16,
  STRICTATIME: 32,
  NODIRATIME: 128,
  NOSYMFOLLOW: 0x200000,
} as const;

const cMount = native<[Uint8Array, Uint8Array, Uint8Array, number, Uint8Array | null]>("mount", "int", [
  "void *",
  "void *",
  "void *",
  "uint64_t",
  "void *",
]);
const cUmount = native<[Uint8Array, number]>("umount2", "int", ["void *", "int"]);

/** mount(2): attaches `source` of type `type` at `target`, with `MountFlag` bits and the file system's own `options`. */
export function mount(source: Path, target: Path, type: string, flags: number, options: string): void {
  const call = "mount";
  const data = options === "" ? null : cString(options, call);
  const result = cMount(cString(source, call), cString(target, call), cString(type, call), flags, data);
  orThrow(result, call, `${showPath(source)} on ${showPath(target)}`);
}

/** umount2(2) with `UmountFlag` bits. */
export function umount(target: Path, flags = 0): void {
  orThrow(cUmount(cString(target, "umount2"), flags), "umount2", showPath(target));
}

/*
 * The mount API (Linux 5.2). Called by number, since C libraries gained the functions late; these numbers are the same
 * on every architecture.
 */
const SYS = { MOVE_MOUNT: 429, FSOPEN: 430, FSCONFIG: 431, FSMOUNT: 432 } as const;
const sysFsopen = native<[number, Uint8Array, number]>("syscall", "int64_t", ["long", "void *", "long"]);
const sysFsconfig = native<[number, number, number, Uint8Array | null, Uint8Array | null, number]>(
  "syscall",
  "int64_t",
  ["long", "long", "long", "void *", "void *", "long"],
);
const sysFsmount = native<[number, number, number, number]>("syscall", "int64_t", ["long", "long", "long", "long"]);
const sysMoveMount = native<[number, number, Uint8Array, number, Uint8Array, number]>("syscall", "int64_t", [
  "long",
  "long",
  "void *",
  "long",
  "void *",
  "long",
]);

/** A descriptor on a new, unconfigured file system of this type. ENODEV: unknown type; ENOSYS: kernel before 5.2. */
export function fsopen(type: string): number {
  return orThrow(sysFsopen(SYS.FSOPEN, cString(type, "fsopen"), 1 /* FSOPEN_CLOEXEC */), "fsopen", type);
}

/** Sets option `key` to `value`. */
export function fsconfigString(fd: number, key: string, value: string): void {
  config(fd, 1, key, cString(value, "fsconfig"), 0, `${key}=${value}`);
}

/** Sets the option `key`, which takes no value. */
export function fsconfigFlag(fd: number, key: string): void {
  config(fd, 0, key, null, 0, key);
}

/** Sets option `key` to an open descriptor. */
export function fsconfigFd(fd: number, key: string, descriptor: number): void {
  config(fd, 5, key, null, descriptor, key);
}

/** Creates the file system from what was configured. */
export function fsconfigCreate(fd: number): void {
  config(fd, 6, null, null, 0, "create");
}

/** As `fsconfigCreate`, but never takes over one that exists: EBUSY. EOPNOTSUPP or EINVAL: kernel before 6.6. */
export function fsconfigCreateNew(fd: number): void {
  config(fd, 8, null, null, 0, "create new");
}

function config(fd: number, command: number, key: string | null, value: Uint8Array | null, aux: number, what: string) {
  const name = key === null ? null : cString(key, "fsconfig");
  orThrow(sysFsconfig(SYS.FSCONFIG, fd, command, name, value, aux), "fsconfig", what);
}

/** A descriptor on the created file system as a detached mount, with `MountAttribute` bits. */
export function fsmount(fd: number, attributes: number): number {
  return orThrow(sysFsmount(SYS.FSMOUNT, fd, 1 /* FSMOUNT_CLOEXEC */, attributes), "fsmount");
}

/** Attaches the mount `fd` at `target`. */
export function moveMount(fd: number, target: Path): void {
  const F_EMPTY_PATH = 4;
  const AT_FDCWD = -100;
  const to = cString(target, "move_mount");
  orThrow(
    sysMoveMount(SYS.MOVE_MOUNT, fd, new Uint8Array(1), AT_FDCWD, to, F_EMPTY_PATH),
    "move_mount",
    showPath(target),
  );
}

/** Attaches the mount `fd` at the open directory or file `target`, whatever its path is by now. */
export function moveMountOnto(fd: number, target: number): void {
  const BOTH_EMPTY = 0x44; // MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_EMPTY_PATH
  const empty = new Uint8Array(1);
  orThrow(sysMoveMount(SYS.MOVE_MOUNT, fd, empty, target, empty, BOTH_EMPTY), "move_mount", target);
}

/** Whether `error` says that the kernel, or a filter in front of it, lacks the call. */
export function isMissingCall(error: unknown): boolean {
  return error instanceof LinuxError && (error.code === "ENOSYS" || error.code === "EOPNOTSUPP");
}
