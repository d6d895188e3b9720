/**
 * The POSIX suite: how a file system answers each system call. Oracle: the kernel's ext4 on a loop device, on which every
 * case holds before it is asked of our mount; and e2fsck -fn of what the cases leave.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { withoutFuse, withoutLoopMounts } from "./facilities.js";
import { checkImage } from "./images/build.js";
import { titleOf } from "./posix/case.js";
import { CASES } from "./posix/cases/index.js";
import { EXCLUSIONS } from "./posix/exclusions.js";
import { CONFIGURATIONS, type Configuration, makeImage, makeSmallImage } from "./posix/images.js";
import { restoreImage } from "./posix/prepare.js";
import type { Outcome } from "./posix/run.js";
import { runApart } from "./system/process.js";
import { removeScratch, scratchDirectory } from "./system/scratch.js";

const MAIN = fileURLToPath(new URL("./posix/main.js", import.meta.url));
const TIMEOUT = 120_000;

/** Runs everything on a new pair of images and checks them. What came of it, and what is wrong. */
async function judge(
  configuration: Configuration,
  who: "kernel" | "bulkhead",
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

describe("POSIX, of the kernel's ext4", { skip: withoutLoopMounts() }, () => {
  const asked = new Set<string>();

  for (const configuration of CONFIGURATIONS) {
    const skip = configuration.unproved === undefined ? false : configuration.unproved;
    if (skip !== false) continue;
    test(configuration.name, async () => {
      const { outcomes, problems } = await judge(configuration, "kernel");
      for (const one of outcomes) if (one.skipped === undefined) asked.add(titleOf(one));
      assert.equal(problems.length, 0, `${problems.length} of ${outcomes.length}:\n${problems.join("\n")}`);
      assert.equal(outcomes.length, CASES.length);
    });
  }

  test("every case is asked somewhere", () => {
    const unproved = new Set(CONFIGURATIONS.flatMap((one) => (one.unproved === undefined ? [] : one.features)));
    const never = CASES.filter((one) => !asked.has(titleOf(one)))
      .filter((one) => !one.needs.some((need) => unproved.has(need.name)))
      .map(titleOf);
    assert.deepEqual(never, []);
    assert.equal(new Set(CASES.map(titleOf)).size, CASES.length, "no two cases have the same name");
  });

  test("every exclusion names a case", () => {
    const titles = new Set(CASES.map(titleOf));
    assert.deepEqual(
      Object.keys(EXCLUSIONS).filter((title) => !titles.has(title)),
      [],
    );
  });
});

describe("POSIX, of our mount", { skip: withoutLoopMounts() || withoutFuse(), concurrency: 2 }, () => {
  for (const configuration of CONFIGURATIONS) {
    test(configuration.name, async () => {
      const { outcomes, problems } = await judge(configuration, "bulkhead");
      assert.equal(problems.length, 0, `${problems.length} of ${outcomes.length}:\n${problems.join("\n")}`);
      assert.equal(outcomes.length + Object.keys(EXCLUSIONS).length, CASES.length);
    });
  }
});
