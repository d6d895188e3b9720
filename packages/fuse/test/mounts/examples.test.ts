/** The examples where there is nothing to mount at. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { test } from "node:test";

for (const [name, ...args] of [
  ["hello", "/nonexistent"],
  ["mirror", "/nonexistent", "/"],
] as const) {
  test(`${name} says in one line that a directory is not there`, () => {
    const manifest = createRequire(import.meta.url).resolve(`@bulkhead/example-${name}/package.json`);
    const { status, stderr } = spawnSync(process.execPath, [join(dirname(manifest), "dist/main.js"), ...args], {
      encoding: "utf8",
      timeout: 60_000,
    });
    assert.match(stderr, new RegExp(`^${name}: ENOENT: .*\n$`));
    assert.equal(status, 1);
  });
}
