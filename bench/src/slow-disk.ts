/**
 * On a disk that takes its time: what kernel ext4, fuse2fs and we ask of it for the same work, and how long that takes. The disk is a file
 * system of `@bulkhead/fuse` with a loop device on it (src/disk-model.ts): one thing after the other, no cache, writes that are forgotten.
 * Needs root, and a few GiB of temporary space.
 *
 * All on the same image, one after another in every round, with nothing in any cache. Printed are medians, the ratios of speed, and
 * what the disk was asked for. Timings fail nothing; e2fsck does, after what ours has written.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { needRoot, readOptions, refuse } from "./command-line.js";
import { type ContenderName, checkBuilt, isOurs, mount } from "./contenders.js";
import { countOf } from "./count.js";
import type { Asked, Disk } from "./disk-model.js";
import { makeImages } from "./images.js";
import { catchSignals, interruptible } from "./interruption.js";
import { median } from "./median.js";
import { chosenOf } from "./selection.js";
import { openSlowDevice } from "./slow-device.js";

const DISKS: Readonly<Record<string, Disk>> = {
  hdd: { seek: 9, writeSeek: 9, reading: 120, writing: 120, flush: 12 },
  stick: { seek: 0.7, writeSeek: 2, reading: 30, writing: 12, flush: 10 },
};
const CONTENDERS: readonly ContenderName[] = ["kernel-device", "fuse2fs", "bulkhead"];

interface Work {
  readonly name: string;
  /** A shell's, in the root directory of the mount. */
  readonly script: string;
  readonly writes?: boolean;
}

const WORKS: readonly Work[] = [
  { name: "find in 3,000 files", script: "find tree/0 -size +1k" },
  { name: "read 3,000 files", script: "find tree/1 -type f -exec cat {} +" },
  { name: "ls -l of 20,000 files", script: "ls -l many" },
  { name: "read 64 MiB of a file", script: "head -c 64M big" },
  { name: "copy 100 files", script: "cp -r tree/2/0/dir-2 new; sync -f .", writes: true },
  {
    name: "write 3,000 files",
    script: "mkdir new; for i in $(seq 3000); do printf %7000s > new/$i; done; sync -f .",
    writes: true,
  },
  { name: "remove 3,000 files", script: "rm -r tree/3; sync -f .", writes: true },
  { name: "write 64 MiB", script: "head -c 64M /dev/zero > new; sync -f .", writes: true },
  {
    name: "50 x create, write, fsync",
    script: "for i in $(seq 50); do dd if=/dev/zero of=new-$i bs=4k count=1 conv=fsync status=none; done",
    writes: true,
  },
];

const USAGE = `usage: npm run bench -- slow-disk [OPTIONS]
  --disk DISK  hdd, which takes 9 ms to get elsewhere, or stick, which takes 0.7, and 2 to write; hdd
  --rounds N   how often each is measured; 3
  --only WORD  only those with WORD in their name; may be repeated
  --images DIR where the image is kept; bulkhead-bench in the temporary directory`;

const values = readOptions(USAGE, {
  disk: { type: "string", default: "hdd" },
  rounds: { type: "string", default: "3" },
  only: { type: "string", multiple: true, default: [] },
  images: { type: "string", default: join(tmpdir(), "bulkhead-bench") },
});
const rounds = countOf("rounds", values.rounds);
const chosen = chosenOf(WORKS, values.only, "some");
const disk = DISKS[values.disk];
if (disk === undefined) refuse(`--disk ${values.disk}: no such disk; there are: ${Object.keys(DISKS).join(", ")}`);

interface Sample {
  readonly seconds: number;
  readonly asked: Asked;
}

/** One contender, one pass. */
async function measure(
  { name, script, writes = false }: Work,
  contender: ContenderName,
  image: string,
): Promise<Sample> {
  const device = await openSlowDevice(image, disk!);
  try {
    const mounted = mount(contender, device.path, writes);
    let sample: Sample;
    try {
      execFileSync("sync");
      writeFileSync("/proc/sys/vm/drop_caches", "3");
      const before = device.asked();
      const start = performance.now();
      const { status, error } = spawnSync("bash", ["-euo", "pipefail", "-c", script], {
        cwd: mounted.directory,
        stdio: ["ignore", "ignore", "inherit"],
        timeout: 600_000,
      });
      const seconds = (performance.now() - start) / 1000;
      if (status !== 0) throw error ?? new Error(`${name} on ${contender}: exit ${status}`);
      sample = { seconds, asked: difference(device.asked(), before) };
    } finally {
      mounted.unmount();
    }
    if (writes && isOurs(contender))
      execFileSync("e2fsck", ["-fn", device.path], { stdio: ["ignore", "ignore", "inherit"] });
    return sample;
  } finally {
    await device.close();
  }
}

function difference(all: Asked, before: Asked): Asked {
  const names = Object.keys(all) as (keyof Asked)[];
  return Object.fromEntries(names.map((name) => [name, all[name] - before[name]])) as unknown as Asked;
}

function describe({ reads, bytesRead, writes, bytesWritten, seeks, flushes }: Asked): string {
  const part = (count: number, bytes: number, what: string) =>
    `${count} ${what} of ${(bytes / 2 ** 20).toFixed(1)} MiB`.padEnd(26);
  return `${part(reads, bytesRead, "reads")}${part(writes, bytesWritten, "writes")}${seeks} seeks, ${flushes} flushes`;
}

await checkBuilt(undefined);
needRoot();
catchSignals();
const { main } = makeImages(values.images);
for (const work of chosen) {
  const samples = new Map<ContenderName, Sample[]>(CONTENDERS.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [n] of CONTENDERS.entries()) {
      const contender = CONTENDERS[(n + round) % CONTENDERS.length]!;
      samples.get(contender)!.push(await interruptible(() => measure(work, contender, main)));
    }
  }
  const secondsOf = (contender: ContenderName) => median(samples.get(contender)!.map(({ seconds }) => seconds));
  const ours = secondsOf("bulkhead");
  console.log(work.name);
  for (const contender of CONTENDERS) {
    const seconds = secondsOf(contender);
    const ratio = contender === "bulkhead" ? "" : `${(seconds / ours).toFixed(2)}x`;
    const time = `${seconds.toFixed(2)} s`.padStart(9);
    console.log(
      `  ${contender.padEnd(14)}${time} ${ratio.padStart(7)}   ${describe(samples.get(contender)![0]!.asked)}`,
    );
  }
}
