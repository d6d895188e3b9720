/** Runs cases on a mount, each in a directory of its own. */
import { appendFileSync, chmodSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { statfs } from "@bulkhead/linux";
import { type Case, titleOf } from "./case.js";
import type { Facts } from "./facts.js";
import { Subject } from "./subject.js";

/** What came of one case. `skipped` names the need that the file system does not meet. */
export interface Outcome {
  readonly group: string;
  readonly name: string;
  readonly milliseconds: number;
  readonly skipped?: string;
  readonly failure?: string;
}

export interface Ground {
  readonly mountPoint: string;
  /** The facts of what is mounted there. */
  readonly facts: Facts;
  /** A writable directory on another file system. */
  readonly elsewhere: string;
  /** Where cases get their directories: below the mount point; on a read-only mount, one that is there. */
  readonly base: string;
  readonly readOnly?: boolean;
}

/**
 * Runs `cases`, which all belong on this mount, and appends what happens to `journal`, a JSON text a line: who started, so
 * that a case that hangs is known, and each outcome. Whoever waits for the clock lets others run, except those alone.
 */
export async function runCases(cases: readonly Case[], ground: Ground, journal: string): Promise<void> {
  process.umask(0o022);
  const ignoreSizeLimit = (): void => undefined;
  process.on("SIGXFSZ", ignoreSizeLimit);
  try {
    const running = cases.map((one, number) => (one.alone ? undefined : runCase(one, number, ground, journal)));
    await Promise.all(running);
    for (const [number, one] of cases.entries()) {
      if (!one.alone) continue;
      await settled(ground.mountPoint);
      await runCase(one, number, ground, journal);
    }
  } finally {
    process.off("SIGXFSZ", ignoreSizeLimit);
  }
}

/** Waits until what the last case removed is counted as free, which may follow its removal. */
async function settled(mountPoint: string): Promise<void> {
  let last = statfs(mountPoint);
  for (let again = 0; again < 100; again++) {
    await sleep(5);
    const now = statfs(mountPoint);
    if (now.bfree === last.bfree && now.ffree === last.ffree) return;
    last = now;
  }
}

/** Runs what is synchronous of a case at once, and its end as well if that is all. */
function runCase(one: Case, number: number, ground: Ground, journal: string): Promise<void> | undefined {
  const { group, name } = one;
  const missing = one.needs.find((need) => !need.of(ground.facts));
  if (missing !== undefined) {
    note(journal, { group, name, milliseconds: 0, skipped: missing.name });
    return undefined;
  }
  note(journal, { started: titleOf(one) });
  const start = performance.now();
  let subject: Subject | undefined;
  const end = (error?: unknown): void => {
    let failure = error === undefined ? undefined : describe(error);
    try {
      subject?.finish();
    } catch (unfinished) {
      failure ??= describe(unfinished);
    }
    const milliseconds = Math.round((performance.now() - start) * 100) / 100;
    note(journal, { group, name, milliseconds, ...(failure === undefined ? {} : { failure }) });
  };
  try {
    const directory = directoryOf(one, number, ground);
    subject = new Subject(ground.mountPoint, directory, ground.facts, ground.elsewhere);
    if (one.place === "full") subject.defer(() => rmSync(directory, { recursive: true }));
    const running = one.run(subject);
    if (running !== undefined) return running.then(() => end(), end);
    end();
  } catch (error) {
    end(error);
  }
  return undefined;
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function directoryOf(one: Case, number: number, ground: Ground): string {
  if (ground.readOnly === true) return ground.base;
  const directory = join(ground.base, `${number}-${one.group.replaceAll(" ", "-")}`);
  mkdirSync(directory);
  chmodSync(directory, 0o777);
  return directory;
}

function note(journal: string, line: Outcome | { readonly started: string }): void {
  appendFileSync(journal, `${JSON.stringify(line)}\n`);
}
