/** The programs that mount(8) runs, as far as they go without mounting. Oracle: mount(8)'s manual, EXTERNAL HELPERS and EXIT STATUS. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { parseArguments } from "../src/command-line/parse.js";
import { readCall } from "../src/mount-helper/call.js";
import { mountBulkhead, mountHelpers } from "../src/mount-helper/declaration.js";
import { packageRoot } from "./command.js";

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "bulkhead-helper-"));
});
after(() => rmSync(folder, { recursive: true }));

function helper(name: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(packageRoot, "bin", `${name}.js`), ...args], {
    encoding: "utf8",
    timeout: 60_000,
    env: { ...process.env, BULKHEAD_SOCKET_DIRECTORY: folder },
  });
  return { code: status, stdout, stderr };
}

const read = (...args: string[]) => readCall(parseArguments(mountBulkhead, args));

describe("a mount helper's arguments", () => {
  it("are those that mount(8) gives, in any order", () => {
    const call = read("/dev/x", "/mnt", "-sfv", "-n", "-o", "ro,commit=3", "-t", "bulkhead.x");
    assert.deepEqual(call, {
      source: "/dev/x",
      directory: "/mnt",
      type: "bulkhead.x",
      words: ["ro", "commit=3"],
      remount: false,
      sloppy: true,
      fake: true,
      verbose: true,
    });
  });

  it("leave out of the options what is mount(8)'s and systemd's alone", () => {
    const fstab = "defaults,noauto,nofail,_netdev,user,comment=a word,x-systemd.automount,errors=remount-ro,,user=me";
    assert.deepEqual(read("a", "b", "-o", fstab).words, ["x-systemd.automount", "errors=remount-ro", "user=me"]);
  });

  it("keep a comma that is quoted or escaped", () => {
    assert.deepEqual(read("a", "b", "-o", 'context="x,y",fsname=a\\,b').words, ['context="x,y"', "fsname=a\\,b"]);
  });

  it("that are wrong are exit code 1", () => {
    assert.throws(() => read("a"), /a source and a directory are needed/);
    assert.match(helper("mount.safe", "a", "b", "-t", "x", "-o", "remount,ro").stderr, /unmount it/);
    assert.match(helper("mount.bulkhead", "a", "/", "-o", "remount,ro").stderr, /\/: no mount of bulkhead's is there/);
    const wrong = helper("mount.bulkhead", "a", "b", "-o", "bogus");
    assert.match(wrong.stderr, /^mount\.bulkhead: unknown mount option bogus/);
    assert.equal(wrong.code, 1);
    assert.equal(helper("mount.bulkhead", "a", "b", "--unknown").code, 1);
    assert.match(helper("mount.safe", "a", "b").stderr, /which type of file system/);
  });
});

describe("a mount helper", () => {
  it("does nothing with -f, whatever is missing", () => {
    assert.deepEqual(helper("mount.bulkhead", "/nonexistent", "/nonexistent", "-f", "-s", "-o", "bogus,ro"), {
      code: 0,
      stdout: "",
      stderr: "",
    });
  });

  it("says whether there is a service", () => {
    for (const { name } of mountHelpers) assert.equal(helper(name, "--check", "-t", "bulkhead").code, 1);
    const { code, stderr } = helper("mount.safe", "/dev/x", "/mnt", "-t", "safe.bulkhead");
    assert.match(stderr, /^mount\.safe: there is no service for bulkhead: .*\n$/);
    assert.equal(code, 2);
  });

  it("is known by the name that it is called by", () => {
    for (const { name } of mountHelpers) {
      symlinkSync(join(packageRoot, "bin", `${name}.js`), join(folder, name));
      const { status, stdout } = spawnSync(process.execPath, [join(folder, name), "--help"], { encoding: "utf8" });
      assert.equal(status, 0);
      assert.ok(stdout.startsWith(`usage: ${name} `));
    }
  });
});
