import { constants } from "node:fs";
import { type AttemptGroup, call, words } from "../attempt.js";

const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const {
  O_RDWR,
  O_WRONLY,
  O_CREAT,
  O_DIRECTORY,
  O_PATH = 0o10000000,
} = constants as typeof constants & {
  readonly O_PATH?: number;
};
const stat = () => new Uint8Array(256);

export const files: AttemptGroup = {
  name: "Files",
  attempts: [
    { name: "read /etc/passwd", outcome: "EACCES", run: () => call("openat", AT_FDCWD, "/etc/passwd", 0) },
    {
      name: "read it by openat2",
      outcome: "SIGSYS",
      run: () => call("openat2", AT_FDCWD, "/etc/passwd", words(0, 0, 0), 24),
    },
    { name: "list /proc", outcome: "EACCES", run: () => call("openat", AT_FDCWD, "/proc", O_DIRECTORY) },
    {
      name: "list a directory that is open",
      outcome: "SIGSYS",
      run: ({ directory }) => call("getdents64", directory, new Uint8Array(4096), 4096),
    },
    {
      name: "open a file in a directory that is open",
      outcome: "EACCES",
      run: ({ directory }) => call("openat", directory, "victim", 0),
    },
    { name: "go to a directory that is open", outcome: "SIGSYS", run: ({ directory }) => call("fchdir", directory) },
    { name: "hold a file by O_PATH", outcome: "SIGSYS", run: () => call("openat", AT_FDCWD, "/etc/shadow", O_PATH) },
    {
      name: "ask whether a file is there (newfstatat)",
      outcome: "EBADF",
      run: () => call("newfstatat", AT_FDCWD, "/etc/shadow", stat(), 0),
    },
    {
      name: "ask by statx, as if for a descriptor",
      outcome: "ENOSYS",
      run: () => call("statx", AT_FDCWD, "/etc/shadow", AT_EMPTY_PATH, 0x7ff, stat()),
    },
    {
      name: "ask by faccessat",
      outcome: "EACCES",
      run: () => call("faccessat", AT_FDCWD, "/etc/shadow", 0),
    },
    {
      name: "read a symbolic link of /proc",
      outcome: "EACCES",
      run: () => call("readlinkat", AT_FDCWD, "/proc/self/exe", stat(), 256),
    },
    {
      name: "make a file",
      outcome: "SIGSYS",
      run: ({ scratch }) => call("openat", AT_FDCWD, `${scratch}/made`, O_CREAT | O_WRONLY, 0o666),
    },
    {
      name: "make a directory",
      outcome: "SIGSYS",
      run: ({ scratch }) => call("mkdirat", AT_FDCWD, `${scratch}/directory`, 0o777),
    },
    {
      name: "delete a file",
      outcome: "SIGSYS",
      run: ({ directory }) => call("unlinkat", directory, "delete-me", 0),
    },
    {
      name: "rename a file",
      outcome: "SIGSYS",
      run: ({ directory }) => call("renameat2", directory, "rename-me", directory, "renamed", 0),
    },
    {
      name: "make a symbolic link",
      outcome: "SIGSYS",
      run: ({ directory }) => call("symlinkat", "/etc/passwd", directory, "link"),
    },
    {
      name: "open a file by handle",
      outcome: "SIGSYS",
      without: "reaches the kernel",
      run: ({ directory }) => call("open_by_handle_at", directory, words(8, 0), 0),
    },
    {
      name: "write to the server's own memory through /proc",
      outcome: "SIGSYS",
      run: () => call("openat", AT_FDCWD, "/proc/self/mem", O_RDWR),
    },
    {
      name: "watch a directory (inotify)",
      outcome: "SIGSYS",
      run: () => call("inotify_init1", 0),
    },
    { name: "watch everything (fanotify)", outcome: "SIGSYS", run: () => call("fanotify_init", 0, 0) },
    {
      name: "open a device",
      outcome: "SIGSYS",
      run: () => call("openat", AT_FDCWD, "/dev/loop-control", O_RDWR),
    },
    { name: "open /dev/fuse", outcome: "SIGSYS", run: () => call("openat", AT_FDCWD, "/dev/fuse", O_RDWR) },
    {
      name: "make a device",
      outcome: "SIGSYS",
      run: ({ directory }) => call("mknodat", directory, "device", 0o20666, 0x103),
    },
  ],
};
