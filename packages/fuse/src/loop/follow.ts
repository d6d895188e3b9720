import { closeSync, openSync } from "node:fs";
import { getAffinity, pread, setAffinity } from "@bulkhead/linux";

/** Keeps the serving thread where its client is. Called by the loop in the serving thread. */
export interface ClientFollower {
  /** Requests until the next `observe`; counted down by the loop. */
  credit: number;
  /** Whether the thread is bound to its client's CPU: spinning there would only keep the client from running. */
  readonly following: boolean;
  /** Looks at a request, and may move the calling thread. Sets `credit` anew. */
  observe(request: Uint8Array): void;
  /** Lets the calling thread float again. */
  release(): void;
}

/** Of the operating system; replaced in tests. */
export interface Placement {
  /** The CPU that thread `tid` ran on last, −1 if it cannot be known. */
  cpuOf(tid: number): number;
  /** CPUs that the calling thread may use. */
  readonly cpus: readonly number[];
  /** Binds the calling thread. */
  bind(cpus: readonly number[]): void;
  close(): void;
}

/** Observations in a row that must agree before the thread first moves. */
const WINDOW = 6;
/** Requests between observations: while it is unclear where to go, when it is clear, and after a long time of neither. */
const SEARCHING = 32;
const SETTLED = 256;
const SCATTERED = 1024;
/** Observations after which searching becomes rare. */
const PATIENCE = 24;
/** Where `fuse_in_header` has the caller's thread id. */
const PID_OFFSET = 32;

/**
 * Waking a thread on another CPU is most of what a round trip costs. Here a sample of the requests' callers is looked up in
 * /proc. If they are one thread, or all run on one CPU, the serving thread is bound to that CPU, and each wake-up becomes a
 * plain context switch; a single client is followed at once when it moves, because the scheduler is tempted to move it
 * away from a CPU that its server keeps busy. Callers on several CPUs are served by a thread that floats. Only the serving
 * thread is ever moved.
 */
export class CpuFollower implements ClientFollower {
  credit = SEARCHING;
  readonly #placement: Placement;
  #tid = 0;
  /** Observations in a row that were of the thread `#tid`, and that were of the CPU `#cpu`. */
  #sameTid = 0;
  #cpu = -1;
  #sameCpu = 0;
  #searched = 0;
  #bound = -1;

  constructor(placement: Placement = new ThreadPlacement()) {
    this.#placement = placement;
  }

  get following(): boolean {
    return this.#bound >= 0;
  }

  observe(request: Uint8Array): void {
    this.credit = SEARCHING;
    const tid = tidOf(request);
    // 0: a caller outside our pid namespace, or the kernel itself.
    const cpu = tid === 0 ? -1 : this.#placement.cpuOf(tid);
    if (cpu < 0) return;
    this.#sameTid = tid === this.#tid ? this.#sameTid + 1 : 1;
    this.#sameCpu = cpu === this.#cpu ? this.#sameCpu + 1 : 1;
    this.#tid = tid;
    this.#cpu = cpu;
    if (this.#sameTid >= WINDOW || this.#sameCpu >= WINDOW) {
      this.#searched = 0;
      this.credit = SETTLED;
      if (cpu !== this.#bound && this.#placement.cpus.includes(cpu)) this.#move(cpu);
      return;
    }
    if (this.#bound >= 0 && cpu !== this.#bound) this.#move(-1);
    if (++this.#searched > PATIENCE) this.credit = SCATTERED;
  }

  release(): void {
    if (this.#bound >= 0) this.#move(-1);
    this.#placement.close();
  }

  #move(cpu: number): void {
    this.#bound = cpu;
    this.#placement.bind(cpu < 0 ? this.#placement.cpus : [cpu]);
  }
}

function tidOf(request: Uint8Array): number {
  const at = PID_OFFSET;
  return request[at]! | (request[at + 1]! << 8) | (request[at + 2]! << 16) | (request[at + 3]! << 24);
}

const CLOSE_PARENTHESIS = 0x29;
const SPACE = 0x20;
/** Spaces between the name in parentheses and field 39, `processor`. */
const SPACES_BEFORE_CPU = 37;

/** The field `processor` in the first `length` bytes of a /proc/…/stat, −1 if it is not there. */
export function parseProcessor(stat: Uint8Array, length: number): number {
  // The name may contain spaces and parentheses; what follows it does not.
  let at = stat.subarray(0, length).lastIndexOf(CLOSE_PARENTHESIS);
  if (at < 0) return -1;
  for (let spaces = 0; spaces < SPACES_BEFORE_CPU; at++) {
    if (at >= length) return -1;
    if (stat[at] === SPACE) spaces++;
  }
  let cpu = -1;
  for (; at < length; at++) {
    const digit = stat[at]! - 0x30;
    if (!(digit >= 0 && digit <= 9)) break;
    cpu = Math.max(cpu, 0) * 10 + digit;
  }
  return cpu;
}

/** The calling thread, and /proc. Keeps the last caller's file open: it is mostly the same one. */
class ThreadPlacement implements Placement {
  readonly cpus: readonly number[] = getAffinity();
  readonly #stat = new Uint8Array(1024);
  #tid = 0;
  #fd = -1;

  cpuOf(tid: number): number {
    if (tid !== this.#tid) {
      this.close();
      try {
        this.#fd = openSync(`/proc/${tid}/stat`, "r");
      } catch {
        return -1;
      }
      this.#tid = tid;
    }
    return parseProcessor(this.#stat, pread(this.#fd, this.#stat, 0, this.#stat.length, 0));
  }

  bind(cpus: readonly number[]): void {
    try {
      setAffinity(0, cpus);
    } catch {
      // The CPU went away, or a filter forbids the call: floating is never wrong.
    }
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
    this.#tid = 0;
  }
}
