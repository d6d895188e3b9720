import { type Identity, withFileRights } from "@bulkhead/linux";

/** Whoever started the helper: whose rights over files count, and whose the mount is. */
export type Caller = Pick<Identity, "uid" | "gid" | "groups">;

/** The caller by this process's real ids. A front-end that has the rights of another knows better. */
export function realCaller(): Caller {
  return { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, groups: process.getgroups?.() ?? [] };
}

/** Whether this process may do more than the caller. */
export function isPrivileged(): boolean {
  return process.geteuid?.() === 0;
}

/** Runs `work`, which must be synchronous, with the caller's rights over files. */
export function asCaller<T>(caller: Caller, work: () => T): T {
  return caller.uid === 0 || !isPrivileged() ? work() : withFileRights(caller, work);
}
