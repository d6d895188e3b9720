import { arch } from "node:process";
import { Errno } from "./errno.js";
import { LinuxError, orThrow } from "./error.js";
import { addressOf, native } from "./libc.js";

const SYS_SECCOMP = arch === "arm64" ? 277 : 317;
const SET_MODE_FILTER = 1;
const FLAG_TSYNC = 1;

const sysSeccomp = native<[number, number, number, Uint8Array]>("syscall", "int64_t", [
  "long",
  "uint",
  "uint",
  "void *",
]);

/** Bytes of an instruction (struct sock_filter), and how many a filter may have. */
export const BPF_INSTRUCTION = 8;
export const BPF_MAXIMUM = 4096;

/**
 * Has the kernel ask `program`, classic BPF over a `struct seccomp_data`, about every system call of every thread of this process,
 * for good; of several filters the strictest answer counts. Takes `NO_NEW_PRIVS` (all threads then have it) or CAP_SYS_ADMIN.
 *
 * @throws {LinuxError} EINVAL: no program; EACCES: without `NO_NEW_PRIVS`; ESRCH: a thread has a filter of its own
 */
export function filterSystemCalls(program: Uint8Array): void {
  const count = program.length / BPF_INSTRUCTION;
  if (!(Number.isInteger(count) && count > 0 && count <= BPF_MAXIMUM)) {
    throw new LinuxError("seccomp", Errno.EINVAL, `a program of ${program.length} bytes`);
  }
  // struct sock_fprog
  const header = new DataView(new ArrayBuffer(16));
  header.setUint16(0, count, true);
  header.setBigUint64(8, BigInt(addressOf(program, 0, program.length)), true);
  const result = sysSeccomp(SYS_SECCOMP, SET_MODE_FILTER, FLAG_TSYNC, new Uint8Array(header.buffer));
  // Positive: the thread that could not be brought along.
  if (result > 0) throw new LinuxError("seccomp", Errno.ESRCH, `thread ${result}`);
  orThrow(result, "seccomp");
}
