import { readFileSync } from "node:fs";
import type { MountInfo } from "@bulkhead/fuse";
import { UNCONTAINED } from "../request.js";
import { allProcesses, commandOf, descriptorsOf, type ProcessStatus, processStatus } from "./process.js";

/** Who is behind a mount. */
export interface Parties {
  readonly server: ProcessStatus;
  /** Who mounted, and stays; undefined where it did not stay, or is gone, or the server is it. */
  readonly keeper: ProcessStatus | undefined;
}

/** Programs that serve, and are started with SOURCE and MOUNTPOINT as their last arguments where no service manager starts them. */
const CONTAINED = /\/contained-server\.js$/;
const SERVERS = /\/(?:contained-server|server-process)\.js$/;
/** What a launcher is made of: see `launchServer`. */
const LAUNCHERS = new Set(["unshare", "setpriv", "prlimit", "sh"]);
/** What /proc says of a process that has ended, or ends while it is read. */
const GONE = new Set(["ENOENT", "ESRCH"]);

/**
 * Finds the processes of a mount: the kernel says whose requests are a descriptor's (Linux 6.17, for root and for one's own
 * processes); where it does not, it is the process that was started for the mount. Undefined when there is none, or none to be seen.
 */
export function findParties(mount: MountInfo): Parties | undefined {
  const pids = allProcesses();
  const holders = pids.filter((pid) => holdsConnection(pid, mount));
  const isBelow = (pid: number, others: readonly number[]) => ancestorsOf(pid).some((above) => others.includes(above));
  // Of a user's mount, the user sees the keeper's descriptors, and not its server's.
  const started = pids.filter((pid) => isServerOf(pid, mount) && (holders.length === 0 || isBelow(pid, holders)));
  const candidates = [...new Set([...holders, ...started])];
  // A keeper holds what a server gets after the one that has died. The server is below it, or a service manager's.
  const lowest = candidates.find((pid) => isBelow(pid, candidates));
  const contained = candidates.find((pid) => isContainedServer(programOf(pid)));
  const server = statusOf(lowest ?? contained ?? candidates.find((pid) => !isKeeper(programOf(pid))));
  if (server === undefined) return undefined;
  const beside = holders.find((pid) => pid !== server.pid && isOurs(programOf(pid)));
  return { server, keeper: keeperOf(server) ?? statusOf(beside) };
}

/** Undefined when there is no such process, or it ended meanwhile. */
function statusOf(pid: number | undefined): ProcessStatus | undefined {
  try {
    return pid === undefined ? undefined : processStatus(pid);
  } catch (error) {
    if (!GONE.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
    return undefined;
  }
}

/** Whether a program is one that a keeper, or a service manager, starts: it is not its own keeper. */
export function isContainedServer(command: readonly string[]): boolean {
  return command.some((word) => CONTAINED.test(word));
}

/** Whether a program mounts, and leaves serving to another one. */
function isKeeper(command: readonly string[]): boolean {
  return isOurs(command) && !command.includes(UNCONTAINED);
}

/** The arguments of a process; none when it is gone. */
function programOf(pid: number): string[] {
  try {
    return commandOf(pid);
  } catch {
    return [];
  }
}

function ancestorsOf(pid: number): number[] {
  const above: number[] = [];
  try {
    for (let at = processStatus(pid).parent; at > 0; at = processStatus(at).parent) above.push(at);
  } catch {
    // It ended meanwhile.
  }
  return above;
}

function holdsConnection(pid: number, { major, minor }: MountInfo): boolean {
  const number = major * 2 ** 20 + minor;
  const descriptors = Object.entries(descriptorsOf(pid) ?? {});
  return descriptors.some(([fd, what]) => what.endsWith("/fuse") && connectionOf(pid, fd) === number);
}

function connectionOf(pid: number, fd: string): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/fdinfo/${fd}`, "latin1");
    const number = /^fuse_connection:\s*(\d+)$/m.exec(text)?.[1];
    return number === undefined ? undefined : Number(number);
  } catch {
    return undefined; // closed, or gone
  }
}

function isServerOf(pid: number, { source, mountpoint }: MountInfo): boolean {
  const [, program = "", from, to] = programOf(pid).filter((word) => !word.startsWith("--"));
  // A server whose mount was replaced by another at the same place would be taken for that one's.
  return SERVERS.test(program) && from === source && to === mountpoint;
}

function keeperOf(server: ProcessStatus): ProcessStatus | undefined {
  try {
    for (let at = server.parent; at > 1; ) {
      const process = processStatus(at);
      if (!LAUNCHERS.has(process.command[0] ?? "")) return isOurs(process.command) ? process : undefined;
      at = process.parent;
    }
  } catch {
    // It ended meanwhile.
  }
  return undefined;
}

/** Node, and the program that it runs. */
function isOurs(command: readonly string[]): boolean {
  const [node = "", program = ""] = command.filter((word) => !word.startsWith("--"));
  return /(?:^|\/)node(?:js)?$/.test(node) && /\/(?:server-process\.js|bulkhead(?:\.js)?|mount\.[\w.]+)$/.test(program);
}
