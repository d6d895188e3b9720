import { LinuxError, orThrow } from "./error.js";
import { bare, native } from "./libc.js";

/** Scheduling policies that need no privilege to enter. */
export const Policy = { OTHER: 0, BATCH: 3, IDLE: 5 } as const;

/** Bytes of a CPU mask: 1024 CPUs, as glibc has it. */
const MASK_BYTES = 128;
const cSetAffinity = native<[number, number, Uint8Array]>("sched_setaffinity", "int", ["int", "size_t", "void *"]);
const cGetAffinity = native<[number, number, Uint8Array]>("sched_getaffinity", "int", ["int", "size_t", "void *"]);
const cSetScheduler = native<[number, number, Uint8Array]>("sched_setscheduler", "int", ["int", "int", "void *"]);
const cGetcpu = bare<[]>("sched_getcpu", "int", []);
const cGettid = bare<[]>("gettid", "int", []);
const cYield = bare<[]>("sched_yield", "int", []);

/** The kernel's id of the calling thread. */
export function gettid(): number {
  return cGettid();
}

/** The CPU the calling thread runs on, at this moment. */
export function getcpu(): number {
  return cGetcpu();
}

/** Lets another runnable thread of the same priority run first. */
export function schedYield(): void {
  cYield();
}

/** Binds thread `tid` (0: the calling one) to `cpus`. EINVAL: none of them is usable. */
export function setAffinity(tid: number, cpus: Iterable<number>): void {
  const mask = new Uint8Array(MASK_BYTES);
  for (const cpu of cpus) {
    if (!(cpu >= 0 && cpu < MASK_BYTES * 8)) throw new LinuxError("sched_setaffinity", 22, `CPU ${cpu}`);
    mask[cpu >> 3]! |= 1 << (cpu & 7);
  }
  orThrow(cSetAffinity(tid, MASK_BYTES, mask), "sched_setaffinity", tid);
}

/** The CPUs that thread `tid` (0: the calling one) may run on, ascending. */
export function getAffinity(tid = 0): number[] {
  const mask = new Uint8Array(MASK_BYTES);
  orThrow(cGetAffinity(tid, MASK_BYTES, mask), "sched_getaffinity", tid);
  const cpus: number[] = [];
  for (let cpu = 0; cpu < MASK_BYTES * 8; cpu++) if ((mask[cpu >> 3]! >> (cpu & 7)) & 1) cpus.push(cpu);
  return cpus;
}

/** Puts thread `tid` (0: the calling one) under a `Policy`. Leaving IDLE may be refused on old kernels. */
export function setPolicy(tid: number, policy: number): void {
  orThrow(cSetScheduler(tid, policy, new Uint8Array(4)), "sched_setscheduler", tid);
}
