import { type Attempt, type AttemptGroup, call, words } from "../attempt.js";

const AT_FDCWD = -100;
const MS_BIND = 4096;
const empty = () => new Uint8Array(256);

/** Ends before the kernel would do anything: its arguments are nothing. */
function nothing(name: string, run: Attempt["run"]): Attempt {
  return { name, outcome: "SIGSYS", without: "reaches the kernel", run };
}

export const kernel: AttemptGroup = {
  name: "Mounts and the rest of the kernel",
  attempts: [
    {
      name: "mount",
      outcome: "SIGSYS",
      run: ({ scratch }) => call("mount", scratch, scratch, 0, MS_BIND, 0),
    },
    nothing("unmount", ({ scratch }) => call("umount2", scratch, 0)),
    nothing("change the root (pivot_root)", ({ scratch }) => call("pivot_root", scratch, scratch)),
    { name: "chroot", outcome: "SIGSYS", run: ({ scratch }) => call("chroot", scratch) },
    { name: "open a file system type (fsopen)", outcome: "SIGSYS", run: () => call("fsopen", "tmpfs", 0) },
    { name: "copy a mount (open_tree)", outcome: "SIGSYS", run: () => call("open_tree", AT_FDCWD, "/", 1) },
    nothing("move a mount", () => call("move_mount", -1, "", -1, "", 0)),
    {
      name: "load a BPF program's map",
      outcome: "SIGSYS",
      run: () => call("bpf", 0, words(0x4_0000_0002n, 0x1_0000_0004n, 0, 0, 0, 0), 48),
    },
    {
      name: "count with perf",
      outcome: "SIGSYS",
      without: "reaches the kernel",
      run: () =>
        call("perf_event_open", words(0x80_0000_0001n, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), 0, -1, -1, 0),
    },
    { name: "make an io_uring", outcome: "SIGSYS", run: () => call("io_uring_setup", 1, empty()) },
    nothing("use an io_uring", () => call("io_uring_enter", -1, 0, 0, 0, 0)),
    { name: "catch page faults (userfaultfd)", outcome: "SIGSYS", run: () => call("userfaultfd", 1) },
    { name: "add a key", outcome: "SIGSYS", run: () => call("add_key", "user", "escape", empty(), 1, -3) },
    { name: "read keyrings", outcome: "SIGSYS", run: () => call("keyctl", 0, -3, 1) },
    nothing("load another kernel", () => call("kexec_load", 0, 1, words(0, 0, 0, 0), 0)),
    nothing("load a module", () => call("init_module", empty(), 256, "")),
    nothing("restart the machine", () => call("reboot", 0, 0, 0, 0)),
    nothing("swap to a file", ({ scratch }) => call("swapon", `${scratch}/victim`, 0)),
    { name: "read the kernel's log", outcome: "SIGSYS", run: () => call("syslog", 10, 0, 0) },
    nothing("account processes", () => call("acct", "/nonexistent/file")),
    nothing("set quotas", () => call("quotactl", 0, 0, 0, 0)),
    nothing("set the clock", () => call("clock_settime", 0, words(0, -1))),
    nothing("name the machine", () => call("sethostname", empty(), 1000)),
    { name: "make a timer", outcome: "SIGSYS", run: () => call("timer_create", 0, 0, empty()) },
    { name: "make a timer's descriptor", outcome: "SIGSYS", run: () => call("timerfd_create", 0, 0) },
    { name: "make a signals' descriptor", outcome: "SIGSYS", run: () => call("signalfd4", -1, words(0), 8, 0) },
    { name: "share memory (System V)", outcome: "SIGSYS", run: () => call("shmget", 0, 4096, 0o1600) },
  ],
};
