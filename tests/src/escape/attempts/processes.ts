import { getAffinity } from "@bulkhead/linux";
import { type AttemptGroup, call, library, pointer, words } from "../attempt.js";

const SIGCHLD = 17;
const SIGCONT = 18;
const CLONE_NEWNS = 0x20000;
const CLONE_NEWUSER = 0x1000_0000;
const AT_EMPTY_PATH = 0x1000;
const PTRACE_SEIZE = 0x4206;

/** What the child of a fork does: nothing that needs the threads it has not got. */
function forked(pid: number): number {
  if (pid === 0) call("exit_group", 0);
  return pid;
}

export const processes: AttemptGroup = {
  name: "Processes",
  attempts: [
    { name: "fork", outcome: "SIGSYS", run: () => forked(call("clone", SIGCHLD, 0, 0, 0, 0)) },
    {
      name: "fork into a user namespace (clone3)",
      outcome: "SIGSYS",
      run: () => forked(call("clone3", words(CLONE_NEWUSER, 0, 0, 0, SIGCHLD, 0, 0, 0), 64)),
    },
    {
      name: "start a thread",
      outcome: "SIGSYS",
      run: () => {
        const create = library("int pthread_create(void *thread, void *attributes, void *start, void *argument)");
        const start = library("void *dlsym(intptr_t library, str name)")(0, "getpid");
        return -create(new Uint8Array(8), null, start, null);
      },
    },
    {
      name: "execute a program",
      outcome: "SIGSYS",
      run: () => call("execve", "/bin/echo", words(pointer("echo"), pointer("done"), 0), words(0)),
    },
    {
      name: "execute one from memory",
      outcome: "SIGSYS",
      run: ({ program }) => {
        const file = call("memfd_create", "program", 0);
        for (let at = 0; at < program.length; ) at += call("write", file, program.subarray(at), program.length - at);
        return call("execveat", file, "", words(pointer("echo"), pointer("done"), 0), words(0), AT_EMPTY_PATH);
      },
    },
    { name: "make a memory file", outcome: "SIGSYS", run: () => call("memfd_create", "file", 0) },
    {
      name: "wait for a child",
      outcome: "SIGSYS",
      without: "reaches the kernel",
      run: () => call("wait4", -1, 0, 1, 0),
    },
    {
      name: "trace another process",
      outcome: "SIGSYS",
      run: ({ victim }) => call("ptrace", PTRACE_SEIZE, victim, 0, 0),
    },
    {
      name: "read another process's memory",
      outcome: "SIGSYS",
      run: ({ victim, address }) => {
        const mine = words(pointer(new Uint8Array(8)), 8);
        return call("process_vm_readv", victim, mine, 1, words(address, 8), 1, 0);
      },
    },
    {
      name: "write another process's memory",
      outcome: "SIGSYS",
      run: ({ victim, address }) => {
        const mine = words(pointer(new Uint8Array(1)), 1);
        return call("process_vm_writev", victim, mine, 1, words(address, 1), 1, 0);
      },
    },
    {
      name: "hold another process (pidfd_open)",
      outcome: "SIGSYS",
      run: ({ victim }) => call("pidfd_open", victim, 0),
    },
    {
      name: "take another process's descriptor",
      outcome: "SIGSYS",
      run: ({ victim }) => call("pidfd_getfd", call("pidfd_open", victim, 0), 0, 0),
    },
    {
      name: "compare itself with another process",
      outcome: "SIGSYS",
      run: ({ victim }) => call("kcmp", victim, victim, 1, 0, 0),
    },
    { name: "send another process a signal", outcome: "SIGSYS", run: ({ victim }) => call("kill", victim, SIGCONT) },
    {
      name: "send another process's thread a signal",
      outcome: "SIGSYS",
      run: ({ victim }) => call("tgkill", victim, victim, SIGCONT),
    },
    {
      name: "queue a signal",
      outcome: "SIGSYS",
      without: "reaches the kernel",
      run: ({ victim }) => call("rt_sigqueueinfo", victim, SIGCONT, words(0, 0, 0, 0)),
    },
    {
      name: "have the kernel send signals (fcntl F_SETOWN)",
      outcome: "SIGSYS",
      run: ({ socket, victim }) => call("fcntl", socket, 8, victim),
    },
    {
      name: "look at another process's limits",
      outcome: "SIGSYS",
      run: ({ victim }) => call("prlimit64", victim, 7, 0, new Uint8Array(16)),
    },
    {
      name: "move another process to another CPU",
      outcome: "SIGSYS",
      run: ({ victim }) => call("sched_setaffinity", victim, 8, words(2 ** (getAffinity()[0] ?? 0))),
    },
    {
      name: "take the CPU before all others (SCHED_FIFO)",
      outcome: "SIGSYS",
      run: () => call("sched_setscheduler", 0, 1, words(1)),
    },
    { name: "raise its priority", outcome: "SIGSYS", run: () => call("setpriority", 0, 0, -20) },
    { name: "leave its session", outcome: "SIGSYS", without: "reaches the kernel", run: () => call("setsid") },
    { name: "unshare a mount namespace", outcome: "SIGSYS", run: () => call("unshare", CLONE_NEWNS) },
    {
      name: "enter a namespace that happens to be open",
      outcome: "SIGSYS",
      run: ({ namespace }) => call("setns", namespace, 0),
    },
  ],
};
