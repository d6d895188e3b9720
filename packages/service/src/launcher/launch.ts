import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import type { Readable } from "node:stream";
import {
  close,
  getLimit,
  idMap,
  isCloseOnExec,
  Resource,
  SocketType,
  setCloseOnExec,
  socketpair,
} from "@bulkhead/linux";
import type { StartedServer } from "../helper/index.js";
import { programFiles } from "../units/program-files.js";
import { isReachable, uncover } from "./closed-directories.js";
import { filesOf } from "./command-files.js";
import { leaveOtherMounts } from "./other-mounts.js";

/** Limits of a launched server (prlimit), as far as this process's own allow; what is left out is the default. */
export interface ServerLimits {
  /** Descriptors; default 256. */
  readonly openFiles?: number;
  /** Processes and threads in its user namespace; default 64. */
  readonly processes?: number;
  /** Bytes of core files; default 0: a core would hold file data. */
  readonly core?: number;
}

export interface LaunchOptions {
  /**
   * Executable, its options and the program that it runs, and arguments, of a server that understands socket activation. Its program and modules must be readable by `identity`;
   * the directories above them need not be, if root launches.
   */
  readonly command: readonly string[];
  /** Whom to run as, if this process is root. Default nobody (65534). */
  readonly identity?: { readonly uid: number; readonly gid: number };
  readonly limits?: ServerLimits;
  /**
   * Run in a user namespace: there, not even root's identity would have rights outside. Default: if the system allows it. Without,
   * only root can launch.
   */
  readonly userNamespace?: boolean;
  /** What its environment is to hold besides PATH, LANG and the socket's variables. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Where its standard error goes: default this process's; `pipe`: to `LaunchedServer.stderr`; or a descriptor. */
  readonly stderr?: "inherit" | "ignore" | "pipe" | number;
}

/** A server in namespaces of its own. It outlives this process, unless it is killed. */
export interface LaunchedServer extends StartedServer {
  /** The process that holds the namespaces; when it is killed, all in them are. */
  readonly pid: number | undefined;
  /** The server itself, once it is there: the first process in the namespaces. */
  readonly serverPid: number | undefined;
  /** What it says, if that was asked for. */
  readonly stderr: Readable | undefined;
  /** Why it could not be started; known once it has `ended`. */
  readonly failure: string | undefined;
  /** How it ended: its exit code; 128 and the number for signals, −1 if it could not be started. */
  readonly ended: Promise<number>;
  /** Lets this process's event loop end although the server runs on. */
  release(): void;
}

const NOBODY = { uid: 65_534, gid: 65_534 };
const NAMESPACES = [
  "--mount",
  // Otherwise what is unmounted outside would live on here.
  "--propagation=slave",
  "--mount-proc",
  "--pid",
  "--fork",
  "--kill-child=SIGKILL",
  "--ipc",
  "--uts",
  "--net",
  "--cgroup",
];
const NO_PRIVILEGES = ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"];
/** A change of ids forgets what unshare's --kill-child set. */
const DIE_WITH_PARENT = "--pdeathsig=KILL";
/** The number of the process is only known in it; `exec` keeps it. */
const ACTIVATED = 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$@"';

/**
 * Starts a server with nothing but a socket, as a service manager would, with util-linux: user, PID, mount, IPC, UTS, cgroup and
 * network namespaces of its own, no capabilities and no way to any, no new privileges, limits; /dev/null as input and output. What it
 * may read of the file system, and the system calls that are left, are its own lock-down's business.
 */
export function launchServer(options: LaunchOptions): LaunchedServer {
  const [ours, theirs] = socketpair(SocketType.SEQPACKET);
  let child: ChildProcess;
  try {
    closeOthersOnExec();
    const [program = "", ...args] = launchCommand(options);
    const { PATH = "/usr/bin:/bin", LANG = "C" } = process.env;
    child = spawn(program, args, {
      stdio: ["ignore", "ignore", options.stderr ?? "inherit", theirs],
      env: { PATH: `${PATH}:/usr/sbin:/sbin`, LANG, ...options.environment },
      cwd: "/",
      // Signals of the terminal are for the helper.
      detached: true,
    });
  } catch (error) {
    close(ours);
    throw error;
  } finally {
    // Otherwise we would not notice that it ended.
    close(theirs);
  }
  let failure: string | undefined;
  const ended = new Promise<number>((resolve) => {
    child.on("exit", (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
    child.on("error", (error) => {
      failure = `cannot start the server: ${reasonOf(error)}`;
      // Of a process that never was, Node leaves it open.
      child.stderr?.destroy();
      resolve(-1);
    });
  });
  return {
    socket: ours,
    pid: child.pid,
    get serverPid() {
      return child.pid === undefined ? undefined : onlyChildOf(child.pid);
    },
    stderr: child.stderr ?? undefined,
    get failure() {
      return failure;
    },
    ended,
    kill() {
      child.kill("SIGKILL");
    },
    release() {
      child.unref();
    },
  };
}

function reasonOf({ code, path, message }: NodeJS.ErrnoException): string {
  return code === "ENOENT" && path !== undefined ? `${path} is not installed (Debian: util-linux)` : message;
}

function onlyChildOf(pid: number): number | undefined {
  try {
    const [first = ""] = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ");
    return first === "" ? undefined : Number(first);
  } catch {
    return undefined; // it ended
  }
}

/** Descriptors that whoever started us left open must not get there; those that are passed on purpose are copies. */
function closeOthersOnExec(): void {
  for (const name of readdirSync("/proc/self/fd")) {
    const fd = Number(name);
    try {
      if (fd > 2 && !isCloseOnExec(fd)) setCloseOnExec(fd, true);
    } catch {
      // The directory's own, closed by now.
    }
  }
}

/** What opens the way to a command where directories above it, or above what it is made of, are closed to others. */
function wayTo(command: readonly string[]): string[] {
  const { executable, program } = filesOf(command);
  const isThere = (path: string | undefined) => path === undefined || isReachable(path);
  if (executable === undefined || (isThere(executable) && isThere(program))) return [];
  return uncover(
    program === undefined ? [{ source: executable, target: executable }] : programFiles(program, executable).visible,
  );
}

/** The whole command line, outermost program first. */
export function launchCommand(options: LaunchOptions, root: boolean = process.geteuid?.() === 0): string[] {
  const { command, limits = {}, identity = NOBODY } = options;
  const separate = options.userNamespace ?? userNamespacesAllowed();
  const become =
    root && hasIds(identity) ? [`--reuid=${identity.uid}`, `--regid=${identity.gid}`, "--clear-groups"] : [];
  const { openFiles = 256, processes = 64, core = 0 } = limits;
  return [
    // Before the namespace in which all mounts are locked.
    ...(root ? [...leaveOtherMounts(command), ...wayTo(command)] : []),
    ...(separate && become.length > 0 ? ["setpriv", ...become, "--"] : []),
    // What is kept of the new namespace's capabilities is needed to drop them for good.
    ...["unshare", ...(separate ? ["--user", "--map-current-user", "--keep-caps"] : []), ...NAMESPACES, "--"],
    ...["setpriv", ...(separate ? [] : become), ...NO_PRIVILEGES, DIE_WITH_PARENT, "--"],
    ...["prlimit", `--nofile=${upTo(openFiles, Resource.NOFILE)}`, `--nproc=${upTo(processes, Resource.NPROC)}`],
    ...[`--core=${upTo(core, Resource.CORE)}`, "--"],
    ...["sh", "-c", ACTIVATED, ...command],
  ];
}

/** Whether our user namespace has these ids: where a user has made it for one id (`unshare -r`), root is that user, and all there is. */
function hasIds({ uid, gid }: { readonly uid: number; readonly gid: number }): boolean {
  const has = (of: "uid" | "gid", id: number) =>
    idMap(of).some(({ first, count }) => first <= id && id < first + count);
  return has("uid", uid) && has("gid", gid);
}

/** A limit that needs no privilege: none that is above our own. */
function upTo(limit: number, resource: number): number {
  return Math.min(limit, getLimit(resource).hard);
}

/** Whether users may make user namespaces, by what the system's settings say. */
export function userNamespacesAllowed(): boolean {
  const setting = (name: string): number | undefined => {
    try {
      return Number(readFileSync(`/proc/sys/${name}`, "latin1"));
    } catch {
      return undefined;
    }
  };
  return (
    setting("user/max_user_namespaces") !== 0 &&
    setting("kernel/unprivileged_userns_clone") !== 0 &&
    setting("kernel/apparmor_restrict_unprivileged_userns") !== 1
  );
}
