/** Every way a served mount can end. Oracle: /proc/self/mountinfo, exit codes, and errors that a user of the mount sees. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  abortConnection,
  findMount,
  isOnDevice,
  mountAndServe,
  mountFuse,
  setDirtyLimit,
  setReadAhead,
  unmount,
} from "../../src/index.js";
import { cannotMount, Fixture, within } from "./fixture.js";
import { Cell, FILE_ID } from "./fixture-filesystem.js";

const errorOf = (run: () => unknown) => {
  try {
    run();
    return "none";
  } catch (error) {
    return Reflect.get(error as object, "code");
  }
};

describe("a served mount", { skip: cannotMount(), timeout: 120_000 }, () => {
  let fixture: Fixture | undefined;
  const start = async (...args: Parameters<typeof Fixture.start>) => {
    fixture = await Fixture.start(...args);
    return fixture;
  };
  afterEach(async () => {
    await fixture?.remove();
    fixture = undefined;
  });

  test("shows its options in mountinfo and answers", async () => {
    const it = await start({ subtype: "fixture", fsname: "a,b\\c d", readOnly: true, noExec: true, maxRead: 65536 });
    const line = readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .find((l) => l.includes(it.mountpoint));
    assert.match(line ?? "", /ro,nosuid,nodev,noexec.* - fuse\.fixture a,b\\134c\\040d ro,.*max_read=65536/);
    assert.equal(readFileSync(it.path("file")).length, 16384);
    assert.equal(
      errorOf(() => openSync(it.path("new"), "w")),
      "EROFS",
    );
  });

  test("is an ordinary one where the kernel does not take the device", () => {
    const directory = mkdtempSync(join(tmpdir(), "bulkhead-claim-"));
    const calls: string[] = [];
    const claim = {
      path: "/dev/null",
      release: () => void calls.push("release"),
      take: () => void calls.push("take"),
    };
    const mounted = mountFuse(directory, { fsname: "name", device: claim });
    try {
      assert.deepEqual(calls, ["release", "take"]);
      assert.ok(!isOnDevice(mounted.info));
      assert.equal(mounted.info.source, "name");
      unmount(directory);
      const taken = { ...claim, take: () => assert.fail("somebody else was faster") };
      assert.throws(() => mountFuse(directory, { device: taken }), /faster/);
      assert.equal(findMount(directory), undefined);
    } finally {
      closeSync(mounted.fd);
      if (findMount(directory) !== undefined) unmount(directory, { lazy: true });
      rmSync(directory, { recursive: true });
    }
  });

  test("ends with umount, and the process exits", async () => {
    const it = await start();
    assert.equal(spawnSync("umount", [it.mountpoint]).status, 0);
    assert.equal(await it.end(), 0);
    assert.equal(it.mounted, false);
  });

  test("unmounted from its own main thread", async () => {
    const it = await start();
    it.child.send({ do: "unmount" });
    assert.equal(await it.end(), 0);
  });

  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    test(`${signal} unmounts and exits in order`, async () => {
      const it = await start();
      statSync(it.path("file"));
      it.child.kill(signal);
      assert.equal(await it.end(), 0);
      assert.equal(it.mounted, false);
      assert.deepEqual(it.stderr, "");
    });
  }

  test("SIGTERM with an open file detaches, then gives up waiting", async () => {
    const it = await start({}, [], 300);
    const fd = openSync(it.path("file"), "r");
    try {
      it.child.kill("SIGTERM");
      assert.equal(await it.end(), 0);
      assert.equal(it.mounted, false);
      assert.equal(
        errorOf(() => readSync(fd, new Uint8Array(1))),
        "ENOTCONN",
      );
    } finally {
      // FLUSH cannot be sent any more.
      assert.equal(
        errorOf(() => closeSync(fd)),
        "ENOTCONN",
      );
    }
  });

  test("a killed server leaves ENOTCONN, which unmount clears", async () => {
    const it = await start();
    it.child.kill("SIGKILL");
    assert.equal(await it.end(), "SIGKILL");
    assert.equal(it.mounted, true);
    assert.equal(
      errorOf(() => statSync(it.mountpoint)),
      "ENOTCONN",
    );
    unmount(it.mountpoint);
    assert.equal(it.mounted, false);
    assert.equal(
      errorOf(() => unmount(it.mountpoint)),
      "EINVAL",
    );
  });

  for (const [what, crash, report] of [
    ["crash", 1, /crashed as told/],
    ["process.exit", 2, /ended without a word, with code 3/],
  ] as const) {
    test(`a ${what} in the serving thread fails waiting requests at once, and is reported`, async () => {
      const it = await start();
      await it.set(Cell.HOLD, 1);
      await it.set(Cell.CRASH, crash);
      const reader = spawn("head", ["-c1", it.path("file")], { stdio: ["ignore", "ignore", "pipe"] });
      let said = "";
      reader.stderr.on("data", (chunk) => {
        said += chunk;
      });
      const ended = once(reader, "close");
      for (let i = 0; i < 200 && (await it.get(Cell.READS)) === 0; i++);
      await it.set(Cell.LINGER, 1);
      it.child.send({ do: "wake" });
      // Aborted: "Software caused connection abort", or "Transport endpoint is not connected" if it was not yet read.
      await within(ended, "the reader's end");
      assert.match(said, /abort|not connected/);
      await it.set(Cell.LINGER, 0);
      assert.equal(await it.end(), 5);
      assert.match(it.stderr, report);
      assert.equal(
        errorOf(() => statSync(it.mountpoint)),
        "ENOTCONN",
      );
    });
  }

  test("a handler that never returns is ended by the third signal", async () => {
    const it = await start({}, [], 1);
    await it.set(Cell.CRASH, 4);
    it.child.send({ do: "wake" });
    const reader = spawn("head", ["-c1", it.path("file")], { stdio: ["ignore", "ignore", "pipe"] });
    const ended = once(reader, "close");
    it.child.kill("SIGINT");
    for (let i = 0; i < 200 && it.mounted; i++) await sleep(5);
    assert.equal(it.mounted, false);
    // Two of the same that come at once are one.
    it.child.kill("SIGTERM");
    it.child.kill("SIGHUP");
    await within(ended, "the reader's end");
    assert.equal(await it.end(), 5);
    assert.match(it.stderr, /ended without a word/);
  });

  test("what its handlers print is seen at once", async () => {
    const it = await start();
    await it.set(Cell.CRASH, 3);
    it.child.send({ do: "wake" });
    for (let i = 0; i < 200 && !it.stderr.includes("three"); i++) await sleep(5);
    assert.equal(it.stderr, "one\ntwo\nthree\n");
  });

  test("an aborted connection fails what waits, and leaves a dead mount", async () => {
    const it = await start();
    await it.set(Cell.HOLD, 1);
    const reader = spawn("timeout", ["10", "head", "-c1", it.path("file")], { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    reader.stderr.on("data", (chunk) => {
      said += chunk;
    });
    const ended = once(reader, "close");
    for (let i = 0; i < 200 && (await it.get(Cell.READS)) === 0; i++) await sleep(5);
    assert.ok((await it.get(Cell.READS)) > 0);
    abortConnection(findMount(it.mountpoint)!);
    await within(ended, "the reader's end");
    assert.match(said, /abort|not connected/);
    await it.end();
    assert.match(String(errorOf(() => statSync(it.path("file")))), /ENOTCONN|ENOENT|ECONNABORTED/);
  });

  test("read-ahead decides how many READs a sequential reader makes", async () => {
    const it = await start();
    const info = findMount(it.mountpoint)!;
    const readAhead = `/sys/class/bdi/${info.major}:${info.minor}/read_ahead_kb`;
    const pages = 64;
    await it.set(Cell.SIZE, pages * 4096);
    const reads = async (kilobytes: number) => {
      assert.equal(setReadAhead(info, kilobytes), true);
      assert.equal(readFileSync(readAhead, "utf8").trim(), String(kilobytes));
      await it.notify("invalInode", FILE_ID, 0, 0);
      const before = await it.get(Cell.READS);
      const command = ["10", "dd", `if=${it.path("file")}`, "of=/dev/null", "bs=4096", "status=none"];
      assert.equal(spawnSync("timeout", command).status, 0);
      return (await it.get(Cell.READS)) - before;
    };
    const alone = await reads(0);
    const ahead = await reads(128);
    assert.equal(alone, pages);
    assert.ok(ahead > 0 && ahead <= pages / 8, `${ahead} READs`);
    assert.equal(setReadAhead({ ...info, minor: 1_000_000 }, 128), false);
    assert.equal(setDirtyLimit(info, 64 << 20), true);
    const setting = (name: string) => Number(readFileSync(readAhead.replace("read_ahead_kb", name), "utf8"));
    // The kernel keeps it as a part of what all may take.
    assert.ok(Math.abs(setting("max_bytes") - (64 << 20)) < 4 << 20, `${setting("max_bytes")}`);
    assert.equal(setting("strict_limit"), 1);
    assert.equal(setDirtyLimit({ ...info, minor: 1_000_000 }, 64 << 20), false);
  });

  for (const [how, code] of [
    ["exit", 7],
    ["throw", 1],
  ] as const) {
    test(`process ${how} in the main thread is not held up by the sleeping serving thread`, async () => {
      const it = await start();
      it.child.send({ do: how });
      assert.equal(await it.end(), code);
      assert.equal(
        errorOf(() => statSync(it.mountpoint)),
        "ENOTCONN",
      );
    });
  }

  test("stop ends serving and leaves the mount dead", async () => {
    const it = await start();
    it.child.send({ do: "stop" });
    assert.equal(await it.end(), 0);
    assert.equal(
      errorOf(() => statSync(it.mountpoint)),
      "ENOTCONN",
    );
  });

  test("an unprivileged user mounts and unmounts through fusermount3", { skip: cannotDropPrivileges() }, async () => {
    // In a mount namespace of its own, where /dev/fuse is open to all as distributions have it.
    const device = join(mkdtempSync(join(tmpdir(), "fuse-device-")), "fuse");
    const makeDevice = `mknod ${device} c 10 229 && chmod 666 ${device} && mount --bind ${device} /dev/fuse`;
    const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    try {
      const launcher = ["unshare", "--mount", "sh", "-c", `${makeDevice} && exec "$@"`, "sh", ...nobody];
      const it = await start({ subtype: "fixture" }, launcher);
      const inside = (...command: string[]) => {
        const all = ["-t", String(it.child.pid), "-m", "--", ...command];
        return spawnSync("nsenter", all, { encoding: "utf8", timeout: 5000 });
      };
      const line = inside("cat", "/proc/self/mountinfo")
        .stdout.split("\n")
        .find((l) => l.includes(it.mountpoint));
      assert.match(line ?? "", /nosuid,nodev.* - fuse\.fixture fixture rw,user_id=65534,group_id=65534/);
      // Without allow_other not even root may look in.
      assert.match(inside("cat", it.path("file")).stderr, /Permission denied/);
      assert.equal(inside(...nobody, "cat", it.path("file")).stdout.length, 16384);
      // Someone stays in the namespace and looks at its mounts after the server has gone.
      const enter = ["-t", String(it.child.pid), "-m", "--", "sh", "-c", "echo; read _; cat /proc/self/mountinfo"];
      const witness = spawn("nsenter", enter, { stdio: ["pipe", "pipe", "inherit"] });
      await within(once(witness.stdout, "data"), "the witness");
      let seen = "";
      witness.stdout.on("data", (chunk) => {
        seen += chunk;
      });
      it.child.kill("SIGTERM");
      assert.equal(await it.end(), 0);
      witness.stdin.end("\n");
      await within(once(witness, "close"), "the witness's end");
      assert.match(seen, / \/dev\/fuse /);
      assert.ok(!seen.includes(it.mountpoint));
      assert.equal(it.stderr, "");
    } finally {
      rmSync(dirname(device), { recursive: true, force: true });
    }
  });

  test("options the kernel refuses are an error, and nothing is left", async () => {
    await assert.rejects(Fixture.start({ maxRead: -1 }), /EINVAL/);
  });

  test("a file system that is not mounted after all is closed", async () => {
    const state = new Int32Array(new SharedArrayBuffer(4 * Cell.COUNT));
    const module = new URL("./fixture-filesystem.js", import.meta.url);
    await assert.rejects(mountAndServe({ mountpoint: "/nowhere/at/all", module, data: state.buffer }), /ENOENT/);
    assert.equal(Atomics.load(state, Cell.CLOSED), 1);
  });

  test("what is mounted on top keeps it, which a signal says, and goes first", async () => {
    const it = await start();
    const on = (program: string, ...args: string[]) => spawnSync(program, [...args, it.mountpoint]).status;
    assert.equal(on("mount", "-t", "tmpfs", "-n", "none"), 0);
    it.child.kill("SIGINT");
    for (let i = 0; i < 200 && it.stderr === ""; i++) await sleep(5);
    assert.match(it.stderr, /after SIGINT: something else is mounted on/);
    assert.notEqual(await it.do({ do: "retry" }), 0);
    assert.equal(on("umount"), 0);
    assert.equal(readFileSync(it.path("file")).length, 16384);
    it.child.send({ do: "retry" });
    assert.equal(await it.end(), 0);
  });
});

function cannotDropPrivileges(): string | false {
  for (const program of ["setpriv", "fusermount3", "unshare", "nsenter"]) {
    if (spawnSync(program, ["--version"]).error !== undefined) return `needs ${program}`;
  }
  return false;
}
