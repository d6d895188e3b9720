import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { constants } from "node:os";
import {
  becomeForGood,
  close,
  dropAllCapabilities,
  eventfd,
  filterSystemCalls,
  getLimit,
  idMap,
  ignoreSignal,
  type LandlockReach,
  LinuxError,
  landlockEverything,
  Prctl,
  prctl,
  Resource,
  replaceDescriptor,
  setLimit,
} from "@bulkhead/linux";
import { compileFilter } from "./filter.js";
import { policy } from "./policy.js";
import { architectures } from "./system-calls.js";

export interface LockDownOptions {
  /** The connection to the helper, if one is still to be spoken on. */
  readonly socket?: number;
  /** Whether V8 compiles: default unless Node runs with --jitless. Without, no memory ever becomes code. */
  readonly jit?: boolean;
  /** Bytes of private writable memory, V8's heap and all buffers and stacks together. Default {@link MEMORY}. */
  readonly memory?: number;
  /** The device's descriptor, open for writing, and the byte at which the file system begins: nothing is written before that. */
  readonly device?: { readonly fd: number; readonly start: number };
  /** Bytes beyond which no file may grow: the image's, if it is a file. Then neither it nor the disk below it fills up. */
  readonly fileSize?: number;
}

/** What is in force, beyond what always is. */
export interface LockDown {
  /** Whom landlock holds: everybody, only the threads that asked, or nobody, on kernels without it. */
  readonly landlock: LandlockReach;
}

/** Default bytes of memory: caches are bounded far below by default, a file system of many millions of inodes in use is not. */
export const MEMORY = 2 * 1024 ** 3;
/** nobody, on every Linux. */
const NOBODY = 65_534;
const CAP_SETUID = 7;
const CAP_SETGID = 6;

/**
 * For a thread of ours before another one of the process calls {@link lockDown}: what is a thread's own (capabilities; landlock
 * before Linux 7.0) is given up by each. The thread must have loaded all that it will ever need.
 */
export function lockDownThread(): LandlockReach {
  prctl(Prctl.SET_NO_NEW_PRIVS, 1);
  dropAllCapabilities();
  return landlockEverything();
}

/**
 * Takes from this process, for good, everything that serving does not need, in all threads: privileges, files, other processes,
 * the network, further threads, further memory. From here on, whatever an image makes of the parser has the descriptors that are
 * open, and a connection to the helper. Everything must be loaded, all threads
 * and descriptors be there: what is not there now never will be.
 *
 * What the kernel does not have is done without (landlock); what it refuses is an error, and the process then must not go on.
 *
 * @throws {LinuxError} what could not be given up
 * @throws Error when a thread would keep capabilities, or a ring would go around the filter
 */
export function lockDown(options: LockDownOptions = {}): LockDown {
  const { socket, device, jit = !isJitless(), memory = MEMORY, fileSize = Number.POSITIVE_INFINITY } = options;
  const architecture = process.arch as keyof typeof architectures;
  if (!(architecture in architectures)) throw new Error(`there is no filter for ${process.arch}`);
  const filter = compileFilter(policy({ socket, pid: process.pid, device, jit }), architecture);
  const rings = findRings();
  // A namespace's capabilities are over what is in it, and a thread of Node's may keep them: the filter leaves no call that uses them.
  const outermost = isOutermost();
  loseRoot(outermost);
  prctl(Prctl.SET_NO_NEW_PRIVS, 1);
  dropAllCapabilities();
  if (outermost) requirePowerlessThreads();
  limit(memory, fileSize);
  // Node would start its debugger; libc would end us where a write only has to fail.
  ignoreSignal(constants.signals.SIGUSR1);
  ignoreSignal(constants.signals.SIGXFSZ);
  prctl(Prctl.SET_DUMPABLE, 0);
  const landlock = landlockEverything();
  closeRings(rings);
  filterSystemCalls(filter);
  return { landlock };
}

/** V8 has no WebAssembly where it may not make code. */
function isJitless(): boolean {
  return !("WebAssembly" in globalThis);
}

/**
 * libuv's rings of io_uring: what goes through one, the filter does not see. From libuv 1.51 on each event loop has one, whatever
 * UV_USE_IO_URING says, by which it tells epoll of several descriptors at once.
 *
 * @throws Error where one is worked on without a system call
 */
function findRings(): number[] {
  const rings: number[] = [];
  for (const name of readdirSync("/proc/self/fd")) {
    let target: string;
    try {
      target = readlinkSync(`/proc/self/fd/${name}`);
    } catch {
      continue; // the directory's own, closed by now
    }
    if (target !== "anon_inode:[io_uring]") continue;
    if (!/^SqThread:\s*-1$/m.test(readFileSync(`/proc/self/fdinfo/${name}`, "latin1"))) {
      throw new Error("Node has made an io_uring, which no filter sees: set UV_USE_IO_URING=0 in the environment");
    }
    rings.push(Number(name));
  }
  return rings;
}

/**
 * From here on event loops watch nothing new: libuv would use its ring, and abort or be ended by the filter. The descriptors stay taken,
 * since libuv closes them in the end.
 */
function closeRings(rings: readonly number[]): void {
  if (rings.length === 0) return;
  const nothing = eventfd();
  for (const ring of rings) replaceDescriptor(ring, nothing);
  close(nothing);
}

/** Whether this user namespace is the system's, in which all ids are what they are. */
function isOutermost(): boolean {
  return idMap("uid").some(({ first, outside, count }) => first === 0 && outside === 0 && count === 2 ** 32 - 1);
}

/** Capabilities are each thread's own, and Node's threads ask nobody; but a change of user reaches all of them. */
function loseRoot(outermost: boolean): void {
  const effective = BigInt(`0x${statusOf("self").get("CapEff") ?? "0"}`);
  const may = (capability: number) => ((effective >> BigInt(capability)) & 1n) === 1n;
  if (process.geteuid?.() !== 0 || !may(CAP_SETUID) || !may(CAP_SETGID)) return;
  try {
    becomeForGood(NOBODY, NOBODY);
  } catch (error) {
    // There may be no nobody in a namespace.
    if (outermost || !(error instanceof LinuxError)) throw error;
  }
}

function requirePowerlessThreads(): void {
  for (const tid of readdirSync("/proc/self/task")) {
    const status = statusOf(`self/task/${tid}`);
    const held = ["CapPrm", "CapEff", "CapInh", "CapAmb"].filter((set) => !/^0*$/.test(status.get(set) ?? "0"));
    if (held.length > 0) {
      throw new Error(
        `thread ${tid} (${status.get("Name")}) would keep capabilities (${held.join(", ")}): start it without any`,
      );
    }
  }
}

function statusOf(who: string): ReadonlyMap<string, string> {
  const lines = readFileSync(`/proc/${who}/status`, "latin1").matchAll(/^(\w+):\s*(.*)$/gm);
  return new Map([...lines].map(([, name = "", value = ""]) => [name, value]));
}

function limit(memory: number, fileSize: number): void {
  const open = Math.max(...readdirSync("/proc/self/fd").map(Number));
  lower(Resource.NOFILE, open + 1);
  lower(Resource.NPROC, 0);
  lower(Resource.CORE, 0);
  lower(Resource.MEMLOCK, 0);
  lower(Resource.DATA, memory);
  lower(Resource.FSIZE, fileSize);
}

function lower(resource: number, to: number): void {
  setLimit(resource, Math.min(to, getLimit(resource).hard));
}
