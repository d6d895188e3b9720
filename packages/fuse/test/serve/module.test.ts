/** What `mountAndServe` takes for a module, without a mount: the mountpoint is none. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { mountAndServe } from "../../src/index.js";

const mountpoint = "/nowhere/at/all";

test("a path with signs of URLs, and TypeScript's CommonJS, are a file system's module", async () => {
  const directory = mkdtempSync(join(tmpdir(), "fuse-module #%20?-"));
  try {
    const module = join(directory, "fs.cjs");
    const creates = "(data) => { throw new Error('created with ' + data); }";
    for (const exported of [`module.exports = ${creates}`, `exports.__esModule = true; exports.default = ${creates}`]) {
      writeFileSync(module, exported);
      await assert.rejects(mountAndServe({ mountpoint, module, data: 5 }), /created with 5/);
    }
    writeFileSync(module, "exports.create = 5");
    await assert.rejects(mountAndServe({ mountpoint, module }), /has no function as its default export/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("a relative path, a name, and no milliseconds are refused before anything is done", async () => {
  for (const module of ["./fs.js", "fs", undefined as unknown as string]) {
    await assert.rejects(mountAndServe({ mountpoint, module }), { name: "TypeError", message: /a URL is needed/ });
  }
  for (const graceMs of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    await assert.rejects(mountAndServe({ mountpoint, module: import.meta.url, graceMs }), RangeError);
  }
});
