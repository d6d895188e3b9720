import { closeSync, openSync, readFileSync } from "node:fs";
import { getAffinity, Policy, pread, setAffinity, setPolicy } from "@bulkhead/linux";

/** Keeps the serving thread where its client is. Called by the loop in the serving thread. */
export interface ClientFollower {
  /** Requests until the next `observe`; counted down by the loop. */
  credit: number;
  /** Whether the thread is bound to its client's CPU: spinning there would only keep the client from running. */
  readonly following: boolean;
  /** Looks at a request, and may move the calling thread. Sets `credit` anew. */
  observe(request: Uint8Array): void;
  /** Told, while following, when nothing more was queued after `request` was answered. */
  starved(request: Uint8Array): void;
  /** Lets the calling thread float again. */
  release(): void;
}

/** Of the operating system; replaced in tests. */
export interface Placement {
  /** CPUs that the calling thread may be bound to; none if it cannot follow safely. */
  readonly cpus: readonly number[];
  /** The CPU that thread `tid` ran on last, −1 if it cannot be known now. */
  cpuOf(tid: number): number;
  /** Has `tell` called when a CPU gets known that was asked for before. */
  onTold?(tell: (tid: number, cpu: number) => void): void;
  /** Binds the calling thread to `cpu`, and has it give way to whoever runs there. */
  follow(cpu: number): void;
  /** Undoes `follow`. */
  float(): void;
  /** Milliseconds that the calling thread has spent runnable but not running, in its life. */
  delay(): number;
  /** Milliseconds that only grow. */
  now(): number;
  close(): void;
}

/** Observations in a row that must agree before the thread first moves. */
const WINDOW = 6;
/** Requests between observations: usually, while following, and after a long search for one CPU in vain. */
const USUAL = 32;
const FOLLOWING = 16;
const SCATTERED = 1024;
/** Observations after which searching becomes rare. */
const PATIENCE = 24;
/**
 * While following, every so many observations the client is looked up again, though there was nothing to notice. Rarely: where another
 * process has to be asked for it, that one wakes up on another CPU, and on some kernels draws the client there.
 */
const LOOK_AGAIN = 256;
/** The most times in a row that a client is thought to have stayed when it asked nothing. */
const LONGEST_TRUST = 64;
/** Milliseconds of waiting for the CPU, per request, above which following costs more than a wake-up elsewhere. */
const TOLERABLE_DELAY = 0.3;
/** Observations in a row above it that make it the rule: one is any process's time slice. */
const STRIKES = 3;
/** Milliseconds without following after that: at first, and at most, doubling in between. */
const REST = 1_000;
const LONGEST_REST = 128_000;

/** Where `fuse_in_header` has the opcode and the caller's thread id, and where `fuse_read_in` and `fuse_write_in` have the size. */
const OPCODE_OFFSET = 4;
const PID_OFFSET = 32;
const SIZE_OFFSET = 56;
const READ = 15;
const WRITE = 16;
/** Bytes from which a read or write is a stream: moving the data takes longer than the wake-up. */
const STREAM = 65_536;

/**
 * Waking a thread on another CPU is most of what a round trip costs. Here a sample of the requests' callers is looked up in
 * /proc. If they are one thread, or all run on one CPU, the serving thread is bound to that CPU, and each wake-up becomes a
 * plain context switch. Callers on several CPUs are served by a thread that floats, and so are large reads and writes, where
 * server and client copy at the same time. Only the serving thread is ever moved.
 *
 * A client that the scheduler moves away after all is noticed at once: on the same CPU it runs as soon as it has its reply, and
 * its next request is there when the server looks again; when none is there, it may be elsewhere, and is looked up.
 *
 * Bound to the client's CPU, it runs as SCHED_IDLE: otherwise the scheduler, waking the client, finds that CPU busy (with
 * the server) and moves the client to another. The price is that anybody else on that CPU goes first. So the time spent
 * waiting for the CPU is watched, and where it is more than a wake-up costs (a loaded machine, a client that computes while
 * data is read ahead) the thread floats again at its normal priority, and rests from following for a while.
 */
export class CpuFollower implements ClientFollower {
  credit = USUAL;
  readonly #placement: Placement;
  #tid = 0;
  /** Observations in a row that were of the thread `#tid`, and that were of the CPU `#cpu`. */
  #sameTid = 0;
  #cpu = -1;
  #sameCpu = 0;
  #searched = 0;
  #bound = -1;
  /** While following: observations since the client was looked up, and the delay at the last one. */
  #unseen = 0;
  #delay = 0;
  /** Observations in a row with too much of it. */
  #strikes = 0;
  /** While following: looks for more in vain before the next makes the client be looked up, and how many come after that. */
  #trust = 0;
  #trusted = 1;
  #since = 0;
  #restUntil = 0;
  #rest = REST;

  constructor(placement: Placement = new ThreadPlacement()) {
    this.#placement = placement;
    placement.onTold?.((tid, cpu) => this.#found(tid, cpu));
    if (placement.cpus.length < 2) this.credit = Number.POSITIVE_INFINITY;
  }

  get following(): boolean {
    return this.#bound >= 0;
  }

  observe(request: Uint8Array): void {
    const placement = this.#placement;
    this.credit = USUAL;
    if (isStream(request)) {
      this.#sameTid = 0;
      this.#sameCpu = 0;
      if (this.#bound >= 0) this.#float();
      return;
    }
    if (this.#bound >= 0) {
      const delay = placement.delay();
      const waited = (delay - this.#delay) / FOLLOWING;
      this.credit = FOLLOWING;
      this.#delay = delay;
      this.#strikes = waited > TOLERABLE_DELAY ? this.#strikes + 1 : 0;
      if (this.#strikes === STRIKES) {
        this.#giveUp();
        return;
      }
      if (++this.#unseen < LOOK_AGAIN) return;
      this.#unseen = 0;
    } else if (this.#restUntil > 0) {
      this.credit = SCATTERED;
      if (placement.now() < this.#restUntil) return;
      this.#restUntil = 0;
      this.credit = USUAL;
    }
    this.#look(tidOf(request));
  }

  starved(request: Uint8Array): void {
    if (this.#bound < 0 || this.#trust-- > 0) return;
    // A client that thinks between its requests is not looked up for each of them.
    this.#trusted = Math.min(2 * this.#trusted, LONGEST_TRUST);
    this.#trust = this.#trusted;
    this.#look(tidOf(request));
  }

  release(): void {
    if (this.#bound >= 0) this.#float();
    this.#placement.close();
  }

  #look(tid: number): void {
    // 0: a caller outside our pid namespace, or the kernel itself.
    if (tid !== 0) this.#found(tid, this.#placement.cpuOf(tid));
  }

  #found(tid: number, cpu: number): void {
    if (cpu < 0) return;
    this.#sameTid = tid === this.#tid ? this.#sameTid + 1 : 1;
    this.#sameCpu = cpu === this.#cpu ? this.#sameCpu + 1 : 1;
    this.#tid = tid;
    this.#cpu = cpu;
    if (this.#sameTid >= WINDOW || this.#sameCpu >= WINDOW) {
      this.#searched = 0;
      if (cpu !== this.#bound && this.#placement.cpus.includes(cpu)) this.#follow(cpu);
      return;
    }
    if (this.#bound >= 0) {
      if (cpu !== this.#bound) this.#float();
      // A new client: look at every observation until it is known.
      this.#unseen = LOOK_AGAIN;
    }
    if (++this.#searched > PATIENCE) this.credit = SCATTERED;
  }

  #follow(cpu: number): void {
    if (this.#bound < 0) this.#since = this.#placement.now();
    this.#trusted = 1;
    this.#trust = this.#bound < 0 ? 0 : 1;
    this.#bound = cpu;
    this.credit = FOLLOWING;
    this.#placement.follow(cpu);
    this.#delay = this.#placement.delay();
    this.#strikes = 0;
  }

  #float(): void {
    this.#bound = -1;
    this.credit = USUAL;
    this.#placement.float();
  }

  /** Followed for long: that it failed now says little. Failed soon: it would again. */
  #giveUp(): void {
    const now = this.#placement.now();
    this.#float();
    this.#rest = now - this.#since > LONGEST_REST ? REST : Math.min(2 * this.#rest, LONGEST_REST);
    this.#restUntil = now + this.#rest;
    this.#sameTid = 0;
    this.#sameCpu = 0;
  }
}

function tidOf(request: Uint8Array): number {
  return u32(request, PID_OFFSET) | 0;
}

function isStream(request: Uint8Array): boolean {
  const opcode = u32(request, OPCODE_OFFSET);
  return (opcode === READ || opcode === WRITE) && u32(request, SIZE_OFFSET) >= STREAM;
}

/** The loop's buffer is longer than any offset here. */
function u32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
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

const CAP_SYS_NICE = 23;
/** RLIMIT_NICE that allows nice 0. */
const NICE_0 = 20;

/** Whether a SCHED_IDLE thread of this process may become a normal one again. */
function mayLeaveIdle(): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync("/proc/thread-self/status", "latin1"))?.[1] ?? "0";
  if ((BigInt(`0x${effective}`) >> BigInt(CAP_SYS_NICE)) & 1n) return true;
  const limit = /^Max nice priority\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1] ?? "0";
  return limit === "unlimited" || Number(limit) >= NICE_0;
}

/** The second field of a /proc/…/schedstat: ns spent waiting for a CPU. In milliseconds. */
function parseDelay(text: Uint8Array, length: number): number {
  let at = 0;
  while (at < length && text[at] !== SPACE) at++;
  let delay = 0;
  for (at++; at < length && text[at] !== SPACE; at++) delay = delay * 10 + (text[at]! - 0x30);
  return delay / 1e6;
}

/** What the calling thread may not be able to see or do itself. */
export interface Surroundings {
  /** The CPU that a thread ran on last, −1 if it cannot be known now. */
  cpuOf(tid: number): number;
  /** Has `tell` called when a CPU gets known that was asked for before. */
  onTold?(tell: (tid: number, cpu: number) => void): void;
  /** Whether a SCHED_IDLE thread of this process can become a normal one again. */
  readonly canLeaveIdle: boolean;
  /** Makes the calling thread a normal one. */
  leaveIdle(): void;
  close(): void;
}

/** As /proc tells. Keeps the last thread's file open: it is mostly the same one. */
export class ThreadLookup implements Surroundings {
  readonly #text = new Uint8Array(1024);
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
    return parseProcessor(this.#text, pread(this.#fd, this.#text, 0, this.#text.length, 0));
  }

  get canLeaveIdle(): boolean {
    return mayLeaveIdle();
  }

  leaveIdle(): void {
    setPolicy(0, Policy.OTHER);
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
    this.#tid = 0;
  }
}

/** The calling thread. */
export class ThreadPlacement implements Placement {
  readonly cpus: readonly number[];
  readonly #text = new Uint8Array(1024);
  #schedstat: number;
  readonly #surroundings: Surroundings;

  /** @param surroundings default as this process sees them; closed in the end */
  constructor(surroundings: Surroundings = new ThreadLookup()) {
    this.#surroundings = surroundings;
    let cpus: readonly number[] = [];
    let schedstat = -1;
    try {
      if (surroundings.canLeaveIdle) cpus = getAffinity();
      schedstat = openSync("/proc/thread-self/schedstat", "r");
    } catch {
      // No /proc, or none of this: floating is never wrong.
      cpus = [];
    }
    this.cpus = cpus;
    this.#schedstat = schedstat;
  }

  cpuOf(tid: number): number {
    return this.#surroundings.cpuOf(tid);
  }

  onTold(tell: (tid: number, cpu: number) => void): void {
    this.#surroundings.onTold?.(tell);
  }

  follow(cpu: number): void {
    this.#place([cpu], () => setPolicy(0, Policy.IDLE));
  }

  float(): void {
    this.#place(this.cpus, () => this.#surroundings.leaveIdle());
  }

  delay(): number {
    return parseDelay(this.#text, pread(this.#schedstat, this.#text, 0, this.#text.length, 0));
  }

  now(): number {
    return performance.now();
  }

  close(): void {
    this.#surroundings.close();
    if (this.#schedstat >= 0) closeSync(this.#schedstat);
    this.#schedstat = -1;
  }

  #place(cpus: readonly number[], setPriority: () => void): void {
    try {
      setPriority();
      setAffinity(0, cpus);
    } catch {
      // The CPU went away, or a filter forbids the call.
    }
  }
}
