// Oracle: npm, of what it would publish.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { fileURLToPath } from "node:url";
import { run } from "./system/process.js";

const packages = fileURLToPath(new URL("../../packages", import.meta.url));

interface Tarball {
  readonly name: string;
  readonly files: readonly { readonly path: string }[];
}

it("every package is published with its licence and README, and the command with the documentation", () => {
  const names = readdirSync(packages);
  const folders = names.map((name) => join(packages, name));
  const { stdout } = run("npm", ["pack", "--dry-run", "--json", ...folders]);
  // What is run before goes to standard output as well.
  const text = stdout.toString();
  const tarballs = JSON.parse(text.slice(text.search(/^\[$/m))) as Tarball[];
  assert.deepEqual(tarballs.map(({ name }) => name).sort(), names.map((name) => `@bulkhead/${name}`).sort());
  for (const { name, files } of tarballs) {
    const docs = name === "@bulkhead/cli" ? ["docs/containment.md", "docs/systemd.md", "man/bulkhead.1"] : [];
    for (const wanted of ["LICENSE", "README.md", "dist/src/index.js", ...docs]) {
      assert.ok(
        files.some(({ path }) => path === wanted),
        `${name} has no ${wanted}`,
      );
    }
  }
});
