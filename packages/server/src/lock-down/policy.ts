/**
 * What the server may ask of the kernel once it serves. The rule: what works on descriptors that it has, on its own memory and its own
 * threads is allowed; what the C library, V8 or libuv try for their own comfort, and can do without, is refused with an error; all
 * else has no caller among us, so whoever calls it is not us, and the process ends there.
 */
import { DeviceIoctl } from "@bulkhead/fuse/protocol";
import { Errno, Falloc, Prctl, Policy as Scheduling } from "@bulkhead/linux";
import type { SystemCall } from "./system-calls.js";

/** What holds of an argument: its low 32 bits, and nothing above them where only some bits may be set; or all 64 as a number. */
export type Condition =
  | { readonly argument: number; readonly is: readonly number[] }
  | { readonly argument: number; readonly isNot: number }
  | { readonly argument: number; readonly has: number }
  | { readonly argument: number; readonly within: number }
  | { readonly argument: number; readonly atLeast: number };

/** Carry it out, fail with an errno, or end the process. */
export type Verdict = "allow" | "kill" | { readonly errno: number };

export interface Rule {
  readonly calls: readonly SystemCall[];
  readonly why: string;
  /** Of the first case whose conditions all hold; without conditions, always. */
  readonly cases: readonly Case[];
  /** When no case holds. */
  readonly otherwise: Verdict;
}

interface Case {
  readonly where: readonly Condition[];
  readonly verdict: Verdict;
}

export interface PolicyOptions {
  /** The connection to the helper, the only socket that is spoken on. None: no socket is. */
  readonly socket: number | undefined;
  /** This process. */
  readonly pid: number;
  /** A device of which only what lies from byte `start` on may be written; none: whatever is open for writing may be, anywhere. */
  readonly device: { readonly fd: number; readonly start: number } | undefined;
  /** Whether new code may be made executable: V8's just-in-time compiler does. */
  readonly jit: boolean;
}

const PROT_READ_WRITE = 3;
const MAP_ANONYMOUS = 0x20;
/** PRIVATE, FIXED, ANONYMOUS, NORESERVE, STACK, FIXED_NOREPLACE. Not SHARED: no limit counts what is shared. */
const PRIVATE_MEMORY = 0x12_4032;
/** Access modes and flags of open(2) that neither write nor make anything: O_NONBLOCK, O_DIRECTORY, O_NOFOLLOW, O_LARGEFILE, O_CLOEXEC. */
const HARMLESS_OPEN = 0o4000 | 0o200000 | 0o400000 | 0o100000 | 0o2000000 | 0o40000;
const ADVICE = {
  WILLNEED: 3,
  DONTNEED: 4,
  FREE: 8,
  DONTFORK: 10,
  HUGEPAGE: 14,
  NOHUGEPAGE: 15,
  DONTDUMP: 16,
  DODUMP: 17,
};
const FCNTL = { GETFD: 1, SETFD: 2, GETFL: 3, SETFL: 4 };
const SOL_SOCKET = 1;
const TCGETS = 0x5401;
const FIONBIO = 0x5421;
const BLK = { ROGET: 0x125e, BSZSET: 0x4008_1271, GETSIZE64: 0x8008_1272 };
/** PR_SET_VMA: names for memory in /proc, which malloc and V8 give where the kernel knows it. */
const PR_SET_VMA = 0x5356_4d41;

function allow(calls: readonly SystemCall[], why: string): Rule {
  return { calls, why, cases: [], otherwise: "allow" };
}

function allowWhere(calls: readonly SystemCall[], where: readonly Condition[], why: string): Rule {
  return { calls, why, cases: [{ where, verdict: "allow" }], otherwise: "kill" };
}

function refuse(calls: readonly SystemCall[], errno: number, why: string): Rule {
  return { calls, why, cases: [], otherwise: { errno } };
}

export function policy({ socket, pid, device, jit }: PolicyOptions): readonly Rule[] {
  const onSocket: readonly Condition[] = [{ argument: 0, is: socket === undefined ? [] : [socket] }];
  const self: Condition = { argument: 0, is: [0] };
  // Without a compiler, no memory becomes code.
  const data: readonly Condition[] = jit ? [] : [{ argument: 2, within: PROT_READ_WRITE }];
  const memory: readonly Condition[] = [
    { argument: 3, has: MAP_ANONYMOUS },
    { argument: 3, within: PRIVATE_MEMORY },
  ];
  const notCode: Verdict = jit ? "kill" : { errno: Errno.EPERM };
  return [
    // Without conditions: the kernel remembers the answer, and such a call costs nothing (seccomp's action cache).
    allow(["read", "readv", "pread64"], "requests, and the device"),
    ...writing(device),
    allow(["preadv2"], "the device, at once or not at all (RWF_NOWAIT)"),
    allow(["poll", "ppoll", "epoll_wait", "epoll_pwait", "epoll_ctl"], "waiting"),
    allow(["futex", "sched_yield", "restart_syscall", "membarrier"], "threads that wait for each other"),
    allow(["set_robust_list", "rseq"], "what a thread begins with: one that was made before may not have run yet"),
    allow(["fsync", "fdatasync", "sync_file_range", "readahead"], "durability, and hints to the page cache"),
    allow(["fstat", "flock", "close"], "descriptors that are there; fstat by its old number takes no name"),
    allow(["munmap", "mremap", "brk"], "own memory, none of which becomes code by it"),
    {
      calls: ["madvise"],
      why: "memory that V8 gives back; nothing that shares it, even unseen (MERGEABLE), or that V8 could not do without",
      cases: [{ where: [{ argument: 2, is: Object.values(ADVICE) }], verdict: "allow" }],
      otherwise: { errno: Errno.EINVAL },
    },
    allow(["clock_gettime", "clock_getres", "gettimeofday", "getcpu"], "time, where the vDSO does not have it"),
    allow(["clock_nanosleep", "nanosleep", "getrandom"], "pauses; htree seeds and V8's hashes"),
    allow(["getpid", "gettid", "getuid", "geteuid", "getgid", "getegid"], "what the C library asks about itself"),
    allow(["uname", "sysinfo", "getrusage", "sched_getaffinity"], "Node's os module; memory statistics"),
    allow(["sched_getscheduler", "sched_getparam"], "the C library, when it looks at a thread"),
    allow(["rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack"], "signals that come"),
    allow(["exit", "exit_group"], "the end"),
    {
      calls: ["mmap"],
      why: "memory of its own, without a file",
      cases: [
        { where: [...memory, ...data], verdict: "allow" },
        { where: memory, verdict: notCode },
      ],
      otherwise: "kill",
    },
    {
      calls: ["mprotect", "pkey_mprotect"],
      why: "V8 guards its heap, and switches its code between writable and executable",
      cases: [{ where: data, verdict: "allow" }],
      otherwise: notCode,
    },
    allowWhere(
      ["fcntl"],
      [{ argument: 1, is: [FCNTL.GETFD, FCNTL.SETFD, FCNTL.GETFL, FCNTL.SETFL] }],
      "non-blocking descriptors; none is copied, locked, or has signals sent",
    ),
    {
      calls: ["ioctl"],
      why: "what /dev/fuse and block devices are asked; terminals are only looked for",
      cases: [
        { where: [{ argument: 1, is: [...FUSE_REQUESTS, ...Object.values(BLK), FIONBIO] }], verdict: "allow" },
        { where: [{ argument: 1, is: [TCGETS] }], verdict: { errno: Errno.ENOTTY } },
      ],
      otherwise: "kill",
    },
    allowWhere(
      ["sendmsg", "recvfrom", "shutdown"],
      onSocket,
      "the helper, until its goodbye; not recvmsg: no descriptor comes any more",
    ),
    allowWhere(["sendto"], [...onSocket, { argument: 4, within: 0 }], "the same, to whom it is connected with"),
    allowWhere(["getsockopt"], [...onSocket, { argument: 1, is: [SOL_SOCKET] }], "whether packets fit"),
    refuse(["setsockopt"], Errno.ENOPROTOOPT, "that no descriptors are taken (PASSRIGHTS) is so without it"),
    allowWhere(["sched_setaffinity"], [self], "the serving thread follows its client"),
    allowWhere(
      ["sched_setscheduler"],
      [self, { argument: 1, is: Object.values(Scheduling) }],
      "and gives way to it there; no policy takes the CPU from others",
    ),
    allowWhere(["prlimit64"], [self], "own limits: without capabilities they only go down"),
    allowWhere(["tgkill"], [{ argument: 0, is: [pid] }], "abort(3) of this process, and nobody else's"),
    {
      calls: ["prctl"],
      why: "names of threads; names of memory are refused, and nothing else is changed",
      cases: [
        { where: [{ argument: 0, is: [Prctl.SET_NAME] }], verdict: "allow" },
        { where: [{ argument: 0, is: [PR_SET_VMA] }], verdict: { errno: Errno.EINVAL } },
      ],
      otherwise: "kill",
    },
    {
      calls: ["openat"],
      why: "malloc reads overcommit_memory when it gives memory back, V8 looks at /proc; who wants to write is not them",
      cases: [{ where: [{ argument: 2, within: HARMLESS_OPEN }], verdict: { errno: Errno.EACCES } }],
      otherwise: "kill",
    },
    {
      calls: ["open"],
      why: "the same by its old name",
      cases: [{ where: [{ argument: 1, within: HARMLESS_OPEN }], verdict: { errno: Errno.EACCES } }],
      otherwise: "kill",
    },
    refuse(["newfstatat"], Errno.EBADF, "it can ask for names; Node, at its end, takes EBADF for a closed descriptor"),
    refuse(["statx"], Errno.ENOSYS, "the same; libuv then does without"),
    refuse(["access", "faccessat", "faccessat2"], Errno.EACCES, "names"),
    refuse(["readlink", "readlinkat", "getcwd"], Errno.EACCES, "names, which Node asks for in messages"),
  ];
}

/** Where the device may be written at all, the kernel remembers that; where only a part may, it is asked each time. */
function writing(device: PolicyOptions["device"]): readonly Rule[] {
  const giveBack: Condition = { argument: 1, is: [Falloc.PUNCH_HOLE | Falloc.KEEP_SIZE] };
  const why = "blocks that are free are given back; nothing is allocated (zeroing would, behind the end as well)";
  if (device === undefined || device.start === 0) {
    return [
      allow(["write", "writev", "pwrite64"], "replies, the device, the log"),
      allowWhere(["fallocate"], [giveBack], why),
    ];
  }
  const allowed = (...where: readonly Condition[]): Case => ({ where, verdict: "allow" });
  const other: Condition = { argument: 0, isNot: device.fd };
  const behind = (argument: number): Condition => ({ argument, atLeast: device.start });
  return [
    allowWhere(["write", "writev"], [other], "replies and the log; not the device, where its descriptor stands"),
    {
      calls: ["pwrite64"],
      why: "the device, from where the file system begins",
      cases: [allowed(other), allowed(behind(3))],
      otherwise: "kill",
    },
    {
      calls: ["fallocate"],
      why,
      cases: [allowed(giveBack, other), allowed(giveBack, behind(2))],
      otherwise: "kill",
    },
  ];
}

/** Not CLONE, and nothing that only the helper may. */
const FUSE_REQUESTS = [
  DeviceIoctl.BACKING_OPEN,
  DeviceIoctl.BACKING_CLOSE,
  DeviceIoctl.IOMAP_SUPPORT,
  DeviceIoctl.IOMAP_SET_BLOCKSIZE,
  DeviceIoctl.SET_NOFS,
];
