// npm run bench [-- --rounds N] [--only WORD …]
//
// Kernel ext4 on a loop device, fuse2fs and Bulkhead, one after another in every round, on the same image and with the same
// client process. Prints medians and ratios, writes bench/results/*.json, and runs e2fsck on the images afterwards. Timings
// never fail anything; a damaged image does.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type ContenderName, mount } from "./contenders.js";
import { type BenchImages, makeImages } from "./images.js";

interface Benchmark {
  readonly name: string;
  /** The client's workload; none measures the mount itself. */
  readonly workload: string | undefined;
  readonly image: keyof BenchImages;
  /** "cold": fresh mount, image not in the page cache. "cached": fresh mount, image in it. "warm": second pass of a client. */
  readonly state: "cold" | "cached" | "warm";
  readonly contenders: readonly ContenderName[];
  /** What to reach: this many times as fast as the other. */
  readonly goals: Partial<Record<ContenderName, number>>;
}

const all = ["kernel", "fuse2fs", "bulkhead"] as const;

const benchmarks: readonly Benchmark[] = [
  {
    name: "sequential read of 1 GiB, image cached",
    workload: "read-sequential",
    image: "main",
    state: "cached",
    contenders: all,
    goals: { fuse2fs: 1.8 },
  },
  {
    name: "sequential read of 1 GiB, image on disk",
    workload: "read-sequential",
    image: "main",
    state: "cold",
    contenders: ["kernel-direct", "fuse2fs", "bulkhead"],
    goals: { "kernel-direct": 0.95 },
  },
  {
    name: "sequential read of 1 GiB, warm",
    workload: "read-sequential",
    image: "main",
    state: "warm",
    contenders: all,
    goals: { kernel: 1 },
  },
  {
    name: "random 4 KiB reads, cold",
    workload: "read-random-4k",
    image: "main",
    state: "cold",
    contenders: all,
    goals: { kernel: 1 },
  },
  {
    name: "stat of 20,000 files, cold",
    workload: "stat",
    image: "main",
    state: "cold",
    contenders: all,
    goals: { fuse2fs: 15 },
  },
  {
    name: "stat of 20,000 files, warm",
    workload: "stat",
    image: "main",
    state: "warm",
    contenders: all,
    goals: { kernel: 0.9 },
  },
  {
    name: "ls -l of 20,000 files, cold",
    workload: "list-long",
    image: "main",
    state: "cold",
    contenders: all,
    goals: { fuse2fs: 15 },
  },
  {
    name: "find + cat of 30,000 files, cold",
    workload: "find-cat",
    image: "main",
    state: "cold",
    contenders: all,
    goals: { fuse2fs: 3 },
  },
  {
    name: "10,000 look-ups among 100,000 names",
    workload: "lookup-random",
    image: "main",
    state: "cold",
    contenders: all,
    goals: { fuse2fs: 30 },
  },
  { name: "statfs", workload: "statfs", image: "main", state: "cached", contenders: all, goals: { fuse2fs: 1 } },
  { name: "getxattr", workload: "getxattr", image: "main", state: "cached", contenders: all, goals: { fuse2fs: 1 } },
  {
    name: "mount of 200,000 inodes",
    workload: undefined,
    image: "inodes",
    state: "cached",
    contenders: all,
    goals: {},
  },
];

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    only: { type: "string", multiple: true, default: [] },
    images: { type: "string", default: join(tmpdir(), "bulkhead-bench") },
  },
});
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1)
  throw new Error(`--rounds ${values.rounds}: a whole number from 1 on is needed`);

const client = fileURLToPath(new URL("./client.js", import.meta.url));

function dropCaches(): void {
  execFileSync("sync");
  writeFileSync("/proc/sys/vm/drop_caches", "3");
}

interface Sample {
  seconds: number;
  /** KiB. */
  memory: number | undefined;
}

/** One contender, one pass. */
function measure(benchmark: Benchmark, contender: ContenderName, images: BenchImages): Sample {
  const image = images[benchmark.image];
  dropCaches();
  if (benchmark.state === "cached") execFileSync("cat", [image], { stdio: ["ignore", "ignore", "inherit"] });
  const mounted = mount(contender, image);
  try {
    if (benchmark.workload === undefined)
      return { seconds: mounted.mountMilliseconds / 1000, memory: mounted.peakMemory() };
    if (benchmark.state === "cold") dropCaches();
    const passes = benchmark.state === "warm" ? "2" : "1";
    const result = spawnSync(process.execPath, [client, benchmark.workload, mounted.directory, passes], {
      encoding: "utf8",
      timeout: 600_000,
    });
    if (result.status !== 0)
      throw new Error(`${benchmark.name} on ${contender}: ${result.stderr || result.error?.message}`);
    const { seconds } = JSON.parse(result.stdout) as { seconds: number };
    return { seconds, memory: mounted.peakMemory() };
  } finally {
    mounted.unmount();
  }
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

const images = makeImages(values.images);
const chosen = benchmarks.filter(
  ({ name }) => values.only.length === 0 || values.only.some((word) => name.includes(word)),
);
const report = [];
let peak = 0;
for (const benchmark of chosen) {
  const samples = new Map<ContenderName, number[]>(benchmark.contenders.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const contender of benchmark.contenders) {
      const { seconds, memory } = measure(benchmark, contender, images);
      samples.get(contender)!.push(seconds);
      if (contender === "bulkhead") peak = Math.max(peak, memory ?? 0);
    }
  }
  const ours = median(samples.get("bulkhead")!);
  const line = [`${benchmark.name.padEnd(42)} ${(ours * 1000).toFixed(0).padStart(7)} ms`];
  const ratios: Partial<Record<ContenderName, number>> = {};
  for (const contender of benchmark.contenders) {
    if (contender === "bulkhead") continue;
    const ratio = median(samples.get(contender)!) / ours;
    const goal = benchmark.goals[contender];
    ratios[contender] = ratio;
    line.push(
      `${ratio.toFixed(2)}x ${contender}${goal === undefined ? "" : ` (goal ${goal}x${ratio >= goal ? ", reached" : ""})`}`,
    );
  }
  console.log(line.join("   "));
  report.push({ name: benchmark.name, ratios, goals: benchmark.goals, seconds: Object.fromEntries(samples) });
}
console.log(`peak memory of the server: ${(peak / 1024).toFixed(0)} MiB (goal 150)`);

const results = fileURLToPath(new URL("../results/", import.meta.url));
mkdirSync(results, { recursive: true });
const file = join(results, `${new Date().toISOString().replaceAll(":", "-")}.json`);
const machine = {
  cpus: cpus().length,
  model: cpus()[0]?.model,
  kernel: readFileSync("/proc/sys/kernel/osrelease", "utf8").trim(),
  node: process.version,
};
writeFileSync(file, `${JSON.stringify({ machine, rounds, peakMemoryKiB: peak, benchmarks: report }, null, 2)}\n`);
console.log(`written to ${file}`);

for (const image of Object.values(images)) {
  const check = spawnSync("e2fsck", ["-fn", image], { encoding: "utf8" });
  if (check.status !== 0) {
    console.error(`e2fsck -fn ${image} found errors:\n${check.stdout}`);
    process.exitCode = 1;
  }
}
