import { arch } from "node:process";
import { Errno } from "./errno.js";
import { LinuxError, orThrow } from "./error.js";
import { native } from "./libc.js";
import { CapAmbient, Prctl, prctl, tryPrctl } from "./process.js";

/*
 * Credentials of the calling thread alone, by number: the C library's functions of these names change every thread of
 * the process, which would take the privileges of Node's own threads as well.
 */
const SYS =
  arch === "arm64"
    ? {
        setresuid: 147,
        setresgid: 149,
        setfsuid: 151,
        setfsgid: 152,
        getgroups: 158,
        setgroups: 159,
        capget: 90,
        capset: 91,
      }
    : {
        setresuid: 117,
        setresgid: 119,
        setfsuid: 122,
        setfsgid: 123,
        getgroups: 115,
        setgroups: 116,
        capget: 125,
        capset: 126,
      };

const sysIds = native<[number, number, number, number]>("syscall", "int64_t", ["long", "uint", "uint", "uint"]);
const sysGroups = native<[number, number, Uint8Array]>("syscall", "int64_t", ["long", "int", "void *"]);
const sysCapabilities = native<[number, Uint8Array, Uint8Array]>("syscall", "int64_t", ["long", "void *", "void *"]);

/** Capabilities that file systems ask for. */
export const Capability = {
  CHOWN: 0,
  DAC_OVERRIDE: 1,
  DAC_READ_SEARCH: 2,
  FOWNER: 3,
  FSETID: 4,
  LINUX_IMMUTABLE: 9,
  SYS_ADMIN: 21,
  SYS_RESOURCE: 24,
  MKNOD: 27,
  SETFCAP: 31,
} as const;

/** Whom to act as: ids, supplementary groups, and for root the capabilities to do without. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  readonly groups?: readonly number[];
  readonly without?: readonly number[];
}

/**
 * Runs `work`, which must be synchronous, with this thread's real, effective and file system ids set to those of
 * `identity`; the saved ones stay root's, and so the way back. Needs root. EPERM: the caller is not.
 */
export function actAs<T>(identity: Identity, work: () => T): T {
  const before = capabilities();
  try {
    setGroups(identity.groups ?? []);
    setIds(SYS.setresgid, "setresgid", identity.gid, identity.gid, 0);
    setIds(SYS.setresuid, "setresuid", identity.uid, identity.uid, 0);
    if (identity.without !== undefined && identity.without.length > 0) dropEffective(identity.without);
    return work();
  } finally {
    setIds(SYS.setresuid, "setresuid", 0, 0, 0);
    setIds(SYS.setresgid, "setresgid", 0, 0, 0);
    setGroups([]);
    orThrow(sysCapabilities(SYS.capset, HEADER, before), "capset");
  }
}

/**
 * Runs `work`, which must be synchronous, while this thread looks at files with the rights of `identity`: file system ids and
 * supplementary groups are its own, and root's capabilities over files rest. Others (to mount, say) stay. Needs root.
 *
 * @throws {LinuxError} EPERM: the caller is not root
 */
export function withFileRights<T>(identity: Identity, work: () => T): T {
  const before = getGroups();
  try {
    setGroups(identity.groups ?? []);
    setFileId(SYS.setfsgid, "setfsgid", identity.gid);
    setFileId(SYS.setfsuid, "setfsuid", identity.uid);
    return work();
  } finally {
    setFileId(SYS.setfsuid, "setfsuid", 0);
    setFileId(SYS.setfsgid, "setfsgid", 0);
    setGroups(before);
  }
}

const sysFileId = native<[number, number]>("syscall", "int64_t", ["long", "uint"]);
const UNCHANGED = 0xffff_ffff;

/** These calls never fail: they say what was before, and whoever wants to know whether it worked has to ask again. */
function setFileId(number: number, call: string, id: number): void {
  sysFileId(number, id);
  if (sysFileId(number, UNCHANGED) !== id) throw new LinuxError(call, Errno.EPERM, String(id));
}

const sysAccess = native<[number, number, Uint8Array, number, number]>("syscall", "int64_t", [
  "long",
  "long",
  "void *",
  "int",
  "int",
]);
const FACCESSAT2 = 439;

/** Access modes of {@link accessible}. */
export const Access = { READ: 4, WRITE: 2, EXECUTE: 1 } as const;

/**
 * Whether this thread, with its file system ids, has access to what `fd` stands for (O_PATH is enough), whatever that was opened
 * for. @throws {LinuxError} ENOSYS: Linux before 5.8
 */
export function accessible(fd: number, mode: number): boolean {
  const AT_EACCESS = 0x200;
  const AT_EMPTY_PATH = 0x1000;
  const result = sysAccess(FACCESSAT2, fd, new Uint8Array(1), mode, AT_EACCESS | AT_EMPTY_PATH);
  if (result === -Errno.EACCES || result === -Errno.EROFS || result === -Errno.EPERM) return false;
  orThrow(result, "faccessat2", fd);
  return true;
}

/** Supplementary groups of the calling thread. */
export function getGroups(): number[] {
  const count = orThrow(sysGroups(SYS.getgroups, 0, new Uint8Array(4)), "getgroups");
  const list = new Uint32Array(count + 1);
  orThrow(sysGroups(SYS.getgroups, count, new Uint8Array(list.buffer)), "getgroups");
  return [...list.subarray(0, count)];
}

/** Runs `work`, which must be synchronous, without these `Capability` numbers being in effect for this thread. Anybody may. */
export function withoutCapabilities<T>(dropped: readonly number[], work: () => T): T {
  const before = capabilities();
  dropEffective(dropped);
  try {
    return work();
  } finally {
    orThrow(sysCapabilities(SYS.capset, HEADER, before), "capset");
  }
}

function setIds(number: number, call: string, real: number, effective: number, saved: number): void {
  orThrow(sysIds(number, real, effective, saved), call, real);
}

function setGroups(groups: readonly number[]): void {
  const list = Uint32Array.from(groups);
  orThrow(sysGroups(SYS.setgroups, list.length, new Uint8Array([...new Uint8Array(list.buffer), 0])), "setgroups");
}

/** struct __user_cap_header_struct: version 3, this thread. */
const HEADER = new Uint8Array(8);
new DataView(HEADER.buffer).setUint32(0, 0x20080522, true);

/** Effective, permitted and inheritable sets, low words first. */
function capabilities(): Uint8Array {
  const sets = new Uint8Array(24);
  orThrow(sysCapabilities(SYS.capget, HEADER, sets), "capget");
  return sets;
}

function dropEffective(dropped: readonly number[]): void {
  const sets = capabilities();
  const view = new DataView(sets.buffer);
  for (const capability of dropped) {
    const at = capability < 32 ? 0 : 12;
    view.setUint32(at, view.getUint32(at, true) & ~(1 << (capability & 31)), true);
  }
  orThrow(sysCapabilities(SYS.capset, HEADER, sets), "capset");
}

const cSetgroups = native<[number, null]>("setgroups", "int", ["size_t", "void *"]);
const cSetresgid = native<[number, number, number]>("setresgid", "int", ["uint", "uint", "uint"]);
const cSetresuid = native<[number, number, number]>("setresuid", "int", ["uint", "uint", "uint"]);

/**
 * Becomes another user in every thread of the process, Node's own included, for good. Who is root loses all capabilities by it, in
 * every thread.
 *
 * @throws {LinuxError} EPERM: may not; EINVAL: there is no such id in this user namespace
 */
export function becomeForGood(uid: number, gid: number): void {
  orThrow(cSetgroups(0, null), "setgroups");
  orThrow(cSetresgid(gid, gid, gid), "setresgid", gid);
  orThrow(cSetresuid(uid, uid, uid), "setresuid", uid);
}

/** Drops every capability of the calling thread, and every way to one: bounding, ambient, inheritable, permitted, effective. */
export function dropAllCapabilities(): void {
  prctl(Prctl.CAP_AMBIENT, CapAmbient.CLEAR_ALL);
  // Numbers behind the last one are EINVAL. Who may not drop has nothing to bound, and gets nothing without new privileges.
  for (let capability = 0; capability < 64; capability++) {
    const result = tryPrctl(Prctl.CAPBSET_DROP, capability);
    if (result === -Errno.EINVAL || result === -Errno.EPERM) break;
    orThrow(result, "prctl", "PR_CAPBSET_DROP");
  }
  // Where there are none, a service manager's filter may forbid the call.
  if (capabilities().some((byte) => byte !== 0)) {
    orThrow(sysCapabilities(SYS.capset, HEADER, new Uint8Array(24)), "capset");
  }
}
