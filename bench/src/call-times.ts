/** Where the time of a thread goes, by system call: perf(1) counts them. What is not in a call is the program's own. */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface CallTimes {
  readonly name: string;
  readonly calls: number;
  /** In all of them. */
  readonly milliseconds: number;
}

export interface Profile {
  readonly calls: readonly CallTimes[];
  /** Milliseconds outside of them: at work, not waiting. */
  readonly own: number;
}

const pause = new Int32Array(new SharedArrayBuffer(4));
const ROW = /^\s+(\w+)\s+(\d+)\s+\d+\s+([\d.]+)\s/;
/** Milliseconds that perf has to attach, and to write what it found. */
const ATTACH = 500;
const WRITE = 10_000;

/** The thread that answers a mount's requests, of those of some processes. */
export function servingThread(processes: readonly number[]): number | undefined {
  for (const pid of processes) {
    for (const tid of readdirSync(`/proc/${pid}/task`)) {
      if (readFileSync(`/proc/${pid}/task/${tid}/comm`, "utf8").startsWith("fuse-serve")) return Number(tid);
    }
  }
  return undefined;
}

/** Begins to count what thread `tid` calls. @returns ends that, and gives what it found, the longest first, and the thread's own time */
export function watchCalls(tid: number): () => Profile {
  const directory = mkdtempSync(join(tmpdir(), "bulkhead-bench-calls-"));
  const report = join(directory, "report");
  const perf = spawn("perf", ["trace", "-s", "-t", String(tid), "-o", report], { stdio: "ignore" });
  Atomics.wait(pause, 0, 0, ATTACH);
  const before = userTime(tid);
  return () => {
    const own = userTime(tid) - before;
    try {
      perf.kill("SIGINT");
      for (let waited = 0; waited < WRITE && !isZombie(perf.pid); waited += 10) Atomics.wait(pause, 0, 0, 10);
      return { calls: parse(readFileSync(report, "latin1")), own };
    } finally {
      rmSync(directory, { recursive: true });
    }
  };
}

/** Milliseconds that a thread has run outside of the kernel. */
function userTime(tid: number): number {
  const stat = readFileSync(`/proc/${tid}/stat`, "latin1");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[11]) * 10;
}

function isZombie(pid: number | undefined): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, "latin1").includes(") Z ");
  } catch {
    return true;
  }
}

/** Threads are separated by a line that names them and their events; the busiest one counts. */
function parse(report: string): CallTimes[] {
  const threads = report.split(/^ \S.*events, .*$/m).slice(1);
  const events = [...report.matchAll(/, (\d+) events, /g)].map(([, count]) => Number(count));
  const busiest = threads[events.indexOf(Math.max(...events))] ?? "";
  return busiest
    .split("\n")
    .flatMap((line) => {
      const [, name, calls, milliseconds] = ROW.exec(line) ?? [];
      return name === undefined ? [] : [{ name, calls: Number(calls), milliseconds: Number(milliseconds) }];
    })
    .sort((a, b) => b.milliseconds - a.milliseconds);
}

/** In which a thread only waits to be asked something. */
const WAITING = new Set(["poll", "ppoll", "epoll_wait", "epoll_pwait", "futex", "restart_syscall"]);

/** The longest calls as shares of a time, the thread's own work, and the rest: what it waits for others. */
export function describe({ calls, own }: Profile, milliseconds: number): string {
  const share = (part: number) => `${((100 * Math.max(part, 0)) / milliseconds).toFixed(0)} %`;
  const working = calls.filter(({ name }) => !WAITING.has(name));
  const shown = working
    .filter((call) => call.milliseconds > 0.03 * milliseconds)
    .map(
      ({ name, calls, milliseconds }) =>
        `${name} ${share(milliseconds)} (${((1000 * milliseconds) / calls).toFixed(0)} µs each)`,
    );
  const rest = milliseconds - own - working.reduce((sum, call) => sum + call.milliseconds, 0);
  return [...shown, `own work ${share(own)}`, `waiting ${share(rest)}`].join(", ");
}
