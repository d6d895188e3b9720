/**
 * What a round trip through the serving loop costs, by where the serving thread runs. Needs root and /dev/fuse.
 *
 * Ways: `float` (the scheduler decides, no spinning), `spin` (float, and look for the next request before sleeping),
 * `follow` (the library's default). They are interleaved, each round a fresh mount; printed are medians, and ratios to float.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, openSync, readSync, rmdirSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Attributes,
  CpuFollower,
  DeviceTransport,
  mountFuse,
  ServingLoop,
  Session,
  setReadAhead,
  unmount,
} from "@bulkhead/fuse";
import { close } from "@bulkhead/linux";
import { needRoot, readOptions } from "./command-line.js";
import { countOf } from "./count.js";
import { catchSignals, interruptible } from "./interruption.js";

const USAGE = `usage: node bench/dist/round-trip.js [OPTIONS]
  --rounds N  how often each is measured; 5`;

const WAYS = ["float", "spin", "follow"] as const;
const WORKLOADS = ["stat", "stat by two", "read"] as const;
type Way = (typeof WAYS)[number];
type Workload = (typeof WORKLOADS)[number];

const STATS = 10_000;
const READ_BYTES = 2 ** 30;
const READ_AHEAD_KB = 1024;
const FILE_SIZE = 2 ** 40;
const ROOT_ID = 1;

/** Serves the mount on descriptor 3: every name exists and is never cached, every file is endless. */
function serve(way: Way): void {
  let nodeid = ROOT_ID;
  const describe = (id: number, attr: Attributes) => {
    attr.ino = id;
    attr.nlink = 1;
    attr.mode = id === ROOT_ID ? 0o040755 : 0o100644;
    attr.size = FILE_SIZE;
  };
  const session = new Session({
    LOOKUP(_context, _name, entry) {
      entry.nodeid = ++nodeid;
      entry.attr_valid = 1000;
      describe(nodeid, entry.attr);
      return 0;
    },
    GETATTR(context, _request, reply) {
      reply.attr_valid = 1000;
      describe(context.nodeid, reply.attr);
      return 0;
    },
    READ: (_context, _request, window) => window.length,
  });
  new ServingLoop({
    session,
    transport: new DeviceTransport(3),
    spin: way === "float" ? 0 : 30,
    onServing: () => void process.stdout.write("serving\n"),
    ...(way === "follow" ? { follower: new CpuFollower() } : {}),
  }).run();
}

/** Microseconds per stat, or GB/s. */
function work(folder: string, workload: Workload): number {
  const begin = performance.now();
  if (workload === "read") {
    const buffer = new Uint8Array(1 << 20);
    const fd = openSync(join(folder, `file-${process.pid}`), "r");
    for (let read = 0; read < READ_BYTES; ) read += readSync(fd, buffer);
    return READ_BYTES / (performance.now() - begin) / 1e6;
  }
  for (let i = 0; i < STATS; i++) statSync(join(folder, `${process.pid}-${i}`));
  return ((performance.now() - begin) * 1000) / STATS;
}

async function client(folder: string, workload: Workload): Promise<number> {
  const child = spawn(process.execPath, [import.meta.filename, "work", folder, workload], {
    stdio: ["ignore", "pipe", "inherit"],
    timeout: 60_000,
  });
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  await once(child, "close");
  return Number(output);
}

async function measure(folder: string, way: Way): Promise<number[]> {
  const { fd, info } = mountFuse(folder, { subtype: "round-trip" });
  const server = spawn(process.execPath, [import.meta.filename, "serve", way], {
    stdio: ["ignore", "pipe", "inherit", fd],
  });
  // It alone has it from here on: without it, nobody waits for an answer any more.
  close(fd);
  const exited = once(server, "exit");
  try {
    // The mount is not touched before INIT was answered; the first request comes from the kernel itself.
    const ended = exited.then(() => Promise.reject(new Error("the server has ended")));
    await Promise.race([server.stdout === null ? ended : once(server.stdout, "data"), ended]);
    setReadAhead(info, READ_AHEAD_KB);
    const results: number[] = [];
    for (const workload of WORKLOADS) {
      const clients = workload === "stat by two" ? 2 : 1;
      const each = await Promise.all(Array.from({ length: clients }, () => client(folder, workload)));
      results.push(each.reduce((sum, value) => sum + value, 0) / clients);
    }
    return results;
  } finally {
    unmount(folder, { lazy: true });
    server.kill("SIGKILL");
    await exited;
  }
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

async function main(rounds: number): Promise<void> {
  needRoot();
  const folder = mkdtempSync(join(tmpdir(), "round-trip-"));
  const cleanUp = () => rmdirSync(folder);
  catchSignals();
  const all = new Map<Way, number[][]>(WAYS.map((way) => [way, []]));
  try {
    for (let round = 0; round < rounds; round++) {
      for (const way of WAYS) all.get(way)?.push(await interruptible(() => measure(folder, way), cleanUp));
    }
  } finally {
    cleanUp();
  }
  const medians = (way: Way) =>
    WORKLOADS.map((_, i) => median((all.get(way) ?? []).map((row) => row[i] ?? Number.NaN)));
  const base = medians("float");
  console.log(`way      ${WORKLOADS.map((name) => name.padEnd(26)).join("")}`);
  for (const way of WAYS) {
    const cells = medians(way).map((value, i) => {
      const faster = WORKLOADS[i] === "read" ? value / base[i]! : base[i]! / value;
      const unit = WORKLOADS[i] === "read" ? "GB/s" : "µs";
      return `${value.toFixed(1)} ${unit} (${faster.toFixed(2)}x)`.padEnd(26);
    });
    console.log(`${way.padEnd(9)}${cells.join("")}`);
  }
}

const [role, first = "", second = ""] = process.argv.slice(2);
if (role === "serve") serve(first as Way);
else if (role === "work") process.stdout.write(String(work(first, second as Workload)));
else await main(countOf("rounds", readOptions(USAGE, { rounds: { type: "string", default: "5" } }).rounds));
