/** Judges an image as a crash left it: our replay, e2fsck's and the kernel's each have to give all that was synced. */
import * as fs from "node:fs";
import { join } from "node:path";
import { Ext4, FileDevice } from "@bulkhead/ext4";
import { checkImage } from "../images/build.js";
import { withLoopMount } from "../system/loop.js";
import { run } from "../system/process.js";
import { copySparse } from "../walk/truth.js";
import { command } from "../workloads/workload.js";
import { broken, lastNotes, type Note, type Reader } from "./notes.js";

export interface Verdict {
  /** Whether the journal makes the image consistent by itself: without one, e2fsck has to repair. */
  readonly journal: boolean;
  /** Who wrote it. */
  readonly subject?: "kernel" | "served";
}

/**
 * Corrections by e2fsck that are no damage: counts in the superblock that ext4 brings up to date lazily, orphans it deletes, trees
 * of extents that the kernel leaves higher than they need to be.
 */
const HARMLESS = [
  /^Free (blocks|inodes) count wrong \(\d+, counted=\d+\)\.$/,
  /^Fix\? yes$/,
  /^(Clearing|Truncating) orphaned inode/,
  /^Inode \d+ extent tree \(at level \d\) could be (shorter|narrower)\.$/,
  /^Optimize\? yes$/,
];

/**
 * What is wrong, a line each; empty when all three agree with the notes. The image is not changed. We read what e2fsck leaves, too.
 *
 * @param image as it was at the crash
 */
export function judge(image: string, notes: readonly Note[], verdict: Verdict): string[] {
  // Of the kernel's, a crash may find a leaf of extents on disk and not yet its new key in the inode above: e2fsck comes first.
  const isReadable = verdict.journal || verdict.subject !== "kernel";
  return [
    ...(isReadable ? say("our replay", () => ourReplay(image, notes)) : []),
    ...say("e2fsck", () => onCopy(image, (copy) => repaired(copy, notes, verdict))),
    ...say("the kernel", () => onCopy(image, (copy) => kernelReplay(copy, notes, verdict))),
  ];
}

function say(who: string, work: () => readonly string[]): string[] {
  try {
    return work().map((complaint) => `${who}: ${complaint}`);
  } catch (error) {
    return [`${who}: ${error instanceof Error ? error.message : String(error)}`];
  }
}

function onCopy<T>(image: string, work: (copy: string) => T): T {
  const copy = `${image}.copy`;
  try {
    copySparse(image, copy);
    return work(copy);
  } finally {
    fs.rmSync(copy, { force: true });
  }
}

/** The library, with the journal replayed into memory: the image is not written. */
function ourReplay(image: string, notes: readonly Note[]): string[] {
  const ext4 = Ext4.open(new FileDevice(fs, fs.openSync(image, "r")));
  try {
    return broken(notes, {
      read: (path) => (ext4.exists(`/${path}`) ? ext4.readFile(`/${path}`) : undefined),
    });
  } finally {
    ext4.close();
  }
}

function repaired(copy: string, notes: readonly Note[], verdict: Verdict): string[] {
  const { stdout } = run("e2fsck", ["-fy", copy], { accept: [1] });
  const said = stdout.toString("latin1");
  const complaints = verdict.journal ? repairs(said) : [];
  checkImage(copy);
  return [...complaints, ...ourReplay(copy, notes), ...kernelReplay(copy, notes, verdict)];
}

/** What e2fsck found beside the journal. */
function repairs(said: string): string[] {
  const found: string[] = [];
  const questions = said.split("\n").filter((line) => /\? yes$|FIXED|orphaned/.test(line));
  for (const question of questions) {
    for (const line of question.split(/\s{2,}/)) {
      if (line !== "" && !HARMLESS.some((pattern) => pattern.test(line.trim()))) found.push(`repaired: ${line}`);
    }
  }
  return found;
}

function kernelReplay(copy: string, notes: readonly Note[], verdict: Verdict): string[] {
  if (!verdict.journal) run("e2fsck", ["-fy", copy], { accept: [1] });
  const complaints = withLoopMount(copy, {}, (mountPoint) => [
    ...broken(notes, mountReader(mountPoint)),
    ...programs(notes, mountPoint),
  ]);
  checkImage(copy);
  return complaints;
}

function mountReader(mountPoint: string): Reader {
  return {
    read(path) {
      const file = join(mountPoint, path);
      return fs.existsSync(file) ? fs.readFileSync(file) : undefined;
    },
  };
}

/** What sqlite and git say of their own. */
function programs(notes: readonly Note[], mountPoint: string): string[] {
  const complaints: string[] = [];
  for (const note of lastNotes(notes)) {
    if (note.kind === "rows") {
      const asked = "PRAGMA integrity_check; SELECT count(*) FROM t; SELECT max(id) FROM t;";
      const [integrity, rows, last] = command(mountPoint, "sqlite3", [note.path], asked).split("\n");
      if (integrity !== "ok") complaints.push(`${note.path}: ${integrity}`);
      if (Number(rows) < note.rows || rows !== last) complaints.push(`${note.path}: ${rows} rows, not ${note.rows}`);
    } else if (note.kind === "commit") {
      const directory = join(mountPoint, note.path);
      command(directory, "git", ["fsck", "--full", "--strict"]);
      command(directory, "git", ["merge-base", "--is-ancestor", note.commit, "HEAD"]);
    }
  }
  return complaints;
}
