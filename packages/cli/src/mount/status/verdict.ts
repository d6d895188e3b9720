import { idMap } from "@bulkhead/linux";
import { NAMESPACES, type Namespace, type ProcessStatus } from "./process.js";

/** Those that systemd gives no service of its own: from outside, other processes are a matter of user, filter and capabilities, too. */
const DISPENSABLE: readonly Namespace[] = ["pid", "cgroup"];

/** What a contained server would have, and this one lacks; empty: it is contained. */
export function missingWalls(server: ProcessStatus): string[] {
  const { Inh, Prm, Eff, Bnd, Amb } = server.capabilities;
  const shared = NAMESPACES.filter(
    (kind) => server.ownNamespaces?.includes(kind) === false && !DISPENSABLE.includes(kind),
  );
  return [
    ...(server.uid === 0 && isRootOutside() ? ["it runs as root"] : []),
    ...([Inh, Prm, Eff, Bnd, Amb].some((set) => set !== "0") ? ["it has capabilities, or can get some"] : []),
    ...(server.noNewPrivileges ? [] : ["it can get privileges from programs"]),
    ...(server.seccompFilters > 0 ? [] : ["its system calls are not filtered"]),
    ...(shared.length > 0 ? [`it shares the machine's namespaces: ${shared.join(", ")}`] : []),
  ];
}

/** Whether user 0 is root also outside our user namespace: where a user has made it (`unshare -r`), that is the user. */
function isRootOutside(): boolean {
  return idMap("uid").some(({ first, outside }) => first === 0 && outside === 0);
}

/** Walls that only others can see. */
export function unseenWalls(server: ProcessStatus): string[] {
  return server.ownNamespaces === undefined ? ["namespaces"] : [];
}
