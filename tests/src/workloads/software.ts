/** The workloads: what people do with a file system all day, each with its own judge. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Random } from "../images/random.js";
import { withScratch } from "../system/scratch.js";
import { writeTarball } from "./tarball.js";
import { command, type Workload } from "./workload.js";

const MIB = 1 << 20;
const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const FSX = fileURLToPath(new URL("../../src/workloads/fsx.py", import.meta.url));

function makeDirectory(...parts: readonly string[]): string {
  const path = join(...parts);
  mkdirSync(path, { recursive: true });
  return path;
}

/** Judge: tar --compare, with contents, modes, owners, times and links of every file. */
const untar: Workload = {
  name: "untar",
  about: "untar of a big tree, its comparison, and rm -r of it",
  tools: ["tar"],
  // In clusters of 16 KiB, 512 were too few for some trees, for the kernel's ext4 as well.
  size: 768 * MIB,
  timeout: 180_000,
  run(mountPoint, { long, seed }) {
    withScratch("tarball", (directory) => {
      const tarball = join(directory, "tree.tar");
      writeTarball(tarball, long ? 30_000 : 4000, seed);
      const options = ["--numeric-owner", "-f", tarball, "-C", mountPoint];
      command(mountPoint, "tar", ["--extract", "--same-owner", "--same-permissions", ...options]);
      command(mountPoint, "tar", ["--compare", ...options]);
      command(mountPoint, "sh", ["-c", "echo 3 > /proc/sys/vm/drop_caches"]);
      command(mountPoint, "tar", ["--compare", ...options]);
      rmSync(join(mountPoint, "tree", "0"), { recursive: true });
    });
  },
};

/** Judge: git fsck, and a status that finds nothing changed. */
const git: Workload = {
  name: "git",
  about: "git init, add, commit, branch, merge, gc, fsck, clone",
  tools: ["git", "tar"],
  size: 512 * MIB,
  timeout: 180_000,
  run(mountPoint, { long, seed }) {
    const work = makeDirectory(mountPoint, "work");
    const run = (...args: readonly string[]): string => command(work, "git", args);
    withScratch("tarball", (directory) => {
      const tarball = join(directory, "tree.tar");
      writeTarball(tarball, long ? 5000 : 800, seed);
      command(work, "tar", ["--extract", "--no-same-owner", "-f", tarball]);
    });
    run("init", "-q", "-b", "main");
    // With as many objects, a merge begins a gc that goes on behind it: the next one would not begin.
    run("config", "gc.autoDetach", "false");
    run("add", ".");
    run("commit", "-q", "-m", "one");
    run("checkout", "-q", "-b", "side");
    const emptyBlob = run("hash-object", "/dev/null").trim();
    const changed = run("ls-files", "-s")
      .split("\n")
      // A merge does not look where files without contents were moved to.
      .filter((line) => line.startsWith("100644") && !line.includes(emptyBlob))
      .map((line) => line.split("\t")[1]!)
      .filter((_, index) => index % 7 === 0);
    for (const path of changed) writeFileSync(join(work, path), `changed ${path}\n`);
    run("commit", "-q", "-a", "-m", "two");
    run("checkout", "-q", "main");
    run("mv", "tree/0", "tree/moved");
    run("commit", "-q", "-m", "three");
    run("merge", "-q", "-m", "four", "side");
    run("gc", "-q", "--aggressive", "--prune=now");
    run("fsck", "--full", "--strict");
    const status = run("status", "--porcelain");
    if (status !== "") throw new Error(`git status: ${status.slice(0, 500)}`);
    command(mountPoint, "git", ["clone", "-q", "--no-hardlinks", "work", "clone"]);
    command(join(mountPoint, "clone"), "git", ["fsck", "--full", "--strict"]);
  },
};

/** Judge: sqlite's integrity check, and the same statements' outcome in memory. */
const sqlite: Workload = {
  name: "sqlite",
  about: "sqlite with a rollback journal and with a write-ahead log",
  tools: ["sqlite3"],
  size: 128 * MIB,
  timeout: 180_000,
  run(mountPoint, { long, seed }) {
    const statements = sqlStatements(long ? 300 : 60, seed);
    const expected = command(mountPoint, "sqlite3", [":memory:"], `${statements}\n.dump\n`);
    for (const mode of ["delete", "truncate", "persist", "wal"]) {
      const file = join(mountPoint, `${mode}.db`);
      const settings = `PRAGMA journal_mode=${mode}; PRAGMA synchronous=full;\n.output /dev/null\n`;
      command(mountPoint, "sqlite3", ["-bail", file], `${settings}${statements}\nVACUUM;\n`);
      const check = command(mountPoint, "sqlite3", [file], "PRAGMA integrity_check;").trim();
      if (check !== "ok") throw new Error(`${mode}: ${check}`);
      if (command(mountPoint, "sqlite3", [file], ".dump\n") !== expected) throw new Error(`${mode}: other rows`);
    }
  },
};

function sqlStatements(transactions: number, seed: number): string {
  const random = new Random(seed);
  const lines = ["CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, data BLOB);", "CREATE INDEX names ON t (name);"];
  for (let i = 0; i < transactions; i++) {
    lines.push("BEGIN;");
    for (let row = 0; row < 20; row++) {
      const data = random.bytes(random.below(600)).toString("hex");
      lines.push(`INSERT INTO t (name, data) VALUES ('name ${random.below(5000)}', x'${data}');`);
    }
    lines.push(`UPDATE t SET name = 'updated ${i}' WHERE id % 97 = ${random.below(97)};`);
    lines.push(`DELETE FROM t WHERE id % 53 = ${random.below(53)};`);
    lines.push(i % 10 === 9 ? "ROLLBACK;" : "COMMIT;");
  }
  return lines.join("\n");
}

/** Judge: npm itself, and the unit tests of a package. Nothing is downloaded that npm has in its cache. */
const npm: Workload = {
  name: "npm",
  about: "npm ci of this project, its compiler, and the unit tests of packages/iomap",
  tools: ["git", "npm", "tar"],
  size: 1024 * MIB,
  timeout: 300_000,
  run(mountPoint) {
    const project = makeDirectory(mountPoint, "project");
    const files = command(ROOT, "git", ["-c", `safe.directory=${ROOT.replace(/\/$/, "")}`, "ls-files"]);
    command(ROOT, "sh", ["-c", 'tar --create --files-from=- | tar --extract -C "$0"', project], files);
    // As npm test was given them: the other processes of the tests go without.
    const certificates = process.env["BULKHEAD_NPM_CA_CERTS"] ?? process.env["NODE_EXTRA_CA_CERTS"] ?? "";
    const install = ["npm", "ci", "--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts"];
    command(project, "env", [`NODE_EXTRA_CA_CERTS=${certificates}`, ...install]);
    command(project, "node_modules/.bin/tsc", ["--build", "packages/iomap/test"]);
    command(project, "sh", ["-c", "exec node --test packages/iomap/dist/test/*.test.js"]);
  },
};

const FIO_JOBS: readonly (readonly string[])[] = [
  ["--ioengine=psync", "--rw=randwrite", "--bs=4k"],
  ["--ioengine=psync", "--rw=write", "--bs=128k", "--fsync=16"],
  ["--ioengine=mmap", "--rw=randwrite", "--bs=4k"],
  ["--ioengine=psync", "--direct=1", "--rw=randwrite", "--bs=4k"],
  ["--ioengine=libaio", "--iodepth=16", "--direct=1", "--rw=randrw", "--bs=4k"],
  ["--ioengine=psync", "--rw=randwrite", "--bs=512-16k", "--bs_unaligned", "--fallocate=none"],
  ["--ioengine=pvsync2", "--rw=randwrite", "--bs=4k", "--fallocate=keep", "--fdatasync=64"],
];

/** Judge: fio's own checksums in every block. */
const fio: Workload = {
  name: "fio",
  about: "fio --verify through several engines",
  tools: ["fio"],
  size: 512 * MIB,
  timeout: 300_000,
  run(mountPoint, { long, seed }) {
    for (const [index, job] of FIO_JOBS.entries()) {
      command(mountPoint, "fio", [
        `--name=job${index}`,
        `--directory=${mountPoint}`,
        `--size=${long ? 64 : 8}m`,
        `--randseed=${seed}`,
        "--verify=crc32c",
        "--do_verify=1",
        "--verify_fatal=1",
        "--group_reporting",
        "--output-format=terse",
        ...job,
      ]);
    }
  },
};

/** Those that work on files; each verifies what it can. */
const STRESSORS =
  "access chdir chmod chown copy-file dentry dir dirdeep dirmany dup eventfd fallocate fiemap filename flock fpunch fstat getdent handle hdd io iomix lease link locka lockf lockofd mknod mmapfork mmapmany open rename revio seek sendfile splice symlink sync-file touch utime xattr";
const SHORT_STRESSORS =
  "chmod copy-file dentry dir fallocate filename fpunch getdent hdd link rename seek sync-file touch utime xattr";

/** Judge: stress-ng's --verify. */
const stress: Workload = {
  name: "stress-ng",
  about: "stress-ng's file-system stressors, one after the other",
  tools: ["stress-ng"],
  size: 1024 * MIB,
  timeout: 400_000,
  // The access stressor judges by what a mode refuses.
  options: ["allow_other"],
  run(mountPoint, { long }) {
    for (const stressor of (long ? STRESSORS : SHORT_STRESSORS).split(" ")) {
      const directory = makeDirectory(mountPoint, stressor);
      command(directory, "stress-ng", [
        ...[`--${stressor}`, long ? "2" : "1", `--${stressor}-ops`, long ? "3000" : "150"],
        ...["--timeout", long ? "10" : "1", "--temp-path", directory, "--verify", "--hdd-bytes", "8m", "--quiet"],
        ...["--fallocate-bytes", "8m", "--copy-file-bytes", "128m", "--iomix-bytes", "64m"],
      ]);
      rmSync(directory, { recursive: true });
    }
  },
};

/** Judge: a copy in memory, compared byte by byte. */
const fsx: Workload = {
  name: "fsx",
  about: "random input and output on one file: mapped, direct, punched, shifted, copied",
  tools: ["python3"],
  size: 128 * MIB,
  timeout: 300_000,
  run(mountPoint, { long, native, seed }) {
    for (let round = 0; round < (long ? 6 : 1); round++) {
      const args = [mountPoint, String(seed + round), long ? "8000" : "1500", "4096", ...(native ? [] : ["noshift"])];
      command(mountPoint, "python3", [FSX, ...args]);
    }
  },
};

export const WORKLOADS: readonly Workload[] = [untar, git, sqlite, npm, fio, stress, fsx];

export function findWorkload(name: string): Workload {
  const workload = WORKLOADS.find((one) => one.name === name);
  if (workload === undefined) throw new Error(`there is no workload ${name}`);
  return workload;
}
