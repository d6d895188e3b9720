/** The example of `examples/hello`, mounted. Oracle: ls, cat and stat. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmdirSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { findMount, unmount } from "../../src/index.js";
import { cannotMount, within } from "./fixture.js";

const example = join(
  dirname(createRequire(import.meta.url).resolve("@bulkhead/example-hello/package.json")),
  "dist/main.js",
);
const run = (...command: [string, ...string[]]) => {
  const { status, stdout } = spawnSync(command[0], command.slice(1), { encoding: "utf8", timeout: 10_000 });
  return [status, stdout];
};

test("the example shows one file, and Ctrl-C unmounts it", { skip: cannotMount(), timeout: 60_000 }, async () => {
  const mountpoint = mkdtempSync(join(tmpdir(), "fuse-hello-"));
  const child = spawn(process.execPath, [example, mountpoint, "Ahoy!"], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  try {
    const [line] = await within(once(child.stdout, "data"), "the mount");
    assert.match(String(line), /mounted/);
    assert.deepEqual(run("ls", "-a", mountpoint), [0, ".\n..\nhello\n"]);
    assert.deepEqual(run("cat", join(mountpoint, "hello")), [0, "Ahoy!\n"]);
    assert.deepEqual(run("tail", "-c", "3", join(mountpoint, "hello")), [0, "y!\n"]);
    assert.deepEqual(run("stat", "-c", "%F %a %s", join(mountpoint, "hello")), [0, "regular file 644 6\n"]);
    assert.equal(run("cat", join(mountpoint, "other"))[0], 1);
    assert.equal(run("touch", join(mountpoint, "new"))[0], 1);
    child.kill("SIGINT");
    assert.deepEqual(await within(exited, "the example's end"), [0, null]);
    assert.equal(findMount(mountpoint), undefined);
  } finally {
    child.kill("SIGKILL");
    await exited;
    if (findMount(mountpoint)) unmount(mountpoint, { lazy: true });
    rmdirSync(mountpoint);
  }
});
