/** The programs themselves. Oracles: the file system and the kernel's mount table, for where they work and what they leave behind. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { listMounts } from "@bulkhead/fuse";

const program = (name: string) => fileURLToPath(new URL(`./${name}.js`, import.meta.url));
const cannotMount =
  process.getuid?.() !== 0 ? "mounting takes root" : existsSync("/dev/fuse") ? false : "there is no /dev/fuse";
const cannotAskFio = spawnSync("fio", ["--version"]).status === 0 ? false : "fio is not installed";

let folder: string;
let env: NodeJS.ProcessEnv;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bench-programs-"));
  env = { ...process.env, TMPDIR: folder };
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const mountsBelow = () => listMounts().filter(({ mountpoint }) => mountpoint.startsWith(folder));

test("a word that is in no benchmark's name is an error, before anything is made", () => {
  for (const name of ["main", "file-io", "passthrough", "slow-disk"]) {
    const args = [program(name), "--only", "write", "--only", "wirte"];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", env });
    assert.equal(status, 2);
    assert.match(stderr, /^bench: --only wirte: no benchmark has that in its name; there are:\n {2}\S/);
  }
  assert.deepEqual(readdirSync(folder), []);
});

test("programs say what options they take, and which one they do not", () => {
  const programs = ["main", "file-io", "copy", "slow-disk", "round-trip", "profiles", "passthrough"].map((name) => [
    program(name),
  ]);
  const scripts = ["bench", "test"].map((name) => fileURLToPath(new URL(`../../scripts/${name}.mjs`, import.meta.url)));
  const crash = fileURLToPath(new URL("../../tests/dist/crash/main.js", import.meta.url));
  const run = (args: readonly string[]) => spawnSync(process.execPath, args, { encoding: "utf8", env });
  for (const args of [...programs, [scripts[1]!], [crash]]) {
    const help = run([...args, "--help"]);
    assert.deepEqual([help.status, help.stderr], [0, ""]);
    assert.match(help.stdout, /^usage: n/);
    const wrong = run([...args, "--roudns", "3"]);
    assert.deepEqual([wrong.status, wrong.stdout], [2, ""]);
    assert.match(wrong.stderr, /^\w+: unknown option '?--roudns'?\nusage: n/i);
  }
  const unknown = run([scripts[0]!, "file-oi"]);
  assert.equal(unknown.status, 2);
  assert.match(unknown.stderr, /^bench: there is no benchmark file-oi; there are: file-io, /);
  for (const args of [
    ["--hours", "1h"],
    ["--image", "none"],
  ])
    assert.match(run([crash, ...args]).stderr, /^crash: --/);
  assert.deepEqual(readdirSync(folder), []);
});

test("programs that mount say so to who is not root, before anything is made", { skip: cannotMount }, () => {
  chmodSync(folder, 0o777);
  for (const name of ["main", "file-io", "copy", "slow-disk", "round-trip", "profiles"]) {
    const user = { uid: 65534, gid: 65534, encoding: "utf8", env } as const;
    const { status, stderr } = spawnSync(process.execPath, [program(name)], user);
    assert.deepEqual([status, stderr], [2, "bench: this mounts, and takes root\n"]);
  }
  assert.deepEqual(readdirSync(folder), []);
});

/** Starts a program, and interrupts it some time after there is what shows that it is at work. As a terminal does: all that it has started, too. */
async function interrupt(args: readonly string[], isAtWork: () => boolean, later: number): Promise<unknown> {
  const cwd = join(folder, "elsewhere");
  mkdirSync(cwd);
  const child = spawn(process.execPath, args, { cwd, stdio: "ignore", detached: true, env });
  const ended = once(child, "exit");
  try {
    for (let waited = 0; !isAtWork(); waited += 10) {
      assert.ok(waited < 30_000, "it is not at work");
      await sleep(10);
    }
    await sleep(later);
  } finally {
    process.kill(-child.pid!, "SIGINT");
    await ended;
  }
  assert.deepEqual([mountsBelow(), readdirSync(cwd), readdirSync(folder)], [[], [], ["elsewhere"]]);
  return ended;
}

test("interrupted, the benchmark of round trips ends by the signal, and leaves nothing", {
  skip: cannotMount,
}, async () => {
  // By then, a client may wait for an answer.
  const how = await interrupt([program("round-trip"), "--rounds", "2"], () => mountsBelow().length > 0, 300);
  assert.deepEqual(how, [null, "SIGINT"]);
});

test("the mirror's benchmark works where it is to, and interrupted, leaves nothing", {
  skip: cannotMount || cannotAskFio,
}, async () => {
  const isThere = () => readdirSync(folder).some((name) => existsSync(join(folder, name, "below", "data")));
  assert.deepEqual(await interrupt([program("passthrough")], isThere, 0), [null, "SIGINT"]);
});
