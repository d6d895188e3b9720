/** A process as /proc shows it to others, whatever it says itself. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Kinds of namespaces that tell whether a process is by itself. */
export const NAMESPACES = ["user", "pid", "mnt", "net", "ipc", "uts", "cgroup"] as const;
export type Namespace = (typeof NAMESPACES)[number];

const SETS = ["Inh", "Prm", "Eff", "Bnd", "Amb"] as const;
type CapabilitySet = (typeof SETS)[number];

/** What cannot be seen is undefined: not everything of other users' processes can. */
export interface ProcessStatus {
  readonly pid: number;
  readonly command: readonly string[];
  readonly parent: number;
  readonly uid: number;
  readonly gid: number;
  /** The least that any of its threads has given up: what is said of capabilities, privileges and filters holds for all of them. */
  readonly threads: number;
  /** Hexadecimal, as in /proc/PID/status; the union over its threads. */
  readonly capabilities: Readonly<Record<CapabilitySet, string>>;
  readonly noNewPrivileges: boolean;
  /** Filters of system calls that are in force. */
  readonly seccompFilters: number;
  /** Those that are not the machine's (process 1's). */
  readonly ownNamespaces: readonly Namespace[] | undefined;
  readonly root: string | undefined;
  /** Soft limits as /proc/PID/limits has them. */
  readonly limits: Readonly<Record<string, string>> | undefined;
  /** What its open descriptors are, by number. */
  readonly descriptors: Readonly<Record<string, string>> | undefined;
  /** Bytes of memory that it has. */
  readonly resident: number;
}

/** @throws node:fs's errors when it is gone */
export function processStatus(pid: number): ProcessStatus {
  const main = statusOf(`${pid}`);
  const threads = readdirSync(`/proc/${pid}/task`).map((tid) => statusOf(`${pid}/task/${tid}`));
  const number = (name: string, field = 0) => Number((main.get(name) ?? "").split(/\s+/)[field]);
  const union = (set: CapabilitySet) =>
    threads.reduce((bits, thread) => bits | BigInt(`0x${thread.get(`Cap${set}`) ?? "0"}`), 0n).toString(16);
  const EFFECTIVE = 1;
  return {
    pid,
    command: commandOf(pid),
    parent: number("PPid"),
    uid: number("Uid", EFFECTIVE),
    gid: number("Gid", EFFECTIVE),
    threads: threads.length,
    capabilities: { Inh: union("Inh"), Prm: union("Prm"), Eff: union("Eff"), Bnd: union("Bnd"), Amb: union("Amb") },
    noNewPrivileges: threads.every((thread) => thread.get("NoNewPrivs") === "1"),
    seccompFilters: Math.min(...threads.map(filtersOf)),
    ownNamespaces: ownNamespaces(pid),
    root: seen(() => readlinkSync(`/proc/${pid}/root`)),
    limits: seen(() => limitsOf(pid)),
    descriptors: descriptorsOf(pid),
    resident: number("VmRSS") * 1024,
  };
}

/** The arguments of a process, its name first. */
export function commandOf(pid: number): string[] {
  return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
}

/** Processes that are there. */
export function allProcesses(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Each open descriptor and what it is; undefined where that is not for us to see. */
export function descriptorsOf(pid: number): Record<string, string> | undefined {
  return seen(() => {
    const names = readdirSync(`/proc/${pid}/fd`);
    const links = names.map((fd) => [fd, seen(() => readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? "closed"]);
    return Object.fromEntries(links) as Record<string, string>;
  });
}

function statusOf(who: string): ReadonlyMap<string, string> {
  const lines = readFileSync(`/proc/${who}/status`, "latin1").matchAll(/^(\w+):\s*(.*)$/gm);
  return new Map([...lines].map(([, name = "", value = ""]) => [name, value]));
}

/** How many filters a thread has; kernels before 5.9 say only whether it has any. */
function filtersOf(thread: ReadonlyMap<string, string>): number {
  const FILTER = "2";
  if (thread.get("Seccomp") !== FILTER) return 0;
  return Number(thread.get("Seccomp_filters") ?? 1);
}

function ownNamespaces(pid: number): Namespace[] | undefined {
  return seen(() => {
    // Who may not look at process 1 compares with itself.
    const machine = seen(() => readlinkSync("/proc/1/ns/pid")) === undefined ? "self" : "1";
    const of = (who: number | string, kind: Namespace) => readlinkSync(`/proc/${who}/ns/${kind}`);
    return NAMESPACES.filter((kind) => of(pid, kind) !== of(machine, kind));
  });
}

function limitsOf(pid: number): Record<string, string> {
  const lines = readFileSync(`/proc/${pid}/limits`, "latin1").matchAll(/^(Max [\w ]+?) {2,}(\S+)/gm);
  return Object.fromEntries([...lines].map(([, name = "", soft = ""]) => [name.slice("Max ".length), soft]));
}

function seen<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
