import { spawnSync } from "node:child_process";
import {
  closeSync,
  constants,
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
import { fallocate } from "@bulkhead/linux";
import { type Done, sequence, type Workload } from "./workload.js";

const GIB = 2 ** 30;
const MIB = 2 ** 20;
/** A file for random writes, and how many of them. */
const RANDOM_FILE = 256 * MIB;
const RANDOM_WRITES = 16_000;

/** WebAssembly, whose memory begins on a page: what O_DIRECT asks for, and a Buffer's does not. */
declare const WebAssembly: { Memory: new (options: { initial: number }) => { readonly buffer: ArrayBuffer } };

const WASM_PAGE = 65_536;

/** A buffer of bytes that no file system can guess, at the start of a page. */
function noise(length: number): Buffer {
  const buffer = Buffer.from(new WebAssembly.Memory({ initial: Math.ceil(length / WASM_PAGE) }).buffer, 0, length);
  const random = sequence(7);
  for (let at = 0; at < length; at += 4) buffer.writeUInt32LE(Math.floor(random.next().value * 2 ** 32), at);
  return buffer;
}

function writeAll(path: string, flags: number): Done {
  const buffer = noise(MIB);
  const fd = openSync(path, constants.O_CREAT | constants.O_WRONLY | flags, 0o644);
  for (let at = 0; at < GIB; at += MIB) writeSync(fd, buffer, 0, MIB, at);
  fsyncSync(fd);
  closeSync(fd);
  return { operations: GIB / MIB, bytes: GIB };
}

function writeRandomly(path: string): Done {
  const random = sequence(3);
  const buffer = noise(4096);
  const fd = openSync(path, "r+");
  for (let i = 0; i < RANDOM_WRITES; i++) {
    writeSync(fd, buffer, 0, 4096, Math.floor((random.next().value * RANDOM_FILE) / 4096) * 4096);
  }
  fsyncSync(fd);
  closeSync(fd);
  return { operations: RANDOM_WRITES, bytes: RANDOM_WRITES * 4096 };
}

function make(path: string, size: number, reserve: boolean): void {
  const fd = openSync(path, "w");
  if (reserve) fallocate(fd, 0, 0, size);
  else ftruncateSync(fd, size);
  fsyncSync(fd);
  closeSync(fd);
}

function command(directory: string, program: string, args: readonly string[]): void {
  const result = spawnSync(program, args, { cwd: directory, encoding: "utf8", timeout: 600_000 });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) throw new Error(`${program} ${args.join(" ")}: ${result.stderr}`);
}

/** The archive of 30,000 files that `images.ts` made; its place comes by the environment. */
function untar(directory: string): void {
  command(directory, "tar", ["-xf", process.env["BULKHEAD_BENCH_TAR"] ?? "tree.tar"]);
}

const FILES = 20_000;
const DIRECTORIES = 5_000;

function fillDirectory(directory: string): void {
  mkdirSync(join(directory, "many"));
  for (let i = 0; i < FILES; i++) closeSync(openSync(`${directory}/many/file-${i}`, "w"));
}

const identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.org", "-c", "gc.auto=0"];

/** What is done with a fresh file system that is written to. */
export const writeWorkloads: Record<string, Workload> = {
  "write-sequential": { memory: 3 * GIB, run: (directory) => writeAll(join(directory, "big"), 0) },
  "write-direct": { memory: 2 * GIB, run: (directory) => writeAll(join(directory, "big"), constants.O_DIRECT) },

  "write-random": {
    prepare: (directory) => make(join(directory, "random"), RANDOM_FILE, false),
    run: (directory) => writeRandomly(join(directory, "random")),
  },
  "write-random-fallocated": {
    prepare: (directory) => make(join(directory, "random"), RANDOM_FILE, true),
    run: (directory) => writeRandomly(join(directory, "random")),
  },

  "create-unlink": {
    run(directory) {
      fillDirectory(directory);
      for (let i = 0; i < FILES; i++) unlinkSync(`${directory}/many/file-${i}`);
      return { operations: 2 * FILES, bytes: 0 };
    },
  },

  untar: {
    run(directory) {
      untar(directory);
      return { operations: 30_000, bytes: 0 };
    },
  },
  "remove-tree": {
    prepare: untar,
    run(directory) {
      command(directory, "rm", ["-rf", "tree"]);
      return { operations: 30_000, bytes: 0 };
    },
  },

  "mkdir-tree": {
    run(directory) {
      for (let i = 0; i < DIRECTORIES; i++) mkdirSync(`${directory}/${i % 10}/${i % 100}/${i}`, { recursive: true });
      return { operations: DIRECTORIES, bytes: 0 };
    },
  },

  rename: {
    prepare: fillDirectory,
    run(directory) {
      for (let i = 0; i < FILES; i++) renameSync(`${directory}/many/file-${i}`, `${directory}/many/renamed-${i}`);
      return { operations: FILES, bytes: 0 };
    },
  },

  "git-commit": {
    prepare(directory) {
      command(directory, "git", ["init", "-q", "."]);
      for (let i = 0; i < 5_000; i++) {
        const parent = `${directory}/src/${i % 50}`;
        mkdirSync(parent, { recursive: true });
        writeFileSync(`${parent}/file-${i}.txt`, `line ${i}\n`.repeat(1 + (i % 200)));
      }
    },
    run(directory) {
      command(directory, "git", ["add", "."]);
      command(directory, "git", [...identity, "commit", "-q", "-m", "all"]);
      return { operations: 5_000, bytes: 0 };
    },
  },

  "create-fsync": {
    run(directory) {
      const bytes = noise(4096);
      for (let i = 0; i < 500; i++) {
        const fd = openSync(join(directory, `mail-${i}`), "w");
        writeSync(fd, bytes);
        fsyncSync(fd);
        closeSync(fd);
      }
      return { operations: 500, bytes: 500 * 4096 };
    },
  },

  sqlite: {
    prepare: (directory) =>
      command(directory, "sqlite3", ["base.db", "create table t (id integer primary key, text text)"]),
    run(directory) {
      const statements = Array.from({ length: 300 }, (_, i) => `insert into t (text) values ('row ${i}');`);
      command(directory, "sqlite3", ["base.db", statements.join("\n")]);
      return { operations: 300, bytes: 0 };
    },
  },

  "overwrite-fdatasync": {
    prepare: (directory) => make(join(directory, "log"), MIB, true),
    run(directory) {
      const bytes = noise(4096);
      const fd = openSync(join(directory, "log"), "r+");
      for (let i = 0; i < 500; i++) {
        writeSync(fd, bytes, 0, 4096, (i % 256) * 4096);
        fdatasyncSync(fd);
      }
      closeSync(fd);
      return { operations: 500, bytes: 500 * 4096 };
    },
  },
};
