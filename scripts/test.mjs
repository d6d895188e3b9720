// Installs, builds, lints and runs the tests.
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { must, prepare, root } from "./prepare.mjs";

const USAGE = `usage: npm test [-- WORD …]
  npm test                 everything that is fast
  npm test -- WORD …       only test files whose path contains one of the words
  npm run test:long        what is slow, and only that
With BULKHEAD_NO_SKIP=1 a skipped test fails the run: for machines that have everything.`;

const words = process.argv.slice(2).filter((word) => !word.startsWith("-"));
const options = process.argv.slice(2).filter((word) => word.startsWith("-"));
const long = options.includes("--long");
const unknown = options.find((word) => !["--long", "--help", "-h"].includes(word));
if (unknown !== undefined) {
  console.error(`bulkhead: unknown option ${unknown}\n${USAGE}`);
  process.exit(2);
}
if (options.includes("--help") || options.includes("-h")) {
  console.log(USAGE);
  process.exit();
}

/** Compiled test files that still have a source. */
function testFiles() {
  const files = [];
  // What takes long comes first: at the end, short ones keep all CPUs busy.
  const roots = [
    { source: join(root, "tests", "src"), compiled: join(root, "tests", "dist") },
    { source: join(root, "bench", "src"), compiled: join(root, "bench", "dist") },
    ...readdirSync(join(root, "examples"), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => ({
        source: join(root, "examples", name, "src"),
        compiled: join(root, "examples", name, "dist"),
      })),
    ...readdirSync(join(root, "packages")).map((name) => ({
      source: join(root, "packages", name, "test"),
      compiled: join(root, "packages", name, "dist", "test"),
    })),
  ];
  for (const { source, compiled } of roots) {
    let entries = [];
    try {
      entries = readdirSync(source, { recursive: true });
    } catch {
      continue; // a package without tests
    }
    for (const entry of entries) {
      if (!entry.endsWith(".test.ts") || entry.endsWith(".long.test.ts") !== long) continue;
      files.push(join(compiled, entry.replace(/\.ts$/, ".js")));
    }
  }
  return words.length === 0 ? files : files.filter((file) => words.some((word) => file.includes(word)));
}

/** Mounts and loop devices below `directory`, newest first. */
function leftovers(directory) {
  const mounts = readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([, point]) => point?.startsWith(directory))
    .map(([source, point]) => ({ source, point }))
    .reverse();
  const loops = spawnSync("losetup", ["--list", "--noheadings", "--output", "NAME,BACK-FILE"], { encoding: "utf8" });
  const devices = (loops.stdout ?? "")
    .split("\n")
    .filter((line) => line.includes(directory))
    .map((line) => line.trim().split(/\s+/)[0]);
  return { mounts, devices };
}

/** Unmounts and detaches what the tests left below `directory`, and removes it. Returns what was found. */
function sweep(directory) {
  const found = process.platform === "linux" ? leftovers(directory) : { mounts: [], devices: [] };
  for (const { point } of found.mounts) spawnSync("umount", ["--lazy", point]);
  for (const device of found.devices) spawnSync("losetup", ["--detach", device]);
  // A server that is only now told that its mount is gone has its directory in use for a moment.
  rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  return found;
}

prepare();
if (!long && words.length === 0)
  must(process.execPath, [join(root, "node_modules", "@biomejs", "biome", "bin", "biome"), "check", "."]);

const files = testFiles();
if (files.length === 0) {
  console.error(`bulkhead: no test file matches ${words.join(" ")}`);
  process.exit(1);
}
const scratch = mkdtempSync(join(tmpdir(), "bulkhead-test-"));
chmodSync(scratch, 0o755); // some tests run as other users
const skips = join(scratch, "skipped");
writeFileSync(skips, ""); // a runner that is ended at once makes none
// Each Node reads these certificates when it starts, which doubles its start; of some thousand processes, npm alone needs them.
const { NODE_EXTRA_CA_CERTS: certificates, ...environment } = process.env;
if (certificates !== undefined) environment.BULKHEAD_NPM_CA_CERTS = certificates;
// What a version manager calls python3 is a shell script, which takes longer to start than the Python that it finds.
const python = spawnSync("python3", ["-c", "import sys; print(sys.executable)"], { encoding: "utf8" });
if (python.status === 0) {
  const programs = join(scratch, "bin");
  mkdirSync(programs);
  symlinkSync(python.stdout.trim(), join(programs, "python3"));
  environment.PATH = `${programs}:${environment.PATH}`;
}
const child = spawn(
  process.execPath,
  [join(root, "scripts", "run-tests.mjs"), skips, ...files.map((file) => relative(root, file))],
  { cwd: root, stdio: ["ignore", "inherit", "inherit"], env: { ...environment, TMPDIR: scratch }, detached: true },
);

// Interrupted: end the tests (their process group), then clean up as after any run.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.kill(-child.pid, "SIGTERM"));

child.on("exit", (code) => {
  const skipped = readFileSync(skips, "utf8").trim();
  try {
    process.kill(-child.pid, "SIGKILL"); // a runner that was killed leaves its tests at work
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
  const found = sweep(scratch);
  let status = code ?? 1;
  if (skipped !== "") {
    console.log(`\nSkipped:\n${skipped}`);
    if (process.env.BULKHEAD_NO_SKIP === "1") {
      console.error("bulkhead: a test was skipped on a machine that should run all of them");
      status ||= 1;
    }
  }
  if (found.mounts.length > 0 || found.devices.length > 0) {
    console.error("bulkhead: the tests left these behind (removed now):");
    for (const { source, point } of found.mounts) console.error(`  mount of ${source} on ${point}`);
    for (const device of found.devices) console.error(`  loop device ${device}`);
    status ||= 1;
  }
  process.exitCode = status;
});
