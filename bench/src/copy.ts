/**
 * A tree of 30,000 files into an image and out of one: `bulkhead cp -r`, which mounts nothing, and mounts of kernel ext4, fuse2fs and ours
 * with `cp -a` between mount and umount, one after another in every round. Needs root, fuse2fs and 8 GiB of temporary space.
 *
 * The whole job counts, from the first command to the end of the last. Printed are medians, and ratios of speed to each other contender.
 * Timings fail nothing; e2fsck does, after each copy of ours into an image.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { needRoot, readOptions } from "./command-line.js";
import { COMMAND, type ContenderName, checkBuilt, mount, OURS } from "./contenders.js";
import { countOf } from "./count.js";
import { makeImages, withEmptyImage } from "./images.js";
import { catchSignals, interruptible } from "./interruption.js";
import { median } from "./median.js";

const USAGE = `usage: npm run bench -- copy [OPTIONS]
  --rounds N         how often each is measured; 3
  --before CHECKOUT  bulkhead cp -r of another checkout of ours, built, takes part as well
  --images DIR       where the images are kept; bulkhead-bench in the temporary directory`;

const values = readOptions(USAGE, {
  rounds: { type: "string", default: "3" },
  before: { type: "string" },
  images: { type: "string", default: join(tmpdir(), "bulkhead-bench") },
});
const rounds = countOf("rounds", values.rounds);
/** Who copies by `bulkhead cp -r`; the others are mounts. */
const programs = new Map([["image", OURS]]);
if (values.before !== undefined) programs.set("before", join(values.before, COMMAND));
const contenders = ["kernel", "fuse2fs", "bulkhead", ...programs.keys()];

function run(command: string, ...args: string[]): void {
  execFileSync(command, args, { stdio: ["ignore", "ignore", "inherit"] });
}

/** Copies by a mount, or by the command. */
function copy(contender: string, image: string, tree: string, isInto: boolean): void {
  const program = programs.get(contender);
  if (program !== undefined) {
    const inside = `${image}:/tree`;
    run(process.execPath, program, "cp", "-r", ...(isInto ? [tree, inside] : [inside, tree]));
    return;
  }
  const mounted = mount(contender as ContenderName, image, isInto);
  try {
    const inside = join(mounted.directory, "tree");
    run("cp", "-a", ...(isInto ? [tree, inside] : [inside, tree]));
  } finally {
    mounted.unmount();
  }
}

await checkBuilt(values.before);
needRoot();
catchSignals();
const images = makeImages(values.images);
const scratch = mkdtempSync(join(values.images, "copy-"));

function cleanUp(): void {
  rmSync(scratch, { recursive: true, force: true });
}

/** One contender, one pass. @returns seconds */
function measure(contender: string, tree: string, isInto: boolean): number {
  if (isInto) {
    return withEmptyImage(values.images, (image) => {
      const seconds = timed(() => copy(contender, image, tree, isInto));
      if (contender !== "fuse2fs") run("e2fsck", "-fn", image);
      return seconds;
    });
  }
  const seconds = timed(() => copy(contender, images.main, tree, isInto));
  rmSync(tree, { recursive: true });
  return seconds;
}

function timed(work: () => void): number {
  run("sync");
  const start = performance.now();
  work();
  return (performance.now() - start) / 1000;
}

try {
  run("tar", "-xf", images.archive, "-C", scratch);
  const tree = join(scratch, "tree");
  const copied = join(scratch, "copied");
  for (const isInto of [true, false]) {
    const samples = new Map<string, number[]>(contenders.map((name) => [name, []]));
    for (let round = 0; round < rounds; round++) {
      for (const [n] of contenders.entries()) {
        const contender = contenders[(n + round) % contenders.length]!;
        const pass = () => measure(contender, isInto ? tree : copied, isInto);
        samples.get(contender)!.push(await interruptible(pass, cleanUp));
      }
    }
    const ours = median(samples.get("image")!);
    const ratios = contenders
      .filter((name) => name !== "image")
      .map((name) => `${(median(samples.get(name)!) / ours).toFixed(2)}x ${name}`);
    const what = `30,000 files ${isInto ? "into" : "out of"} an image`;
    console.log([what.padEnd(32), `${ours.toFixed(1).padStart(5)} s`, ...ratios].join("   "));
  }
} finally {
  cleanUp();
}
