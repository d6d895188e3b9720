/** Programs that make something durable again and again, and note each time what they may rely on from then on. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Random } from "../images/random.js";
import { command } from "../workloads/workload.js";
import { type Note, SLOT_SIZE, sha256, versionBytes, versionLength } from "./notes.js";

export interface Recorder {
  readonly name: string;
  readonly tools: readonly string[];
  /** Runs until it is killed, or the file system is. */
  run(mountPoint: string, seed: number, note: (note: Note) => void, notebook: string): void;
}

const DATABASE = fileURLToPath(new URL("../../src/durability/database.py", import.meta.url));

function syncDirectory(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function writeSynced(path: string, bytes: Buffer, flags = "w"): void {
  const fd = openSync(path, flags);
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function makeDirectory(mountPoint: string, name: string): string {
  const path = join(mountPoint, name);
  mkdirSync(path);
  syncDirectory(mountPoint);
  return path;
}

/** New files, and some of them away again or elsewhere. */
const files: Recorder = {
  name: "files",
  tools: [],
  run(mountPoint, seed, note) {
    const random = new Random(seed);
    const directory = makeDirectory(mountPoint, "files");
    const kept: { name: string; size: number; sha256: string }[] = [];
    for (let i = 0; ; i++) {
      const bytes = random.bytes(random.below(4) === 0 ? random.below(40_000) : random.below(2000));
      const file = { name: `file-${i}`, size: bytes.length, sha256: sha256(bytes) };
      writeSynced(join(directory, file.name), bytes);
      syncDirectory(directory);
      note({ kind: "file", path: `files/${file.name}`, size: file.size, sha256: file.sha256 });
      kept.push(file);
      const other = kept[random.below(kept.length)]!;
      if (i % 5 === 4 || i % 5 === 2) note({ kind: "released", path: `files/${other.name}` });
      if (i % 5 === 4) {
        unlinkSync(join(directory, other.name));
        syncDirectory(directory);
        note({ kind: "gone", path: `files/${other.name}` });
        kept.splice(kept.indexOf(other), 1);
      } else if (i % 5 === 2) {
        const moved = `moved-${i}`;
        renameSync(join(directory, other.name), join(directory, moved));
        syncDirectory(directory);
        note({ kind: "gone", path: `files/${other.name}` });
        note({ kind: "file", path: `files/${moved}`, size: other.size, sha256: other.sha256 });
        other.name = moved;
      }
    }
  },
};

/** One file that grows by fdatasync'ed pieces. */
const log: Recorder = {
  name: "log",
  tools: [],
  run(mountPoint, seed, note) {
    const random = new Random(seed);
    const fd = openSync(join(mountPoint, "log"), "a");
    syncDirectory(mountPoint);
    const hash = createHash("sha256");
    for (let size = 0; ; ) {
      const bytes = random.bytes(1 + random.below(5000));
      writeSync(fd, bytes);
      fdatasyncSync(fd);
      hash.update(bytes);
      size += bytes.length;
      note({ kind: "prefix", path: "log", size, sha256: hash.copy().digest("hex") });
    }
  },
};

const SLOTS = 200;

/** Blocks of an allocated file, overwritten in place. */
const slots: Recorder = {
  name: "slots",
  tools: [],
  run(mountPoint, seed, note) {
    const random = new Random(seed);
    const fd = openSync(join(mountPoint, "slots"), "w");
    ftruncateSync(fd, SLOTS * SLOT_SIZE);
    fsyncSync(fd);
    syncDirectory(mountPoint);
    for (let version = 1; ; version++) {
      const slot = random.below(SLOTS);
      writeSync(fd, versionBytes(version, SLOT_SIZE), 0, SLOT_SIZE, slot * SLOT_SIZE);
      fdatasyncSync(fd);
      note({ kind: "slot", path: "slots", slot, version });
    }
  },
};

/** A file that is written anew beside its place and renamed into it, as editors do. */
const replace: Recorder = {
  name: "replace",
  tools: [],
  run(mountPoint, _seed, note) {
    const directory = makeDirectory(mountPoint, "replace");
    for (let version = 1; ; version++) {
      writeSynced(join(directory, "new"), versionBytes(version, versionLength(version)));
      renameSync(join(directory, "new"), join(directory, "file"));
      syncDirectory(directory);
      note({ kind: "version", path: "replace/file", version });
    }
  },
};

/** Transactions of sqlite, each with its row; the notes are the program's own. */
function database(mode: "delete" | "wal"): Recorder {
  return {
    name: `sqlite-${mode}`,
    tools: ["python3"],
    run(mountPoint, _seed, _note, notebook) {
      spawnSync("python3", [DATABASE, join(mountPoint, `${mode}.db`), mode, notebook, `${mode}.db`], {
        stdio: "ignore",
      });
      throw new Error("the database can no longer be written");
    },
  };
}

/** Commits of git with all its fsyncs on, and the one that it leaves to the next: that of the directory of its branches. */
const git: Recorder = {
  name: "git",
  tools: ["git"],
  run(mountPoint, seed, note) {
    const random = new Random(seed);
    const directory = makeDirectory(mountPoint, "repository");
    const settings = ["core.fsync=all", "core.fsyncMethod=fsync", "core.logAllRefUpdates=false", "gc.auto=0"];
    const run = (...args: readonly string[]): string =>
      command(directory, "git", [...settings.flatMap((setting) => ["-c", setting]), ...args]);
    run("init", "-q");
    command(directory, "sync", ["--file-system", "."]);
    for (let i = 0; ; i++) {
      for (let n = 0; n < 5; n++) writeFileSync(join(directory, `file-${random.below(40)}`), random.bytes(500));
      run("add", ".");
      run("commit", "-q", "-m", `commit ${i}`);
      syncDirectory(join(directory, ".git", "refs", "heads"));
      note({ kind: "commit", path: "repository", commit: run("rev-parse", "HEAD").trim() });
    }
  },
};

export const RECORDERS: readonly Recorder[] = [files, log, slots, replace, database("delete"), database("wal"), git];

export function findRecorder(name: string): Recorder {
  const recorder = RECORDERS.find((one) => one.name === name);
  if (recorder === undefined) throw new Error(`there is no recorder ${name}`);
  return recorder;
}
