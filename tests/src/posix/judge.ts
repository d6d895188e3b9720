/** Runs the suite on somebody's mounts of new images, and judges what came of it. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { checkImage } from "../images/build.js";
import { runApart } from "../system/apart.js";
import { removeScratch, scratchDirectory } from "../system/scratch.js";
import { titleOf } from "./case.js";
import { CASES } from "./cases/index.js";
import { type Asked, exclusionsOf } from "./exclusions.js";
import { type Configuration, makeImage, makeSmallImage } from "./images.js";
import { restoreImage } from "./prepare.js";
import type { Outcome } from "./run.js";

const MAIN = fileURLToPath(new URL("./main.js", import.meta.url));
const TIMEOUT = 120_000;

/** Runs everything on a new pair of images and checks them. What came of it, and what is wrong. */
async function judge(
  configuration: Configuration,
  who: Asked,
): Promise<{ readonly outcomes: readonly Outcome[]; readonly problems: readonly string[] }> {
  const directory = scratchDirectory("posix");
  try {
    const image = join(directory, "image");
    const small = join(directory, "small");
    const journal = join(directory, "journal");
    makeImage(configuration, image);
    makeSmallImage(configuration, small);
    try {
      await runApart(MAIN, [who, image, small, journal], TIMEOUT);
    } catch (error) {
      const { pending, outcomes } = readJournal(journal);
      const failed = failures(outcomes).join("\n");
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`under way: ${pending.join("; ") || "nothing"}\n${failed}\n${why}`);
    }
    restoreImage(image);
    const { outcomes } = readJournal(journal);
    const problems = failures(outcomes);
    for (const path of [image, small]) {
      try {
        checkImage(path);
      } catch (error) {
        problems.push(error instanceof Error ? error.message : String(error));
      }
    }
    return { outcomes, problems };
  } finally {
    removeScratch(directory);
  }
}

function readJournal(path: string): { readonly outcomes: readonly Outcome[]; readonly pending: readonly string[] } {
  const pending = new Set<string>();
  const outcomes: Outcome[] = [];
  for (const text of existsSync(path) ? readFileSync(path, "utf8").split("\n") : []) {
    if (text === "") continue;
    const line = JSON.parse(text) as Outcome | { readonly started: string };
    if ("started" in line) {
      pending.add(line.started);
    } else {
      pending.delete(titleOf(line));
      outcomes.push(line);
    }
  }
  return { outcomes, pending: [...pending] };
}

function failures(outcomes: readonly Outcome[]): string[] {
  return outcomes.flatMap((one) => (one.failure === undefined ? [] : [`${titleOf(one)}\n    ${one.failure}`]));
}

/** Asserts that every case which is asked of somebody holds on a configuration's images. @returns the outcomes */
export async function mustHold(configuration: Configuration, who: Asked): Promise<readonly Outcome[]> {
  const { outcomes, problems } = await judge(configuration, who);
  assert.equal(problems.length, 0, `${problems.length} of ${outcomes.length}:\n${problems.join("\n")}`);
  assert.equal(outcomes.length + Object.keys(exclusionsOf(who)).length, CASES.length);
  return outcomes;
}
