// Oracle: the bundler's own notes of what it has put where. Whoever has privileges does not even load the code that reads images.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const directory = join(dirname(fileURLToPath(import.meta.resolve("../../package.json"))), "dist", "bundle");

/** Modules of the engine that are loaded with the file of the bundle whose name begins like this. */
function engineBehind(beginning: string): string[] {
  const files = readdirSync(directory).filter((name) => name.startsWith(beginning) && name.endsWith(".js"));
  assert.ok(files.length > 0, `${beginning} is in the bundle`);
  return modulesBehind(files, "ext4");
}

/** Modules of a package that are loaded with files of the bundle. */
function modulesBehind(files: readonly string[], from: string): string[] {
  const pending = [...files];
  const itsModules = new RegExp(`^// \\S*/${from}/dist/src/(\\S+)\\.js$`, "gm");
  const seen = new Set<string>();
  const modules = new Set<string>();
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    const text = readFileSync(join(directory, name), "utf8");
    for (const [, imported] of text.matchAll(/^(?:import|export)\b[^;"]*"\.\/([^"]+)";/gm)) pending.push(imported!);
    for (const [, module] of text.matchAll(itsModules)) modules.add(module!);
  }
  return [...modules];
}

describe("the bundle", () => {
  for (const who of [
    "keeper-",
    "launch-",
    "mount-",
    "bulkhead-",
    "safe-",
    "server-process",
    "status-",
    "umount-",
    "program",
  ]) {
    it(`has nothing of the engine but names in ${who.replace("-", "")}`, () => {
      assert.deepEqual(
        engineBehind(who).filter((module) => module !== "library/names"),
        [],
      );
    });
  }

  it("has nothing that takes long to load in the command that starts a mount", () => {
    const files = readdirSync(directory).filter((name) =>
      readFileSync(join(directory, name), "utf8").includes("/cli/dist/src/commands/mount.js\n"),
    );
    assert.equal(files.length, 1);
    assert.deepEqual(modulesBehind(files, "linux"), []);
  });

  it("has no library from elsewhere but those that the package depends on: others are not found with every package manager", () => {
    const { dependencies } = JSON.parse(readFileSync(join(directory, "../../package.json"), "utf8"));
    const imports = /^(?:import|export)\b[^;"]*"([^."][^"]*)";|\bimport\("([^."][^"]*)"\)/gm;
    for (const name of readdirSync(directory)) {
      for (const [, named, loaded] of readFileSync(join(directory, name), "utf8").matchAll(imports)) {
        const library = named ?? loaded!;
        assert.ok(library.startsWith("node:") || library in dependencies, `${name} imports ${library}`);
      }
    }
  });

  it("has it in those who serve", () => {
    assert.ok(engineBehind("file-system").includes("filesystem"));
    assert.ok(engineBehind("serve-").includes("filesystem"));
  });
});
