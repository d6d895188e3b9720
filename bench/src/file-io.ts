/**
 * File data on one loop device: kernel ext4, fuse2fs, our mount and the host without a mount, one after another in every round. Needs
 * root, fio, fuse2fs and 4 GiB of temporary space.
 *
 * `memory`: the loop device's file is in the page cache; `disk`: the loop device does direct I/O, and nothing is in memory. fio asks on
 * mounts; writes end with an fsync that counts. Printed are medians, and ratios of speed to each other contender. Timings fail
 * nothing; e2fsck does, after each of our writes.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, type Profile, servingThread, watchCalls } from "./call-times.js";
import { needRoot, readOptions } from "./command-line.js";
import { type ContenderName, checkBuilt, contenderNamed, mount } from "./contenders.js";
import { countOf } from "./count.js";
import { FILE_IO_CASES, FILE_SIZE, type FileIoCase, type FileIoContender, type Medium } from "./file-io-cases.js";
import { fio } from "./fio.js";
import { catchSignals, interruptible } from "./interruption.js";
import { median } from "./median.js";
import { Results } from "./results.js";
import { chosenOf } from "./selection.js";

const USAGE = `usage: npm run bench -- file-io [OPTIONS]
  --rounds N         how often each is measured; 3
  --only WORD        only those with WORD in their name; may be repeated: with all of them
  --contenders NAME  only this one; may be repeated: kernel, fuse2fs, bulkhead, image
  --profile          once more for each of ours: which system calls the time goes to, of the thread that serves the
                     mount, or of the program that needs none
  --images DIR       where the image is kept; bulkhead-bench in the temporary directory`;

const values = readOptions(USAGE, {
  rounds: { type: "string", default: "3" },
  only: { type: "string", multiple: true, default: [] },
  contenders: { type: "string", multiple: true, default: ["kernel", "fuse2fs", "bulkhead", "image"] },
  profile: { type: "boolean", default: false },
  images: { type: "string", default: join(tmpdir(), "bulkhead-bench") },
});
const rounds = countOf("rounds", values.rounds);
const IMAGE = join(values.images, "file-io.img");
const IMAGE_MIB = 1536;
const client = fileURLToPath(new URL("./file-io-image.js", import.meta.url));

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"], maxBuffer: 1 << 26 });
}

function withKernelMount(device: string, work: (directory: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), "bulkhead-bench-mnt-"));
  try {
    run("mount", "-t", "ext4", device, directory);
    work(directory);
  } finally {
    spawnSync("umount", [directory]);
    rmdirSync(directory); // fails if it is still mounted
  }
}

/** An image without holes, so that nobody pays for making it, with a file of data. */
function makeImage(): void {
  mkdirSync(values.images, { recursive: true });
  if (existsSync(IMAGE)) return;
  const partial = `${IMAGE}.partial`;
  try {
    fillImage(partial);
    renameSync(partial, IMAGE);
  } finally {
    rmSync(partial, { force: true });
  }
}

function fillImage(partial: string): void {
  run("dd", "if=/dev/zero", `of=${partial}`, "bs=1M", `count=${IMAGE_MIB}`, "conv=fsync", "status=none");
  run("mke2fs", "-q", "-F", "-t", "ext4", "-E", "lazy_itable_init=0,nodiscard", partial);
  withLoop(partial, "memory", (device) =>
    withKernelMount(device, (directory) => {
      run("dd", "if=/dev/urandom", `of=${directory}/written`, "bs=1M", `count=${FILE_SIZE / 2 ** 20}`, "status=none");
    }),
  );
}

function withLoop<T>(image: string, medium: Medium, work: (device: string) => T): T {
  const direct = `--direct-io=${medium === "disk" ? "on" : "off"}`;
  const device = run("losetup", "--find", "--show", direct, image).trim();
  try {
    return work(device);
  } finally {
    run("losetup", "--detach", device);
  }
}

function prepare({ medium, unwritten }: FileIoCase, device: string): void {
  if (unwritten) {
    withKernelMount(device, (directory) => {
      rmSync(join(directory, "reserved"), { force: true });
      run("fallocate", "-l", String(FILE_SIZE), join(directory, "reserved"));
    });
  }
  run("sync");
  writeFileSync("/proc/sys/vm/drop_caches", "3");
  if (medium === "memory") execFileSync("cat", [IMAGE], { stdio: ["ignore", "ignore", "inherit"] });
}

/** Seconds that fio took. */
function askFio(path: string, one: FileIoCase): number {
  const { random, writes, direct, depth, blockSize, requests } = one;
  const threads = direct ? 1 : depth;
  const args = [
    ...[
      "--name=case",
      `--filename=${path}`,
      "--allow_file_create=0",
      "--fallocate=none",
      "--thread",
      "--group_reporting",
    ],
    ...[`--rw=${random ? "rand" : ""}${writes ? "write" : "read"}`, `--bs=${blockSize}`, `--size=${FILE_SIZE}`],
    ...[`--number_ios=${requests / threads}`, `--numjobs=${threads}`, "--randrepeat=1", "--norandommap"],
    ...(direct ? ["--direct=1", "--ioengine=libaio", `--iodepth=${depth}`] : ["--ioengine=psync"]),
    ...(writes ? ["--end_fsync=1"] : []),
  ];
  const jobs = fio<{ read: FioRun; write: FioRun }>(one.name, args, 600);
  return Math.max(...jobs.map(({ read, write }) => Math.max(read.runtime, write.runtime))) / 1000;
}

/** Milliseconds. */
interface FioRun {
  readonly runtime: number;
}

function fileOf({ unwritten }: FileIoCase): string {
  return unwritten ? "reserved" : "written";
}

/** Without a mount. */
function askImage(one: FileIoCase, device: string, profiled = false): { seconds: number; profile?: Profile } {
  const args = [client, device, one.name, fileOf(one), ...(profiled ? ["--profile"] : [])];
  const out = spawnSync(process.execPath, args, { encoding: "utf8", timeout: 600_000 });
  if (out.status !== 0) throw new Error(`${one.name} without a mount: ${out.stderr}`);
  return JSON.parse(out.stdout);
}

function measure(one: FileIoCase, contender: FileIoContender, device: string): number {
  prepare(one, device);
  if (contender === "image") return askImage(one, device).seconds;
  const mounted = mount(
    contender === "kernel" ? "kernel-device" : (contender satisfies ContenderName),
    device,
    one.writes,
  );
  try {
    return askFio(join(mounted.directory, fileOf(one)), one);
  } finally {
    mounted.unmount();
  }
}

/** What the time of one of ours goes to. */
function profile(one: FileIoCase, contender: "bulkhead" | "image", device: string): string {
  prepare(one, device);
  if (contender === "image") {
    const { seconds, profile } = askImage(one, device, true);
    if (profile === undefined) throw new Error(`${one.name} without a mount: no profile`);
    return describe(profile, seconds * 1000);
  }
  const mounted = mount(contender, device, one.writes);
  try {
    const tid = servingThread(mounted.servers);
    if (tid === undefined) throw new Error("no thread serves the mount");
    const ended = watchCalls(tid);
    const seconds = askFio(join(mounted.directory, fileOf(one)), one);
    return describe(ended(), seconds * 1000);
  } finally {
    mounted.unmount();
  }
}

/** Whoever leaves a damaged image is named; the next one gets it repaired. Only of ours it is a failure. */
function check(one: FileIoCase, contender: FileIoContender, device: string): void {
  if (!one.writes) return;
  const { status, stdout } = spawnSync("e2fsck", ["-fn", device], { encoding: "utf8" });
  if (status === 0) return;
  console.error(`${one.name}: ${contender} leaves an image in which e2fsck finds errors`);
  if (contender === "bulkhead" || contender === "image") {
    console.error(stdout);
    process.exitCode = 1;
  }
  spawnSync("e2fsck", ["-fy", device]);
}

const chosen = chosenOf(FILE_IO_CASES, values.only, "every");
for (const name of values.contenders) if (name !== "image") contenderNamed(name);
await checkBuilt(undefined);
needRoot();
catchSignals();
await interruptible(makeImage);
const results = new Results("file-io-");
const report = [];
for (const one of chosen) {
  const contenders = (values.contenders as FileIoContender[]).filter((name) => name !== "image" || one.direct);
  const samples = new Map<FileIoContender, number[]>(contenders.map((name) => [name, []]));
  const profiles: Partial<Record<FileIoContender, string>> = {};
  const measureAll = (device: string) => {
    for (let round = 0; round < rounds; round++) {
      // Another one begins each round.
      for (const [n] of contenders.entries()) {
        const contender = contenders[(n + round) % contenders.length]!;
        samples.get(contender)!.push(measure(one, contender, device));
        check(one, contender, device);
      }
    }
    if (!values.profile) return;
    for (const contender of contenders) {
      if (contender === "bulkhead" || contender === "image") profiles[contender] = profile(one, contender, device);
    }
  };
  await interruptible(() => withLoop(IMAGE, one.medium, measureAll));
  const bytes = one.requests * one.blockSize;
  const seconds = (contender: FileIoContender) => median(samples.get(contender) ?? [Number.NaN]);
  const shown = contenders.map((name) => {
    const speed = one.random
      ? `${(one.requests / seconds(name) / 1000).toFixed(1)}k/s`
      : `${(bytes / seconds(name) / 1e6).toFixed(0)} MB/s`;
    return `${name} ${speed}`;
  });
  const ratios = one.goals
    .filter(({ of, than }) => samples.has(of) && samples.has(than))
    .map(({ of, than, times }) => {
      const ratio = seconds(than) / seconds(of);
      return { of, than, ratio, goal: times, reached: ratio >= times };
    });
  const judged = ratios.map(
    ({ of, than, ratio, goal, reached }) =>
      `${of} ${ratio.toFixed(2)}x ${than} (goal ${goal}x${reached ? ", reached" : ""})`,
  );
  console.log(`${one.name}\n    ${shown.join("   ")}\n    ${judged.join("   ")}`);
  for (const [contender, found] of Object.entries(profiles)) console.log(`    ${contender}: ${found}`);
  report.push({ name: one.name, ratios, profiles, seconds: Object.fromEntries(samples) });
  results.save({ rounds, cases: report });
}
console.log(`written to ${results.path}`);
