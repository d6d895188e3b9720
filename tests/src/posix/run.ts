/** Runs cases on a mount, each in a directory of its own. */
import { appendFileSync, chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Case } from "./case.js";
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
    const able = cases.map((one, number) => ({ one, number }));
    await Promise.all(able.filter(({ one }) => !one.alone).map((at) => runCase(at.one, at.number, ground, journal)));
    for (const { one, number } of able.filter(({ one }) => one.alone)) await runCase(one, number, ground, journal);
  } finally {
    process.off("SIGXFSZ", ignoreSizeLimit);
  }
}

async function runCase(one: Case, number: number, ground: Ground, journal: string): Promise<void> {
  const { group, name } = one;
  const missing = one.needs.find((need) => !need.of(ground.facts));
  if (missing !== undefined) return note(journal, { group, name, milliseconds: 0, skipped: missing.name });
  note(journal, { started: `${group}: ${name}` });
  const start = performance.now();
  let failure: string | undefined;
  try {
    await inSubject(number, ground, one);
  } catch (error) {
    failure = error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  const milliseconds = Math.round((performance.now() - start) * 100) / 100;
  note(journal, { group, name, milliseconds, ...(failure === undefined ? {} : { failure }) });
}

async function inSubject(number: number, ground: Ground, one: Case): Promise<void> {
  const directory = ground.readOnly === true ? ground.base : join(ground.base, `${number}-${one.group.split(" ")[0]}`);
  if (ground.readOnly !== true) {
    mkdirSync(directory);
    chmodSync(directory, 0o777);
  }
  const subject = new Subject(ground.mountPoint, directory, ground.facts, ground.elsewhere);
  try {
    await one.run(subject);
  } finally {
    subject.finish();
  }
}

function note(journal: string, line: Outcome | { readonly started: string }): void {
  appendFileSync(journal, `${JSON.stringify(line)}\n`);
}
