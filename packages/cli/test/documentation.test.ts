import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { mountOptions } from "@bulkhead/server/options";
import { commands } from "../src/commands/table.js";
import { completionScript, shells } from "../src/documentation/completion.js";
import { manPages } from "../src/documentation/man-page.js";
import { version } from "../src/main.js";
import { bulkhead, missingTool, packageRoot, scratchDirectory } from "./command.js";

const AGAIN = "npm run generate -w packages/cli writes it anew";

describe("man pages", () => {
  const pages = manPages(version());

  it("in the package are those of the command table", () => {
    assert.deepEqual(fs.readdirSync(join(packageRoot, "man")).sort(), [...pages.keys()].sort(), AGAIN);
    for (const [name, text] of pages)
      assert.equal(fs.readFileSync(join(packageRoot, "man", name), "utf8"), text, AGAIN);
    const manifest = JSON.parse(fs.readFileSync(join(packageRoot, "package.json"), "utf8")) as { man: string[] };
    assert.deepEqual(
      manifest.man,
      [...pages.keys()].sort().map((name) => `man/${name}`),
    );
  });

  it("name every command, option and mount option", () => {
    const text = (name: string) => pages.get(name)!.replaceAll("\\-", "-");
    for (const { name, section, options } of commands) {
      assert.ok(text("bulkhead.1").includes(`bulkhead-${name} (${section})`));
      for (const option of options) assert.ok(text(`bulkhead-${name}.${section}`).includes(`--${option.name}`));
    }
    for (const { name } of mountOptions) assert.ok(text("bulkhead-mount.8").includes(`.B ${name}`), name);
  });

  it("are read by man without a warning", { skip: missingTool("man", "groff") }, () => {
    for (const name of pages.keys()) {
      const { status, stdout, stderr } = spawnSync("man", ["--warnings", "-l", join(packageRoot, "man", name)], {
        encoding: "utf8",
        env: { ...process.env, MANWIDTH: "80", LC_ALL: "C.UTF-8" },
      });
      assert.equal(status, 0);
      assert.equal(stderr, "", name);
      assert.match(stdout, /EXIT STATUS/);
    }
  });
});

describe("help", () => {
  it("shows every command and every option", () => {
    const overall = bulkhead(["--help"]);
    assert.equal(overall.code, 0);
    for (const { name, options } of commands) {
      assert.match(overall.stdout, new RegExp(`^ {2}${name} `, "m"));
      const help = bulkhead([name, "--help"]);
      assert.equal(help.code, 0);
      assert.ok(help.stdout.startsWith(`usage: bulkhead ${name} [OPTIONS]`));
      for (const option of options) assert.ok(help.stdout.includes(`--${option.name}`));
      for (const line of help.stdout.split("\n")) assert.ok(line.length <= 90, line);
    }
    assert.equal(bulkhead(["help", "cat"]).stdout, bulkhead(["cat", "-h"]).stdout);
    assert.equal(bulkhead(["--version"]).stdout, `bulkhead ${version()}\n`);
  });
  it("comes with exit code 2 when nothing was asked for", () => {
    const { code, stderr, stdout } = bulkhead([]);
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(stderr, /^usage:/);
  });
});

describe("completion", () => {
  it("in the package is that of the command table, and what the command prints", () => {
    for (const shell of shells) {
      const text = completionScript(shell);
      assert.equal(fs.readFileSync(join(packageRoot, "completion", `bulkhead.${shell}`), "utf8"), text, AGAIN);
      assert.equal(bulkhead(["completion", shell]).stdout, text);
      for (const { name, options } of commands) {
        assert.ok(text.includes(name));
        for (const option of options) assert.ok(text.includes(option.name));
      }
    }
    const unknown = bulkhead(["completion", "fihs"]);
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /did you mean fish\?/);
  });

  it("completes commands, options, values and lists in bash", { skip: missingTool("bash") }, () => {
    const complete = (...words: string[]) => {
      const script = `compopt() { :; }; source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _bulkhead; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const args = [
        "--norc",
        "-c",
        script,
        "bash",
        join(packageRoot, "completion", "bulkhead.bash"),
        "bulkhead",
        ...words,
      ];
      const { stdout, stderr } = spawnSync("bash", args, { encoding: "utf8", cwd: packageRoot });
      assert.equal(stderr, "");
      return stdout.trim().split("\n");
    };
    assert.deepEqual(complete("ex"), ["extents"]);
    assert.deepEqual(complete("ls", "--off"), ["--offset"]);
    assert.deepEqual(complete("mount", "-o", "ro,noe"), ["ro,noexec"]);
    assert.deepEqual(complete("completion", "f"), ["fish"]);
    assert.deepEqual(complete("ls", "READ"), fs.existsSync(join(packageRoot, "README.md")) ? ["README.md"] : [""]);
  });

  it("completes lists in fish", { skip: missingTool("fish") }, () => {
    const home = scratchDirectory(); // where fish keeps what it knows
    const script =
      'source $argv[1]; complete -C "bulkhead mount -o ro,noe"; complete -C "bulkhead cp --no-preserve=mode,t"';
    const { stdout } = spawnSync("fish", ["-c", script, join(packageRoot, "completion", "bulkhead.fish")], {
      encoding: "utf8",
      env: { ...process.env, HOME: home, XDG_CONFIG_HOME: home, XDG_DATA_HOME: home, XDG_CACHE_HOME: home },
    });
    fs.rmSync(home, { recursive: true, force: true });
    const words = stdout.split("\n").map((line) => line.split("\t")[0]);
    assert.deepEqual(words, ["ro,noexec", "--no-preserve=mode,timestamps", ""]);
  });

  for (const shell of ["zsh", "fish"] as const) {
    it(`is a script that ${shell} takes`, { skip: missingTool(shell) }, () => {
      const { status, stderr } = spawnSync(shell, ["-n", join(packageRoot, "completion", `bulkhead.${shell}`)]);
      assert.equal(status, 0, String(stderr));
    });
  }
});
