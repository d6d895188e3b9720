/** The protocol core runs where there is no Node and no foreign function interface: it imports neither. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../src/protocol/", import.meta.url));
const outside = fileURLToPath(new URL("../../../../linux/dist/src/struct.js", import.meta.url));

function imports(file: string): string[] {
  return [...readFileSync(file, "utf8").matchAll(/^(?:import|export)\b[^;]*?\bfrom "([^"]+)"/gm)].map(
    ([, from]) => from ?? "",
  );
}

test("protocol modules import each other and the declared structures, nothing else", () => {
  const modules = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".js"));
  assert.ok(modules.length > 10);
  for (const module of modules) {
    for (const from of imports(root + module)) {
      assert.match(from, /^(\.\/(structs\/)?\w+\.js|@bulkhead\/linux\/struct)$/, module);
    }
  }
  assert.deepEqual(imports(outside), []);
});
