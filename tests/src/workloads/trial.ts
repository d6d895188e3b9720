/** Puts a workload on trial: a fresh image, the workload in a process of its own, and e2fsck's word. */
import { closeSync, ftruncateSync, openSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { checkImage } from "../images/build.js";
import { FEATURES } from "../model/variants.js";
import { runApart } from "../system/apart.js";
import { run } from "../system/process.js";
import { removeScratch, scratchDirectory } from "../system/scratch.js";
import type { Workload } from "./workload.js";

const MAIN = fileURLToPath(new URL("./main.js", import.meta.url));

/** As many times as long takes all that there is to do: eight times as many files are the most. */
const ALL_OF_IT = 8;

export interface Trial {
  readonly subject: "kernel" | "served" | "bridged";
  readonly mke2fs?: readonly string[];
  readonly long?: boolean;
  readonly seed: number;
}

/** Makes an image with room for a workload. */
export function makeWorkloadImage(
  path: string,
  size: number,
  mke2fs: readonly string[] = ["-O", FEATURES, "-J", "size=16"],
): void {
  const fd = openSync(path, "w");
  ftruncateSync(fd, size);
  closeSync(fd);
  run("mke2fs", ["-q", "-F", "-t", "ext4", "-I", "256", ...mke2fs, path]);
}

/** @throws what the workload found, with the seed that repeats it, or what e2fsck found */
export async function tryWorkload(workload: Workload, trial: Trial): Promise<void> {
  const directory = scratchDirectory("workload");
  const image = join(directory, "image");
  try {
    makeWorkloadImage(image, workload.size, trial.mke2fs);
    const args = [trial.subject, workload.name, image, String(trial.seed), ...(trial.long === true ? ["long"] : [])];
    await runApart(MAIN, args, trial.long === true ? ALL_OF_IT * workload.timeout : workload.timeout);
    checkImage(image);
  } catch (error) {
    throw new Error(`BULKHEAD_SEED=${trial.seed}: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    removeScratch(directory);
  }
}
