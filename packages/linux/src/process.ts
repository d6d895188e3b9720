import { orThrow } from "./error.js";
import { native } from "./libc.js";

/** Options of prctl that Bulkhead uses. */
export const Prctl = {
  SET_PDEATHSIG: 1,
  GET_DUMPABLE: 3,
  SET_DUMPABLE: 4,
  SET_NAME: 15,
  GET_SECCOMP: 21,
  CAPBSET_READ: 23,
  CAPBSET_DROP: 24,
  SET_NO_NEW_PRIVS: 38,
  GET_NO_NEW_PRIVS: 39,
  CAP_AMBIENT: 47,
  SET_IO_FLUSHER: 57,
} as const;

type Long = number;
const cPrctl = native<[number, Long, Long, Long, Long]>("prctl", "int", ["int", "long", "long", "long", "long"]);
const cPrctlBytes = native<[number, Uint8Array, Long, Long, Long]>("prctl", "int", [
  "int",
  "void *",
  "long",
  "long",
  "long",
]);

/** Second argument of prctl with `CAP_AMBIENT`. */
export const CapAmbient = { IS_SET: 1, CLEAR_ALL: 4 } as const;

/** prctl(2) with numbers; unused arguments are 0. The non-negative result. */
export function prctl(option: number, a = 0, b = 0, c = 0, d = 0): number {
  return orThrow(cPrctl(option, a, b, c, d), "prctl", option);
}

/** As `prctl`, with −errno for a failure. */
export function tryPrctl(option: number, a = 0, b = 0, c = 0, d = 0): number {
  return cPrctl(option, a, b, c, d);
}

/** Names the calling thread, as ps and top show it; at most 15 bytes count. */
export function setThreadName(name: string): void {
  const bytes = new Uint8Array(16);
  bytes.set(new TextEncoder().encode(name).subarray(0, 15));
  orThrow(cPrctlBytes(Prctl.SET_NAME, bytes, 0, 0, 0), "prctl", "PR_SET_NAME");
}

const cExit = native<[number]>("_exit", "int", ["int"]);

/** Ends this process and all its threads at once, as the kernel does it: Node and libuv clear nothing away, and no `exit` handler runs. */
export function exitNow(code: number): never {
  cExit(code);
  throw new Error("still here");
}

/** The same numbers on all architectures. */
const PIDFD_SEND_SIGNAL = 424;
const PIDFD_OPEN = 434;
const sysPidfdOpen = native<[number, number, number]>("syscall", "int64_t", ["long", "int", "uint"]);
const sysPidfdSignal = native<[number, number, number, null, number]>("syscall", "int64_t", [
  "long",
  "int",
  "int",
  "void *",
  "uint",
]);

/** A descriptor of a process, close-on-exec: it polls as readable when that has ended. @throws {LinuxError} ESRCH: there is none */
export function openProcess(pid: number): number {
  return orThrow(sysPidfdOpen(PIDFD_OPEN, pid, 0), "pidfd_open", pid);
}

/** Sends a signal (a number of `os.constants.signals`) to a process by its descriptor. 0 or −errno: EPERM, ESRCH. */
export function signalProcess(fd: number, signal: number): number {
  return sysPidfdSignal(PIDFD_SEND_SIGNAL, fd, signal, null, 0);
}

const cSignal = native<[number, number]>("signal", "int64_t", ["int", "uintptr_t"]);

/** Has the kernel drop a signal (a number of `os.constants.signals`) that is sent to this process, whatever Node would do. */
export function ignoreSignal(signal: number): void {
  const SIG_IGN = 1;
  orThrow(cSignal(signal, SIG_IGN), "signal", signal);
}
