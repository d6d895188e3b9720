/** A crash and its judgement. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runApart } from "../system/apart.js";
import { run } from "../system/process.js";
import { removeScratch, scratchDirectory } from "../system/scratch.js";
import { makeWorkloadImage } from "../workloads/trial.js";
import { type Crash, crash } from "./crash.js";
import { judge } from "./judge.js";

export interface Trial extends Crash {
  readonly mke2fs: readonly string[];
  readonly journal: boolean;
}

const MAIN = fileURLToPath(new URL("./main.js", import.meta.url));
const TIMEOUT = 120_000;
const SIZE = 256 << 20;

/** In this process: makes an image, crashes its server, judges. @throws with what is broken */
export async function stand(trial: Trial): Promise<void> {
  const directory = scratchDirectory("durability");
  try {
    const image = join(directory, "image");
    makeWorkloadImage(image, SIZE, trial.mke2fs);
    const notes = await crash(image, trial);
    rmSync(image);
    // Otherwise nothing was interrupted, and this shows nothing.
    if (trial.journal && !/^Filesystem features:.* needs_recovery/m.test(header(`${image}.crashed`))) {
      throw new Error("the crash left a journal that needs no recovery");
    }
    const complaints = judge(`${image}.crashed`, notes, trial);
    if (complaints.length > 0) {
      throw new Error(
        `${complaints.length} complaints after ${notes.length} notes:\n${complaints.slice(0, 20).join("\n")}`,
      );
    }
  } finally {
    removeScratch(directory);
  }
}

function header(image: string): string {
  return run("dumpe2fs", ["-h", image]).stdout.toString("latin1");
}

/** The same in a process and a mount namespace of its own. */
export async function standApart(trial: Trial): Promise<void> {
  const directory = scratchDirectory("trial");
  try {
    const plan = join(directory, "plan.json");
    writeFileSync(plan, JSON.stringify(trial));
    await runApart(MAIN, ["trial", plan], TIMEOUT);
  } catch (error) {
    throw new Error(`BULKHEAD_SEED=${trial.seed}: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    removeScratch(directory);
  }
}
