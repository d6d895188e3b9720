/** Oracle: the reference's transcripts, and the kernel: mountinfo, /proc, what it lets whom do. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, fstatSync, mkdirSync, readFileSync, readSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { unmount } from "@bulkhead/fuse";
import {
  bind,
  close,
  Errno,
  getSeals,
  listen,
  localSocket,
  open,
  SocketOption,
  SocketType,
  setSocketOption,
} from "@bulkhead/linux";
import { decodeArguments, hasService, runHelper } from "../../src/index.js";
import { openDescriptors, transcript } from "../peer.js";
import { hex, text } from "../wire.js";
import { answerInit, cannotMount, descriptorOf, drop, errors, HANG_UP, HelperBench, LAST, lineOf } from "./bench.js";

let bench: HelperBench;
let before: number;
beforeEach(() => {
  before = openDescriptors();
  bench = new HelperBench();
});
afterEach(() => {
  bench.clear();
  assert.equal(openDescriptors(), before, "descriptors left open");
});

/** Opens files until only so many descriptors are left. */
function fillDescriptors(free: number): number[] {
  const taken: number[] = [];
  try {
    for (;;) taken.push(open("/dev/null", 0));
  } catch {
    for (const fd of taken.splice(-free)) close(fd);
    return taken;
  }
}

/** A caller without any rights of root's, on whose behalf root mounts. */
const CALLER = { uid: 4711, gid: 4711, groups: [] };

describe("a helper", { skip: cannotMount }, () => {
  test("introduces itself with the reference's bytes, and files that nobody can change", async () => {
    bench.peer.say(LAST, "42594545 00000007");
    const { exitCode } = await bench.run({ arguments: ["/i", "/m", "-t", "fuse.x"] });
    assert.equal(exitCode, 7);
    const heard = bench.peer.hear();
    assert.deepEqual(
      heard.map((packet) => packet.hex),
      transcript("53414654 0001 0001 00000003", "46494c45 00000000 6172677600", "46494c45 00000000 6675736564657600"),
    );
    assert.deepEqual(
      heard.map(({ descriptors }) => descriptors.length),
      [0, 1, 1],
    );
    const argv = descriptorOf(heard, 1);
    const bytes = new Uint8Array(fstatSync(argv).size);
    readSync(argv, bytes, 0, bytes.length, 0);
    const head = "41524753 00000003 00000030 00000002 00000032 00000003 00000035 00000003";
    assert.deepEqual([hex(bytes)], transcript(`${head} ${"00".repeat(16)} 7800 2f6900 2f6d00`));
    assert.equal(getSeals(argv), 15);
    assert.equal(fstatSync(descriptorOf(heard, 2)).rdev, statSync("/dev/fuse").rdev);
    drop(heard);
    assert.equal(bench.killed, 1);
  });

  test("says which process has answered before anything else is done", async () => {
    // The helper does so itself, before a server answers.
    setSocketOption(bench.peer.other, SocketOption.PASSCRED, 1);
    bench.peer.say(LAST, ...bench.mountCommands(), "42594545 00000001");
    const told: unknown[] = [];
    await bench.run({ answered: (pid) => told.push(pid, bench.mounted, bench.log.length) });
    assert.deepEqual(told, [process.pid, undefined, 0]);
    drop(bench.peer.hear());
  });

  test("mounts, and leaves when the mount answers", async () => {
    const { peer } = bench;
    peer.say(LAST, bench.open(bench.image, 0o202), ...bench.mountCommands(0, "default_permissions"), HANG_UP);
    const running = bench.run({ readAheadKb: 1024, dirtyBytes: 64 << 20 });
    const heard = peer.hear();
    const fuse = descriptorOf(heard, 2);
    answerInit(fuse);
    const { exitCode, mounted, answers } = await running;
    assert.deepEqual([exitCode, answers, bench.killed], [0, true, 0]);
    assert.deepEqual(mounted, bench.mounted);
    assert.equal(mounted?.type, "fuse.x");
    assert.equal(mounted.source, "source");
    const line = lineOf(bench.mountPoint);
    assert.match(line, / rw,nosuid,nodev,relatime .* rw,user_id=0,group_id=0,default_permissions/);
    const bdi = `/sys/class/bdi/${mounted.major}:${mounted.minor}`;
    assert.equal(readFileSync(`${bdi}/read_ahead_kb`, "utf8"), "1024\n");
    assert.ok(Math.abs(Number(readFileSync(`${bdi}/max_bytes`, "utf8")) - (64 << 20)) < 4 << 20);
    assert.deepEqual(errors(heard.slice(3)), [0, 0, 0, 0, 0, 0]);
    unmount(bench.mountPoint);
    drop(heard);
  });

  test("gives the caller what the caller asks for, not the server", async () => {
    bench.peer.say(LAST, ...bench.mountCommands(1 | 8 | 1024 | (1 << 25)), "42594545 00000000");
    const running = bench.run({ arguments: [bench.image, bench.mountPoint, "-t", "x", "-o", "suid,dev"] });
    const heard = bench.peer.hear();
    answerInit(descriptorOf(heard, 2));
    assert.equal((await running).exitCode, 0);
    const line = lineOf(bench.mountPoint);
    assert.match(line, / ro,noexec,noatime - fuse.x source ro,lazytime,user_id=0/);
    unmount(bench.mountPoint);
    drop(heard);
  });

  test("has the mount do less where the caller says so, whatever the server says", async () => {
    bench.peer.say(LAST, ...bench.mountCommands(), HANG_UP);
    const words = "rw,exec,ro,noexec,nosymfollow";
    const running = bench.run({ arguments: [bench.image, bench.mountPoint, "-t", "x", "-o", words] });
    const heard = bench.peer.hear();
    answerInit(descriptorOf(heard, 2));
    assert.equal((await running).exitCode, 0);
    assert.match(lineOf(bench.mountPoint), / ro,nosuid,nodev,noexec,relatime,nosymfollow - fuse.x source ro,user_id=0/);
    unmount(bench.mountPoint);
    drop(heard);
  });

  test("lets nobody else in for a server of ours unless the caller asks for it", async () => {
    const answerTo = async (...words: string[]) => {
      bench.newPeer().say(LAST, ...bench.mountCommands(0, "allow_other").slice(0, 4), "42594545 00000001");
      const list = words.flatMap((word) => ["-o", word]);
      await bench.run({ arguments: ["source", bench.mountPoint, "-t", "x", ...list], extensions: true });
      return errors(drop(bench.peer.hear())).at(-1);
    };
    assert.equal(await answerTo(), Errno.EPERM);
    assert.equal(await answerTo("allow_other"), 0);
    assert.equal(await answerTo("allow_root"), 0);
  });

  for (const [what, last, code] of [
    ["leaves without a goodbye", undefined, 1],
    ["says goodbye with 7", "42594545 00000007", 7],
    ["says goodbye with 2, which would mean that there is no service", "42594545 00000002", 1],
    ["says what nobody knows", "58585858", 1],
  ] as const) {
    test(`takes the mount back when the server ${what}`, async () => {
      bench.peer.say(LAST, ...bench.mountCommands());
      if (last !== undefined) bench.peer.say(last);
      const { exitCode, mounted } = await bench.run({ timeouts: { command: 50 } });
      assert.deepEqual([exitCode, mounted, bench.mounted, bench.killed], [code, undefined, undefined, 1]);
      assert.ok(bench.log.some((line) => line.includes("taken back")));
      assert.equal(errors(drop(bench.peer.hear())).at(-1), 0, "it had been mounted");
    });
  }

  test("leaves nothing mounted when it runs out of descriptors, wherever it is", async () => {
    const limit = (soft: string) => execFileSync("prlimit", ["--pid", String(process.pid), `--nofile=${soft}:`]);
    const usual = execFileSync("sh", ["-c", "ulimit -Sn"], { encoding: "utf8" }).trim();
    const answers = new Set<string>();
    limit("128");
    try {
      for (let free = 1; free <= 10; free++) {
        bench.newPeer().say(LAST, ...bench.mountCommands(), "42594545 00000001");
        const taken = fillDescriptors(free);
        const { exitCode, mounted } = await bench.run({ timeouts: { command: 50 } });
        for (const fd of taken) close(fd);
        drop(bench.peer.hear());
        assert.deepEqual([exitCode, mounted, bench.mounted], [1, undefined, undefined], `${free} free descriptors`);
        answers.add(bench.log.join("\n").replace(/\d+/g, "N"));
        bench.log.length = 0;
      }
    } finally {
      limit(usual);
    }
    // It got further each time, in the end all the way.
    assert.ok(answers.size > 4, [...answers].join("\n\n"));
    assert.ok([...answers].some((said) => said.includes("taken back")));
  });

  test("gives up on a server that says nothing, leaving nothing", async () => {
    const started = performance.now();
    const silent = await bench.run({ timeouts: { hello: 60 } });
    assert.deepEqual([silent.exitCode, bench.killed], [1, 1]);
    bench.newPeer().say(LAST, bench.open(bench.image, 0));
    const stalled = await bench.run({ timeouts: { command: 60 } });
    assert.deepEqual([stalled.exitCode, bench.killed], [1, 2]);
    drop(bench.peer.hear());
    bench.newPeer().say(LAST);
    for (let i = 0; i < 50; i++) bench.peer.say(bench.open("/nowhere", 0));
    assert.equal((await bench.run({ timeouts: { session: 60 } })).exitCode, 1);
    drop(bench.peer.hear());
    assert.ok(performance.now() - started < 5000);
    assert.equal(bench.log.filter((line) => line === "the server does not answer").length, 3);
  });

  test("hangs up without a word on packets that are too large or too small, or an answer to HELLO that is none", async () => {
    for (const packet of [new Uint8Array(65_537).fill(65), "4f50", "", "554d4e54"]) {
      bench.newPeer().say(LAST, packet);
      assert.equal((await bench.run()).exitCode, 1);
      assert.equal(drop(bench.peer.hear()).length, 3);
    }
    for (const packet of ["4c415354 0001", "4c415355 0001 0000", "4c415354 0002 0000", "4c415354 0001 0001"]) {
      bench.newPeer().say(packet);
      assert.equal((await bench.run()).exitCode, 1);
      assert.equal(drop(bench.peer.hear()).length, 1);
    }
  });

  test("keeps no descriptor that a server sends", async () => {
    bench.peer.give(LAST, [0, 1]);
    bench.peer.give(bench.open(bench.image, 0), [0, 1, 2]);
    bench.peer.give(HANG_UP, [0]);
    assert.equal((await bench.run()).exitCode, 0);
    drop(bench.peer.hear());
  });

  test("answers wrong arguments with 1", async () => {
    for (const list of [
      [],
      ["/m"],
      ["/i", "/m"],
      ["/i", "/m", "-t"],
      ["/i", "/m", "-t", "a/b"],
      ["-t", "x"],
      ["/m", "-t", ".."],
    ]) {
      bench.newPeer();
      assert.equal((await bench.run({ arguments: list })).exitCode, 1, list.join(" "));
      assert.deepEqual(bench.peer.hear(), []);
    }
  });
});

describe("files are opened with the caller's rights", { skip: cannotMount }, () => {
  const askFor = async (list: Uint8Array[], options = {}, ...more: string[]) => {
    bench.newPeer().say(LAST, ...list, HANG_UP);
    const words = more.map((path, index) => `x${index}=${path}`).join(",");
    await bench.run({ arguments: [bench.image, bench.mountPoint, "-t", "x", "-o", words], ...options });
    const heard = bench.peer.hear();
    drop(heard.slice(0, 3));
    return heard.slice(3);
  };

  test("as far as those go", async () => {
    const secret = join(bench.folder, "secret");
    writeFileSync(secret, "", { mode: 0o600 });
    const requests = [bench.open(secret, 0), bench.open(bench.image, 0), bench.open(bench.image, 2)];
    assert.deepEqual(errors(drop(await askFor(requests, {}, secret))), [0, 0, 0]);
    assert.deepEqual(errors(drop(await askFor(requests, { caller: CALLER }, secret))), [13, 0, 13]);
  });

  test("whatever they are, without harm", async () => {
    const fifo = join(bench.folder, "fifo");
    execFileSync("mkfifo", [fifo]);
    const requests = [
      bench.open(fifo, 0),
      bench.open(fifo, 0, 0, 0),
      bench.open(bench.image, 0, 0, 0),
      bench.open("/dev/null", 2),
      bench.open(bench.folder, 0),
      bench.open(join(bench.folder, "none"), 0),
    ];
    const heard = drop(await askFor(requests, {}, fifo, "/dev/null", bench.folder, join(bench.folder, "none")));
    assert.deepEqual(errors(heard), [
      Errno.EACCES,
      Errno.ENOTBLK,
      Errno.ENOTBLK,
      Errno.EACCES,
      Errno.EISDIR,
      Errno.ENOENT,
    ]);
  });

  test("with the status flags that were asked for", async () => {
    const heard = await askFor([bench.open(bench.image, 0), bench.open(bench.image, 0o4002)]);
    const flags = heard.map(
      ({ descriptors: [fd] }) => /^flags:\s+(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1],
    );
    assert.deepEqual(
      flags.map((f) => Number.parseInt(f ?? "", 8) & 0o4003),
      [0, 0o4002],
    );
    drop(heard);
  });

  test("as loop devices where that is offered, which are gone with their last descriptor", async () => {
    const loops = () => execFileSync("losetup", ["--associated", bench.image], { encoding: "utf8" });
    const heard = await askFor([bench.open(bench.image, 0o202, 2), bench.open(bench.image, 0, 2)], {
      extensions: true,
    });
    try {
      assert.deepEqual(errors(heard), [0, Errno.EBUSY]);
      assert.equal(fstatSync(descriptorOf(heard, 0)).isBlockDevice(), true);
      assert.match(loops(), /loop/);
    } finally {
      drop(heard);
    }
    // Somebody else who looks at all loop devices has it for a moment.
    for (let n = 0; n < 100 && loops() !== ""; n++) await sleep(20);
    assert.equal(loops(), "");
    const plain = await askFor([bench.open(bench.image, 0, 2)], { extensions: true, caller: CALLER });
    assert.equal(fstatSync(descriptorOf(plain, 0)).isFile(), true);
    drop(plain);
  });

  test("as block devices, with their block size, exclusively", async () => {
    const loop = execFileSync("losetup", ["--find", "--show", bench.image], { encoding: "utf8" }).trim();
    try {
      const requests = [
        bench.open(loop, 0o202, 0, 1024),
        bench.open(loop, 0o202, 0, 0),
        bench.open(loop, 2, 0, 512),
        bench.open(loop, 2),
      ];
      const heard = await askFor(requests, {}, loop);
      assert.deepEqual(errors(heard), [0, Errno.EBUSY, Errno.EBUSY, 0]);
      assert.equal(execFileSync("blockdev", ["--getbsz", loop], { encoding: "utf8" }), "1024\n");
      drop(heard);
      assert.deepEqual(errors(await askFor([bench.open(loop, 2, 0, 3000)], {}, loop)), [Errno.EINVAL]);
      assert.deepEqual(errors(await askFor([bench.open(loop, 2)], { caller: CALLER }, loop)), [Errno.EACCES]);
    } finally {
      execFileSync("losetup", ["--detach", loop]);
    }
  });
});

describe("users may mount", { skip: cannotMount }, () => {
  const attempt = async (options = {}, ...fuseOptions: string[]) => {
    bench.newPeer().say(LAST, ...bench.mountCommands(0, ...fuseOptions), HANG_UP);
    const running = bench.run({ caller: CALLER, ...options });
    const heard = bench.peer.hear();
    const fuse = heard[2]?.descriptors[0];
    if (fuse !== undefined && errors(heard).at(-1) === 0) answerInit(fuse);
    const { mounted } = await running;
    drop(heard);
    return { error: errors(heard).at(-1), mounted };
  };
  test("where they may write", async () => {
    assert.equal((await attempt()).error, Errno.EPERM);
    chownSync(bench.mountPoint, CALLER.uid, CALLER.gid);
    const { error, mounted } = await attempt();
    assert.equal(error, 0);
    assert.ok(mounted);
    const line = lineOf(bench.mountPoint);
    assert.match(line, / rw,nosuid,nodev,relatime .* rw,user_id=4711,group_id=4711/);
  });

  test("but not in others' sticky directories, nor beyond mount_max, nor for others", async () => {
    chmodSync(bench.mountPoint, 0o1777);
    assert.equal((await attempt()).error, Errno.EPERM);
    chmodSync(bench.mountPoint, 0o777);
    const configuration = join(bench.folder, "fuse.conf");
    writeFileSync(configuration, "mount_max = 0\n", { mode: 0o644 });
    assert.equal((await attempt({ configuration })).error, Errno.EUSERS);
    assert.equal((await attempt({}, "allow_other")).error, Errno.EINVAL);
    writeFileSync(configuration, "# others\nuser_allow_other\n");
    const { error, mounted } = await attempt({ configuration }, "allow_other");
    assert.equal(error, 0);
    assert.ok(mounted);
  });

  test("not on file systems that have no place for it", async () => {
    bench
      .newPeer()
      .say(LAST, "4d4e5450 4000 0000 2f70726f632f73656c662f66642f00", "4e414d45 7800", "444f4954 00000000", HANG_UP);
    await bench.run({ caller: CALLER, arguments: ["/proc/self/fd/", "-t", "x"] });
    assert.equal(errors(drop(bench.peer.hear())).at(-1), Errno.EPERM);
  });
});

describe("a service's socket", { skip: cannotMount }, () => {
  test("that is missing, or that nobody listens on, is exit 2; one without permission is 1", async () => {
    const { exitCode } = await runHelper({
      arguments: ["/m", "-t", "x"],
      socketDirectory: bench.folder,
      log: () => {},
    });
    assert.equal(exitCode, 2);
    const listener = localSocket(SocketType.SEQPACKET);
    bind(listener, join(bench.folder, "x"));
    chmodSync(join(bench.folder, "x"), 0o600);
    const stale = { arguments: ["/m", "-t", "x"], socketDirectory: bench.folder, log: () => {} };
    assert.equal((await runHelper(stale)).exitCode, 2);
    listen(listener, 4);
    assert.equal((await runHelper({ ...stale, caller: CALLER })).exitCode, 1);
    assert.equal((await runHelper({ ...stale, timeouts: { hello: 20 } })).exitCode, 1);
    close(listener);
    assert.equal((await runHelper({ ...stale, arguments: ["/m", "-t", "x".repeat(120)] })).exitCode, 1);
  });

  test("is found by --check if the caller may write to it", () => {
    assert.equal(hasService("x", bench.folder), false);
    const listener = localSocket(SocketType.SEQPACKET);
    bind(listener, join(bench.folder, "x"));
    chmodSync(join(bench.folder, "x"), 0o600);
    assert.equal(hasService("fuse.x", bench.folder), true);
    assert.equal(hasService("fuseblk.x", bench.folder), true);
    assert.equal(hasService("x", bench.folder, CALLER), false);
    assert.equal(hasService("a/b", bench.folder), false);
    mkdirSync(join(bench.folder, "y"));
    assert.equal(hasService("y", bench.folder), false);
    close(listener);
  });
});

test("arguments that are passed on are the caller's, without the type", { skip: cannotMount }, async () => {
  bench.peer.say(LAST, HANG_UP);
  const odd = Uint8Array.of(0x2f, 0xff);
  await bench.run({ arguments: ["-t", "fuseblk.ext4", odd, "/m", "-t", "other", "-o", "ro"], extensions: true });
  const heard = bench.peer.hear();
  const argv = descriptorOf(heard, 1);
  const bytes = new Uint8Array(fstatSync(argv).size);
  readSync(argv, bytes, 0, bytes.length, 0);
  const list = ["/m", "-o", "ro", "-o", "x-bulkhead.extensions"].map(text);
  assert.deepEqual(decodeArguments(bytes), [text("ext4"), odd, ...list]);
  drop(heard);
});
