// Kernel ext4 on a loop device, fuse2fs and Bulkhead, one after another in every round, on the same image and with the same
// client process. Prints medians and ratios, writes bench/results/*.json, and runs e2fsck on the images afterwards. Timings
// never fail anything; a damaged image does.
import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Benchmark, readBenchmarks, writeBenchmarks } from "./benchmarks.js";
import { needRoot, readOptions, refuse } from "./command-line.js";
import { type ContenderName, checkBuilt, contenderNamed, isOurs, mount } from "./contenders.js";
import { countOf } from "./count.js";
import { type BenchImages, makeImages, withEmptyImage } from "./images.js";
import { catchSignals, interruptible } from "./interruption.js";
import { geometricMean, median, quantile } from "./median.js";
import { Results } from "./results.js";
import { chosenOf } from "./selection.js";

const USAGE = `usage: npm run bench -- [OPTIONS]
  --rounds N         how often each is measured; 3
  --passes N         how often what writes is done on each mount, of which the last time counts; 1
  --only WORD        only those with WORD in their name; may be repeated
  --against WAY      compared with WAY, instead of the others; may be repeated: uncontained, norestart, kernel, fuse2fs
  --measure WAY      the way of ours that is compared; bulkhead
  --before CHECKOUT  compared with another checkout of ours, built
  --images DIR       where the images are kept; bulkhead-bench in the temporary directory
Other benchmarks: npm run bench -- file-io, copy, slow-disk, round-trip, profiles or passthrough; each has --help.`;

const values = readOptions(USAGE, {
  rounds: { type: "string", default: "3" },
  passes: { type: "string", default: "1" },
  only: { type: "string", multiple: true, default: [] },
  against: { type: "string", multiple: true },
  measure: { type: "string", default: "bulkhead" },
  before: { type: "string" },
  images: { type: "string", default: join(tmpdir(), "bulkhead-bench") },
});
const rounds = countOf("rounds", values.rounds);
const passes = countOf("passes", values.passes);

const ourselves = contenderNamed(values.measure);
const against = (values.before === undefined ? values.against : [...(values.against ?? []), "before"])?.map(
  contenderNamed,
);
if (values.before === undefined && [ourselves, ...(against ?? [])].includes("before"))
  refuse("which checkout was before? --before CHECKOUT");

const client = fileURLToPath(new URL("./client.js", import.meta.url));

// Node would read certificates before it starts: not what a mount takes.
delete process.env["NODE_EXTRA_CA_CERTS"];

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
  if (benchmark.image !== undefined) return measureOn(benchmark, contender, images[benchmark.image], images);
  return withEmptyImage(values.images, (image) => {
    const sample = measureOn(benchmark, contender, image, images);
    checkWritten(benchmark, contender, image);
    return sample;
  });
}

function measureOn(benchmark: Benchmark, contender: ContenderName, image: string, images: BenchImages): Sample {
  dropCaches();
  if (benchmark.state === "cached") execFileSync("cat", [image], { stdio: ["ignore", "ignore", "inherit"] });
  const mounted = mount(contender, image, benchmark.image === undefined, values.before);
  try {
    if (benchmark.workload === undefined)
      return { seconds: mounted.mountMilliseconds / 1000, memory: mounted.peakMemory() };
    if (benchmark.state === "cold") dropCaches();
    const times = benchmark.image === undefined ? passes : benchmark.state === "warm" ? 2 : 1;
    const result = spawnSync(process.execPath, [client, benchmark.workload, mounted.directory, `${times}`], {
      encoding: "utf8",
      timeout: 600_000,
      env: { ...process.env, BULKHEAD_BENCH_TAR: images.archive },
    });
    if (result.status !== 0)
      throw new Error(`${benchmark.name} on ${contender}: ${result.stderr || result.error?.message}`);
    const { seconds } = JSON.parse(result.stdout) as { seconds: number };
    return { seconds, memory: mounted.peakMemory() };
  } finally {
    mounted.unmount();
  }
}

/** A contender that leaves a damaged image is named; only of ours it is a failure. */
function checkWritten(benchmark: Benchmark, contender: ContenderName, image: string): void {
  const check = spawnSync("e2fsck", ["-fn", image], { encoding: "utf8" });
  if (check.status !== 0) {
    console.error(`${benchmark.name}: ${contender} leaves an image in which e2fsck finds errors`);
    if (isOurs(contender)) {
      console.error(check.stdout);
      process.exitCode = 1;
    }
  }
}

/** The middle half of the rounds' ratios, where there are enough of them. */
function spread(ratios: readonly number[]): string {
  if (ratios.length < 4) return "";
  return ` (${quantile(ratios, 0.25).toFixed(2)} to ${quantile(ratios, 0.75).toFixed(2)})`;
}

const chosen = chosenOf([...readBenchmarks, ...writeBenchmarks], values.only, "some");
const results = new Results("");
await checkBuilt(values.before);
needRoot();
catchSignals();
const images = makeImages(values.images);
const report: object[] = [];
const all = new Map<ContenderName, { ratio: number; ofRounds: number[] }[]>();
/** KiB, of ours. */
const peak = { reading: 0, writing: 0 };
for (const benchmark of chosen) {
  const others = against ?? benchmark.contenders.filter((name) => name !== "bulkhead");
  const contenders = [...others, ourselves];
  const samples = new Map<ContenderName, number[]>(contenders.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    // Another one begins each round: what one leaves behind (a device that is still busy, a processor's state) hits them all.
    for (const [n] of contenders.entries()) {
      const contender = contenders[(n + round) % contenders.length]!;
      const { seconds, memory } = await interruptible(() => measure(benchmark, contender, images));
      samples.get(contender)!.push(seconds);
      const kind = benchmark.image === undefined ? "writing" : "reading";
      if (contender === ourselves) peak[kind] = Math.max(peak[kind], memory ?? 0);
    }
  }
  const ours = median(samples.get(ourselves)!);
  const line = [`${benchmark.name.padEnd(42)} ${(ours * 1000).toFixed(0).padStart(7)} ms`];
  const ratios: Partial<Record<ContenderName, number>> = {};
  for (const contender of contenders) {
    if (contender === ourselves) continue;
    const ofRounds = samples.get(ourselves)!.map((seconds, round) => samples.get(contender)![round]! / seconds);
    const ratio = median(samples.get(contender)!) / ours;
    const goal = benchmark.goals[contender];
    ratios[contender] = ratio;
    all.set(contender, [...(all.get(contender) ?? []), { ratio, ofRounds }]);
    line.push(
      `${ratio.toFixed(2)}x${spread(ofRounds)} ${contender}${goal === undefined ? "" : ` (goal ${goal}x${ratio >= goal ? ", reached" : ""})`}`,
    );
  }
  console.log(line.join("   "));
  report.push({ name: benchmark.name, ratios, goals: benchmark.goals, seconds: Object.fromEntries(samples) });
  const { measure: measured, before } = values;
  results.save({ measured, before, rounds, passes, peakMemoryKiB: peak, benchmarks: report });
}
if (against !== undefined) {
  for (const [contender, ratios] of all) {
    const means = Array.from({ length: rounds }, (_, round) =>
      geometricMean(ratios.map(({ ofRounds }) => ofRounds[round]!)),
    );
    const mean = geometricMean(ratios.map(({ ratio }) => ratio));
    console.log(`all of these: ${mean.toFixed(3)}x${spread(means)} ${contender}`);
  }
}
const goals = { reading: "150", writing: "150 and cache_size, 64" };
for (const kind of ["reading", "writing"] as const) {
  if (peak[kind] > 0)
    console.log(`peak memory of the server, ${kind}: ${(peak[kind] / 1024).toFixed(0)} MiB (goal ${goals[kind]})`);
}
console.log(`written to ${results.path}`);

for (const image of [images.main, images.inodes, images.pieces]) {
  const check = spawnSync("e2fsck", ["-fn", image], { encoding: "utf8" });
  if (check.status !== 0) {
    console.error(`e2fsck -fn ${image} found errors:\n${check.stdout}`);
    process.exitCode = 1;
  }
}
