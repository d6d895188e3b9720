/** The units of the service. Oracle: systemd-analyze, which knows what each directive is worth, and which are none. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { JITLESS, plainPath, programFiles } from "@bulkhead/service";
import { withoutTools } from "../facilities.js";
import { COMMAND } from "../mount/served-mount.js";
import { run } from "../system/process.js";
import { removeScratch, scratchDirectory } from "../system/scratch.js";

/** Exposure that `systemd-analyze security` may find, of 10. */
const MOST_EXPOSED = 0.3;
const UNITS = "usr/lib/systemd/system";

let root: string;
beforeEach(() => {
  root = scratchDirectory("units");
});
afterEach(() => removeScratch(root));

/** What the command installs below `root`, as for a package: names relative to it. */
function install(...options: string[]): string[] {
  const { stdout } = run(process.execPath, [COMMAND, "install-service", "--root", root, ...options]);
  return stdout
    .toString()
    .trim()
    .split("\n")
    .map((path) => path.slice(root.length + 1));
}

const read = (name: string) => readFileSync(join(root, name), "utf8");
/** Values of a directive. */
const values = (unit: string, name: string) =>
  [...unit.matchAll(new RegExp(`^${name}=(.*)$`, "gm"))].map((match) => match[1] ?? "");

describe("the units", { skip: withoutTools("systemd-analyze") }, () => {
  for (const profile of [[], ["--paranoid"]]) {
    test(`are hardly exposed ${profile}`, () => {
      install(...profile);
      const units = [`${UNITS}/bulkhead.socket`, `${UNITS}/bulkhead@.service`].map((name) => join(root, name));
      const verified = run("systemd-analyze", ["verify", "--man=no", ...units]);
      assert.deepEqual([verified.stdout.toString(), verified.stderr], ["", ""]);
      const { stdout } = run("systemd-analyze", ["security", "--offline=true", "--no-pager", units[1] ?? ""]);
      const exposure = Number(/Overall exposure level for .*: ([\d.]+)/.exec(stdout.toString())?.[1]);
      assert.ok(exposure <= MOST_EXPOSED, `${exposure}: ${stdout}`);
    });
  }

  test("have no line that the documentation does not explain", () => {
    install("--paranoid", "--group", "disk");
    const text = readFileSync(new URL("../../../docs/systemd.md", import.meta.url), "utf8");
    for (const name of ["bulkhead.socket", "bulkhead@.service"]) {
      const [, explained = ""] = read(`${UNITS}/${name}`).split(/^\[(?:Socket|Service)\]$/m);
      for (const [, directive = ""] of explained.split("[Install]")[0]?.matchAll(/^(\w+)=/gm) ?? [])
        assert.ok(text.includes(`${directive}=`), `${directive}= of ${name}`);
    }
  });

  test("differ by the compiler alone", () => {
    install();
    const usual = read(`${UNITS}/bulkhead@.service`);
    install("--paranoid");
    const paranoid = read(`${UNITS}/bulkhead@.service`);
    assert.match(paranoid, /^ExecStart=\S+ --jitless /m);
    assert.match(paranoid, /^MemoryDenyWriteExecute=yes$/m);
    const rest = paranoid
      .replace(` ${JITLESS.join(" ")}`, "")
      .replace(/^# No memory .*\nMemoryDenyWriteExecute=yes\n/m, "");
    assert.equal(rest, usual);
  });
});

describe("install-service", () => {
  test("installs below a root, and removes what it has installed and nothing else", () => {
    const names = install();
    const helpers = ["usr/sbin/mount.bulkhead", "usr/sbin/mount.safe"];
    assert.deepEqual(names, [`${UNITS}/bulkhead.socket`, `${UNITS}/bulkhead@.service`, ...helpers]);
    for (const name of helpers) {
      const said = run("sh", [join(root, name), "--help"]).stdout.toString();
      assert.match(said, new RegExp(`^usage: ${name.slice("usr/sbin/".length)} `));
    }
    writeFileSync(join(root, "usr/sbin/mount.safe"), "libfuse's\n");
    run(process.execPath, [COMMAND, "install-service", "--root", root, "--remove"]);
    assert.deepEqual(readdirSync(join(root, UNITS)), []);
    assert.deepEqual(readdirSync(join(root, "usr/sbin")), ["mount.safe"]);
    const again = run(process.execPath, [COMMAND, "install-service", "--root", root], { accept: [1] });
    assert.match(again.stderr, /mount\.safe is there already, and not ours/);
    assert.equal(read("usr/sbin/mount.safe"), "libfuse's\n");
    assert.deepEqual([...readdirSync(join(root, UNITS)), ...readdirSync(join(root, "usr/sbin"))], ["mount.safe"]);
  });

  test("writes what was asked for", () => {
    install("--group", "disk", "--socket-directory", "/run/elsewhere", "--node", "/usr/bin/env");
    const socket = read(`${UNITS}/bulkhead.socket`);
    assert.deepEqual(values(socket, "SocketGroup"), ["disk"]);
    assert.deepEqual(values(socket, "ListenSequentialPacket")[0], "/run/elsewhere/bulkhead");
    assert.match(values(read(`${UNITS}/bulkhead@.service`), "ExecStart")[0] ?? "", /^\/usr\/bin\/env /);
    // The helpers look where it listens, unless they are told otherwise.
    const helper = join(root, "usr/sbin/mount.bulkhead");
    writeFileSync(helper, read("usr/sbin/mount.bulkhead").replace(/^exec .*$/m, 'env | grep "^BULKHEAD_SOCKET"'));
    for (const [environment, directory] of [
      [[], "/run/elsewhere"],
      [["BULKHEAD_SOCKET_DIRECTORY=/run/else"], "/run/else"],
    ] as const) {
      const said = run("env", ["-u", "BULKHEAD_SOCKET_DIRECTORY", ...environment, "sh", helper]).stdout.toString();
      assert.equal(said, `BULKHEAD_SOCKET_DIRECTORY=${directory}\n`);
    }
    const wrong = (...options: string[]) =>
      run(process.execPath, [COMMAND, "install-service", "--root", root, ...options], { accept: [1] }).stderr;
    assert.match(wrong("--group", "no group"), /no name of a group/);
    assert.match(wrong("--node", "none"), /^bulkhead install-service: there is no \/.*\/none, which is to run/);
  });

  test("shows the server all that Node needs for it, and nothing of the host besides", () => {
    install();
    const unit = read(`${UNITS}/bulkhead@.service`);
    const [node = "", ...others] = values(unit, "BindReadOnlyPaths").map((path) => path.split(":"));
    assert.deepEqual(node, [process.execPath]);
    for (const [source = ""] of others) assert.ok(existsSync(source), source);
    const program = values(unit, "ExecStart")[0]?.split(" ").at(-1) ?? "";
    const targets = others.map((path) => path.at(-1) ?? "");
    assert.ok(targets.some((target) => program.startsWith(`${target}/`)));
    assert.ok(targets.some((target) => target.endsWith("/koffi")));
    for (const path of ["/", "/usr", "/etc", "/home", "/root", "/var"]) assert.ok(!targets.includes(path), path);
  });
});

describe("the files of a program", () => {
  /** Packages as npm lays them out: `a` needs b and c, b is a link, and has an own d, which nobody else sees. */
  function layOut(): string {
    const make = (name: string, manifest: object) => {
      mkdirSync(join(root, name), { recursive: true });
      writeFileSync(join(root, name, "package.json"), JSON.stringify(manifest));
    };
    make("a", { dependencies: { b: "1" }, optionalDependencies: { missing: "1", native: "1" } });
    make("elsewhere/b", { dependencies: { d: "1" } });
    make("elsewhere/b/node_modules/d", {});
    make("node_modules/native", {});
    writeFileSync(join(root, "node_modules/native/addon.node"), "");
    run("ln", ["-s", "../elsewhere/b", join(root, "node_modules/b")]);
    writeFileSync(join(root, "a/main.js"), "");
    return join(root, "a/main.js");
  }

  test("are its packages, each where Node looks for it", () => {
    const { visible, executable } = programFiles(layOut());
    const packages = visible.filter(({ source }) => source.startsWith(`${root}/`));
    const below = (path: string) => path.slice(root.length + 1);
    assert.deepEqual(
      packages.map(({ source, target }) => [below(source), below(target)]),
      [
        ["a", "a"],
        ["elsewhere/b", "node_modules/b"],
        ["node_modules/native", "node_modules/native"],
      ],
    );
    assert.deepEqual(executable.at(-1), join(root, "node_modules/native"));
  });

  test("are there for each other also where packages are links, and see only what lies beside what they are links to", () => {
    const make = (name: string, dependencies: object = {}) => {
      mkdirSync(join(root, name), { recursive: true });
      writeFileSync(join(root, name, "package.json"), JSON.stringify({ dependencies }));
    };
    const link = (from: string, to: string) => run("ln", ["-s", to, join(root, from)]);
    make("store/a/node_modules/a", { b: "1" });
    make("store/b/node_modules/b", { c: "1" });
    make("store/c/node_modules/c");
    link("store/a/node_modules/b", "../../b/node_modules/b");
    link("store/b/node_modules/c", "../../c/node_modules/c");
    writeFileSync(join(root, "store/a/node_modules/a/main.js"), "");
    const { visible } = programFiles(join(root, "store/a/node_modules/a/main.js"));
    const packages = visible.filter(({ source }) => source.startsWith(`${root}/`));
    assert.deepEqual(
      packages.map(({ source, target }) => [source, target].map((path) => path.slice(root.length + 1))),
      [
        ["store/a/node_modules/a", "store/a/node_modules/a"],
        ["store/b/node_modules/b", "store/a/node_modules/b"],
        ["store/c/node_modules/c", "store/a/node_modules/c"],
      ],
    );
  });

  test("have to be there, and to be readable by everybody", () => {
    const program = layOut();
    run("chmod", ["700", dirname(program)]);
    assert.throws(() => programFiles(program), /cannot be read by everybody/);
    run("chmod", ["755", dirname(program)]);
    run("rm", [join(root, "node_modules/b")]);
    assert.throws(() => programFiles(program), /b, which .* depends on, is not installed/);
  });

  test("have names that need no quotes", () => {
    assert.equal(plainPath("/usr/lib/node_modules/@bulkhead/x"), "/usr/lib/node_modules/@bulkhead/x");
    for (const path of ["relative", "/a b", "/a:b", "/a%n", "/a$b", "/a\nb", '/a"', "/ä"]) {
      assert.throws(() => plainPath(path), TypeError, path);
    }
  });
});
