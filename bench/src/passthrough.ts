/**
 * What passthrough costs: fio on the mirror of `examples/mirror`, and on the directory that it mirrors. Needs root and fio.
 *
 * Both read and write the same file, one right after the other, first the one and in the next round first the other. Printed are
 * the medians of the ratios of such pairs, and their quartiles; 1 is as fast as without the mirror. The same of the processor time
 * per byte that fio takes ("by CPU"), which on a machine that has other work to do is the better word on what memory limits; what the
 * mirror itself takes, where it is asked, is not in it. Timings fail nothing.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unmount } from "@bulkhead/fuse";
import { readOptions } from "./command-line.js";
import { countOf } from "./count.js";
import { fio } from "./fio.js";
import { catchSignals, interruptible } from "./interruption.js";
import { chosenOf } from "./selection.js";

const USAGE = `usage: node bench/dist/passthrough.js [OPTIONS]
  --rounds N         how many pairs of each are measured; 7
  --only WORD        only those with WORD in their name; may be repeated: with all of them
  --milliseconds MS  how long each takes; 1000
  --no-passthrough   the mirror answers READ and WRITE itself
  --directory DIR    where the files are made; the temporary directory`;

const SIZE = "256M";
const GOAL = 0.95;
const mirror = new URL("../../examples/mirror/dist/main.js", import.meta.url).pathname;

interface Workload {
  readonly name: string;
  readonly fio: readonly string[];
  /** What is to be reached of the underlying file system; none where requests reach the server by design. */
  readonly goal?: number;
}

const buffered = (name: string, rw: string, bs: string): Workload => ({
  name: `buffered ${name}`,
  fio: [`--rw=${rw}`, `--bs=${bs}`, "--ioengine=psync"],
  goal: GOAL,
});
const direct = (name: string, rw: string, bs: string, depth = 1): Workload => ({
  name: `direct ${name}${depth > 1 ? `, ${depth} at once` : ""}`,
  fio: [`--rw=${rw}`, `--bs=${bs}`, "--direct=1", ...(depth > 1 ? ["--ioengine=libaio", `--iodepth=${depth}`] : [])],
  goal: GOAL,
});

const WORKLOADS: readonly Workload[] = [
  buffered("sequential read, 1 MiB", "read", "1M"),
  buffered("sequential read, 64 KiB", "read", "64k"),
  buffered("sequential read, 4 KiB", "read", "4k"),
  buffered("random read, 64 KiB", "randread", "64k"),
  buffered("random read, 4 KiB", "randread", "4k"),
  buffered("sequential write, 1 MiB", "write", "1M"),
  buffered("sequential write, 64 KiB", "write", "64k"),
  buffered("sequential write, 4 KiB", "write", "4k"),
  buffered("random write, 4 KiB", "randwrite", "4k"),
  { name: "mapped random read, 4 KiB", fio: ["--rw=randread", "--bs=4k", "--ioengine=mmap"], goal: GOAL },
  { name: "mapped random write, 4 KiB", fio: ["--rw=randwrite", "--bs=4k", "--ioengine=mmap"], goal: GOAL },
  direct("sequential read, 1 MiB", "read", "1M"),
  direct("sequential write, 1 MiB", "write", "1M"),
  direct("random read, 4 KiB", "randread", "4k"),
  direct("random write, 4 KiB", "randwrite", "4k"),
  direct("random read, 4 KiB", "randread", "4k", 16),
  direct("random write, 4 KiB", "randwrite", "4k", 16),
  // fsync is a request to the server.
  { name: "random write, 4 KiB, fdatasync after each 16", fio: ["--rw=randwrite", "--bs=4k", "--fdatasync=16"] },
];

/** What fio did in `directory`. */
function measure(directory: string, { name, fio: workload }: Workload, milliseconds: number): Speed {
  const file = `--filename=${join(directory, "data")}`;
  const common = ["--name=pair", file, `--size=${SIZE}`, "--invalidate=0", "--randrepeat=1"];
  const timed = ["--time_based=1", `--runtime=${milliseconds}ms`];
  const [job] = fio<FioJob>(name, [...common, ...timed, ...workload], 120);
  const { read, write, usr_cpu, sys_cpu, job_runtime } = job!;
  const bytes = read.io_bytes + write.io_bytes;
  const bandwidth = (read.bw + write.bw) * 1024;
  return { bandwidth, perCpu: bytes / ((((usr_cpu + sys_cpu) / 100) * job_runtime) / 1000) };
}

/** Bytes per second, and per second of the processor's time. */
interface Speed {
  readonly bandwidth: number;
  readonly perCpu: number;
}

/** Of fio's report: KiB/s, percent, milliseconds. */
interface FioJob {
  readonly read: { readonly bw: number; readonly io_bytes: number };
  readonly write: { readonly bw: number; readonly io_bytes: number };
  readonly usr_cpu: number;
  readonly sys_cpu: number;
  readonly job_runtime: number;
}

const quantile = (values: readonly number[], q: number) =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))]!;

function report({ name, goal }: Workload, pairs: readonly { below: Speed; above: Speed }[]): void {
  const summary = (ratios: readonly number[]) => {
    const [median, low, high] = [0.5, 0.25, 0.75].map((q) => quantile(ratios, q).toFixed(2));
    return `${median}x (${low}–${high})`;
  };
  const ratios = pairs.map(({ below, above }) => above.bandwidth / below.bandwidth);
  const byCpu = pairs.map(({ below, above }) => above.perCpu / below.perCpu);
  const speed = quantile(
    pairs.map(({ above }) => above.bandwidth / 1e6),
    0.5,
  );
  const reached = goal !== undefined && quantile(ratios, 0.5) >= goal;
  const verdict = goal === undefined ? "" : `   goal ${goal}${reached ? ", reached" : ""}`;
  const line = `${name.padEnd(46)} ${speed.toFixed(0).padStart(6)} MB/s  ${summary(ratios)}`;
  console.log(`${line.padEnd(80)} by CPU ${summary(byCpu)}${verdict}`);
}

async function main(): Promise<void> {
  const values = readOptions(USAGE, {
    rounds: { type: "string", default: "7" },
    only: { type: "string", multiple: true, default: [] },
    milliseconds: { type: "string", default: "1000" },
    "no-passthrough": { type: "boolean", default: false },
    directory: { type: "string", default: tmpdir() },
  });
  const milliseconds = countOf("milliseconds", values.milliseconds);
  const rounds = countOf("rounds", values.rounds);
  const chosen = chosenOf(WORKLOADS, values.only, "every");
  catchSignals();
  const folder = mkdtempSync(join(values.directory, "passthrough-"));
  const [below, above] = [join(folder, "below"), join(folder, "above")];
  for (const directory of [below, above]) mkdirSync(directory);
  const options = values["no-passthrough"] ? ["--no-passthrough"] : [];
  const server = spawn(process.execPath, [mirror, ...options, below, above], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(server, "exit");
  function cleanUp(): void {
    try {
      unmount(above, { lazy: true });
    } catch {} // unmounted already, as it should be
    rmSync(folder, { recursive: true });
  }
  try {
    await Promise.race([
      once(server.stdout, "data"),
      exited.then(() => Promise.reject(new Error("the mirror has ended"))),
    ]);
    const layOut = { name: "laying out", fio: ["--rw=write", "--bs=1M", "--time_based=0"] };
    await interruptible(() => measure(below, layOut, 0), cleanUp);
    for (const workload of chosen) {
      const pairs: { below: Speed; above: Speed }[] = [];
      for (let round = 0; round < rounds; round++) {
        const pair = new Map<string, Speed>();
        for (const directory of round % 2 === 0 ? [below, above] : [above, below]) {
          const part = () => measure(directory, workload, milliseconds);
          pair.set(directory, await interruptible(part, cleanUp));
        }
        pairs.push({ below: pair.get(below)!, above: pair.get(above)! });
      }
      report(workload, pairs);
    }
  } finally {
    server.kill("SIGINT");
    const forced = setTimeout(() => server.kill("SIGKILL"), 10_000);
    await exited;
    clearTimeout(forced);
    cleanUp();
  }
}

await main();
