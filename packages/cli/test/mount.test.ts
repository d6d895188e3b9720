// Oracle: the demonstration image, which Linux wrote, through the kernel's FUSE.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { mountFuse } from "@bulkhead/fuse";
import {
  bulkhead,
  missingTool,
  program,
  scratchDirectory,
  tool,
  unpackDemo,
  withoutFuse,
  withoutLoopMounts,
} from "./command.js";

const CARGO_SHA256 = "4dee400da20bb6b7cfd1721c3383c86bb26571402edfe6631109445b28632130";

describe("mount", { skip: withoutFuse() }, () => {
  let directory = "";
  let image = "";
  let mountpoint = "";
  const path = (name: string) => join(directory, name);
  before(() => {
    directory = scratchDirectory();
    image = path("demo.img");
    mountpoint = path("mnt");
    unpackDemo(image);
    fs.mkdirSync(mountpoint);
  });
  afterEach(() => {
    spawnSync("umount", ["-l", mountpoint]);
  });
  after(() => fs.rmSync(directory, { recursive: true, force: true }));

  /** What the mount shows; in a process of its own, with a limit. */
  const look = (line: string) =>
    spawnSync("sh", ["-c", line, "sh", mountpoint], { encoding: "utf8", timeout: 20_000 }).stdout;
  /** Runs a line in a mount namespace of its own. */
  const apart = (line: string, ...args: string[]) => {
    const command = ["-m", "sh", "-c", line, "sh", ...args];
    const { status, stderr } = spawnSync("unshare", command, { encoding: "utf8", timeout: 60_000 });
    return { code: status, stderr };
  };
  /** Of what is no process, or is gone, nothing. */
  const commandOf = (pid: string) => {
    try {
      return fs.readFileSync(`/proc/${Number(pid)}/cmdline`, "latin1");
    } catch {
      return "";
    }
  };
  const mountLine = () =>
    fs
      .readFileSync("/proc/self/mounts", "utf8")
      .split("\n")
      .find((line) => line.split(" ")[1] === mountpoint);

  it("returns when the mount answers, and umount ends it", () => {
    const { code, stdout, stderr } = bulkhead(["mount", "-o", "ro", image, mountpoint]);
    assert.deepEqual([code, stdout, stderr], [0, "", ""]);
    assert.match(mountLine()!, / fuse\.bulkhead ro,nosuid,nodev/);
    assert.equal(look('ls "$1"'), "README\nStraße nach Süden\nlog\nlost+found\nmanifest\n");
    const file = spawnSync("cat", [join(mountpoint, "manifest/cargo.txt")], { timeout: 20_000 }).stdout;
    assert.equal(createHash("sha256").update(file).digest("hex"), CARGO_SHA256);
    assert.equal(look('touch "$1/new" 2>/dev/null || echo refused'), "refused\n");
    assert.equal(bulkhead(["umount", mountpoint]).code, 0);
    assert.equal(mountLine(), undefined);
  });

  it("writes, and umount returns when the image holds it all", { skip: missingTool("e2fsck") }, () => {
    const copy = path("copy.img");
    fs.copyFileSync(image, copy);
    assert.deepEqual(bulkhead(["mount", "-o", "nodiratime,commit=1", copy, mountpoint]).stderr, "");
    assert.match(mountLine()!, / fuse\.bulkhead rw,nosuid,nodev/);
    assert.equal(look('cd "$1" && mkdir new && echo text > new/file && rm README && cat new/file'), "text\n");
    const second = bulkhead(["mount", copy, mountpoint]);
    assert.deepEqual([second.code, second.stdout], [1, ""]);
    assert.match(second.stderr, /^bulkhead mount: cannot mount .*copy\.img is in use by process \d+ .*\n$/);
    assert.deepEqual(bulkhead(["umount", mountpoint]), { code: 0, stdout: "", stderr: "" });
    const { status, stdout } = spawnSync("e2fsck", ["-fn", copy], { encoding: "utf8", timeout: 20_000 });
    assert.equal(status, 0, stdout);
    assert.equal(bulkhead(["cat", `${copy}:/new/file`]).stdout, "text\n");
    fs.rmSync(copy);
  });

  it("refuses an image that is mounted through a loop device, as what changes it does", {
    skip: withoutLoopMounts(),
  }, () => {
    const looped = path("looped.img");
    fs.copyFileSync(image, looped);
    const kernels = path("kernels");
    fs.mkdirSync(kernels);
    const loop = tool("losetup", "-f", "--show", looped).trim();
    tool("mount", "-o", "ro", loop, kernels);
    try {
      for (const args of [
        ["mount", looped, mountpoint],
        ["mount", "--uncontained", looped, mountpoint],
        ["mkdir", `${looped}:/new`],
      ]) {
        const { code, stderr } = bulkhead(args);
        assert.equal(code, 1, args.join(" "));
        assert.ok(stderr.includes(`looped.img is in use: it is behind ${loop},`), stderr);
      }
      assert.equal(bulkhead(["ls", `${looped}:/README`]).code, 0);
    } finally {
      tool("umount", kernels);
      tool("losetup", "-d", loop);
    }
    assert.equal(bulkhead(["mkdir", `${looped}:/new`]).code, 0);
  });

  it("mounts what is write-protected read-only, and says so", {
    skip: withoutLoopMounts() || missingTool("mke2fs"),
  }, () => {
    const protectedImage = path("protected.img");
    tool("truncate", "-s", "8M", protectedImage);
    tool("mke2fs", "-q", "-F", "-t", "ext4", protectedImage);
    const loop = tool("losetup", "-f", "--show", "-r", protectedImage).trim();
    try {
      const { code, stderr } = bulkhead(["mount", loop, mountpoint]);
      assert.deepEqual(
        [code, stderr],
        [0, `bulkhead mount: ${loop}: the device is write-protected: mounted read-only\n`],
      );
      assert.match(mountLine()!, / ro,/);
      assert.equal(bulkhead(["umount", mountpoint]).code, 0);
    } finally {
      tool("losetup", "-d", loop);
    }
  });

  it("names the journal's device where that is write-protected", {
    skip: withoutLoopMounts() || missingTool("mke2fs"),
  }, () => {
    const [log, apart] = [path("journal.img"), path("apart.img")];
    tool("truncate", "-s", "8M", log, apart);
    tool("mke2fs", "-q", "-F", "-b", "4096", "-O", "journal_dev", log);
    let loop = tool("losetup", "-f", "--show", log).trim();
    try {
      tool("mke2fs", "-q", "-F", "-b", "4096", "-t", "ext4", "-J", `device=${loop}`, apart);
      tool("losetup", "-d", loop);
      loop = tool("losetup", "-f", "--show", "--read-only", log).trim();
      const { code, stderr } = bulkhead(["mount", "-o", `journal_path=${loop}`, apart, mountpoint]);
      assert.equal(code, 1);
      assert.equal(stderr, `bulkhead mount: cannot mount ${apart}: cannot open ${loop}: it is write-protected\n`);
    } finally {
      tool("losetup", "-d", loop);
    }
  });

  it("mounts where a process may have few descriptors", () => {
    const limited = 'ulimit -n 64 && exec "$@"';
    tool("sh", "-c", limited, "sh", process.execPath, program, "mount", image, mountpoint);
    assert.match(look('cat "$1/README"'), /^This image/);
    assert.equal(bulkhead(["umount", mountpoint]).code, 0);
  });

  it("says so where no file may be as large as its memory, and mounts without", async () => {
    const limited = (...args: readonly string[]) =>
      spawnSync(
        "sh",
        ["-c", 'ulimit -f 100000; exec "$@"', "sh", process.execPath, program, "mount", ...args, image, mountpoint],
        {
          encoding: "utf8",
          timeout: 60_000,
        },
      );
    const { status, stderr } = limited();
    assert.equal(status, 1);
    assert.match(stderr, /^bulkhead mount: cannot mount .*\(ulimit -f\): raise that, or mount with norestart\n$/);
    const left = () => fs.readdirSync("/proc").filter((pid) => commandOf(pid).includes(mountpoint));
    for (const until = Date.now() + 10_000; left().length > 0 && Date.now() < until; ) await sleep(50);
    assert.deepEqual(left(), []);
    assert.equal(limited("-o", "norestart").status, 0);
    assert.equal(bulkhead(["umount", mountpoint]).code, 0);
  });

  it("hands its options to the kernel and to the engine", () => {
    const options = "noload,cache_size=4M,errors=continue,minixdf,noexec,noatime,nofail,x-y=z,allow_other";
    assert.equal(bulkhead(["mount", "-o", options, "-o", "suid,dev", image, mountpoint]).code, 0);
    const line = mountLine()!;
    assert.match(line, /noexec/);
    assert.match(line, /noatime/);
    assert.match(line, /allow_other/);
    assert.doesNotMatch(line, /nosuid|nodev/);
    // minixdf counts all 8192 blocks of 1 KiB.
    assert.equal(look('stat -f -c %b "$1"'), "8192\n");
    assert.equal(bulkhead(["umount", mountpoint]).code, 0);
  });

  it("mounts read-only through a copy of the superblock", { skip: missingTool("mke2fs") }, () => {
    const copied = path("copied.img");
    fs.writeFileSync(copied, "");
    fs.truncateSync(copied, 16 << 20);
    tool("mke2fs", "-q", "-F", "-t", "ext4", "-b", "1024", copied);
    assert.equal(bulkhead(["mount", "-o", "sb=8193", copied, mountpoint]).code, 0);
    assert.match(mountLine()!, / ro,/);
    assert.equal(look('ls "$1"'), "lost+found\n");
    assert.equal(bulkhead(["umount", mountpoint]).code, 0);
  });

  it("follows no symbolic links with nosymfollow", { skip: missingTool("mke2fs") }, () => {
    const linked = path("linked.img");
    fs.writeFileSync(linked, "");
    fs.truncateSync(linked, 16 << 20);
    tool("mke2fs", "-q", "-F", "-t", "ext4", linked);
    assert.equal(bulkhead(["mount", "-o", "loop,nosymfollow", linked, mountpoint]).code, 0);
    assert.equal(
      look('cd "$1"; echo here > file; ln -s file link; readlink link; cat link 2>&1 || true'),
      "file\ncat: link: Too many levels of symbolic links\n",
    );
    assert.equal(bulkhead(["umount", mountpoint]).code, 0);
    tool("e2fsck", "-fn", linked);
  });

  it("refuses rw where it would be read-only", () => {
    for (const [options, why] of [
      ["norecovery,rw", "noload exclude each other: without its journal"],
      ["sb=8193,rw", "sb= exclude each other: through a copy of the superblock"],
    ]) {
      const { code, stderr } = bulkhead(["mount", "-o", options!, image, mountpoint]);
      assert.deepEqual([code, stderr], [2, `bulkhead mount: rw and ${why}, SOURCE is only read\n`]);
    }
    assert.equal(mountLine(), undefined);
  });

  it("says that a path which is no UTF-8 cannot be part of a mount", () => {
    const script =
      'name=$(printf "odd\\377"); mkdir "$name"; "$1" "$2" mount "$3" "$name"; "$1" "$2" mount "$name/x" .; rmdir "$name"';
    const args = ["-c", script, "sh", process.execPath, program, image];
    const { stderr } = spawnSync("sh", args, { cwd: path("."), encoding: "utf8", timeout: 60_000 });
    assert.match(stderr, /^(bulkhead mount: .*odd\\xff(\/x)? is no UTF-8, .*\n){2}$/);
  });

  it("refuses what it cannot mount, with one line and nothing left behind", () => {
    fs.writeFileSync(path("junk"), Buffer.alloc(100_000, 0x5a));
    fs.writeFileSync(path("file"), "");
    const disk = Buffer.alloc(2 << 20);
    disk[446 + 4] = 0x83;
    disk.writeUInt32LE(64, 446 + 8);
    disk.writeUInt32LE(2048, 446 + 12);
    disk.writeUInt16LE(0xaa55, 510);
    fs.writeFileSync(path("disk"), disk);
    const cases: [string[], number, RegExp][] = [
      [[path("junk"), mountpoint], 3, /^bulkhead mount: cannot mount .*junk: corrupt: .*0xEF53\n$/],
      [[path("none"), mountpoint], 1, /^bulkhead mount: cannot open .*none: there is no such file or directory\n$/],
      [
        [image, path("nowhere")],
        1,
        /^bulkhead mount: cannot mount at .*nowhere: there is no such file or directory\n$/,
      ],
      [[image, path("file")], 1, /^bulkhead mount: cannot mount at .*file: it is no directory\n$/],
      [
        ["/dev/null", mountpoint],
        1,
        /^bulkhead mount: cannot open \/dev\/null: it is neither a file nor a block device\n$/,
      ],
      [
        ["-o", "lazytime,iomap=0", image, mountpoint],
        1,
        /: mount option lazytime is not possible without iomap: iomap=0/,
      ],
      [["-o", "iomap=1", image, mountpoint], 1, /demo\.img: iomap=1 is not possible: .*\n$/],
      [
        ["-o", "ofset=1", image, mountpoint],
        2,
        /^bulkhead mount: unknown mount option ofset; did you mean offset\?\n$/,
      ],
      [["-o", "sb=3", image, mountpoint], 3, /^bulkhead mount: cannot mount .*demo\.img: corrupt: /],
      [["-o", "partition=1", image, mountpoint], 1, /has no partition/],
      [
        [path("disk"), mountpoint],
        1,
        /disk starts with a partition table.* by partition=N: 1 \(1024 KiB at 32768\)\n$/,
      ],
      [["-o", "offset=1T", image, mountpoint], 1, /offset/],
    ];
    for (const [args, expected, message] of cases) {
      for (const mode of [[], ["--foreground"]]) {
        const { code, stderr } = bulkhead(["mount", ...mode, ...args]);
        assert.match(stderr, message);
        assert.equal(code, expected, stderr);
      }
    }
    assert.equal(mountLine(), undefined);
  });

  it("clears a mount whose server was killed", () => {
    assert.equal(bulkhead(["mount", "-o", "norestart", image, mountpoint]).code, 0);
    const { server } = JSON.parse(bulkhead(["status", "--json", mountpoint]).stdout) as { server: { pid: number } };
    process.kill(server.pid, "SIGKILL");
    for (let tries = 0; look('ls "$1" 2>/dev/null || echo gone') !== "gone\n"; tries++) assert.ok(tries < 500);
    const again = bulkhead(["mount", image, mountpoint]);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /the server of the mount at .*mnt is gone; clear it with: bulkhead umount /);
    assert.equal(bulkhead(["umount", mountpoint]).code, 0);
    assert.equal(mountLine(), undefined);
  });

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it(`unmounts on ${signal} in the foreground`, async () => {
      const server = spawn(process.execPath, [program, "mount", "--foreground", image, mountpoint], {
        stdio: "ignore",
      });
      const ended = new Promise((resolve) => server.on("exit", resolve));
      await untilMounted();
      assert.match(look('cat "$1/README"'), /^This image/);
      server.kill(signal);
      assert.equal(await ended, 0);
      assert.equal(mountLine(), undefined);
    });
  }

  for (const [signal, code] of [
    ["SIGTERM", 143],
    ["SIGHUP", 143],
    ["SIGINT", 130],
  ] as const) {
    it(`leaves no mount behind when ${signal} comes before it answers`, async () => {
      const mounting = spawn(process.execPath, [program, "mount", image, mountpoint], { stdio: "ignore" });
      const ended = new Promise((resolve) => mounting.on("exit", (...how) => resolve(how)));
      const keepers = () => fs.readFileSync(`/proc/${mounting.pid}/task/${mounting.pid}/children`, "latin1").trim();
      while (keepers() === "") await sleep(5);
      const keeper = keepers();
      mounting.kill(signal);
      assert.deepEqual(await ended, [code, null]);
      while (fs.existsSync(`/proc/${keeper}`)) await sleep(20);
      assert.equal(mountLine(), undefined);
    });
  }

  it("says so when an image lies on a FUSE mount that lets no server in", () => {
    const [outer, below] = [path("outer.img"), path("below")];
    fs.mkdirSync(below);
    fs.copyFileSync(image, outer);
    assert.equal(bulkhead(["mount", outer, below]).code, 0);
    try {
      tool("truncate", "-s", "1M", join(below, "inner.img"));
      for (const args of [
        ["mount", join(below, "inner.img"), mountpoint],
        ["ls", `${below}/inner.img:/`],
      ]) {
        const { code, stderr } = bulkhead(args);
        assert.equal(code, 1);
        assert.match(stderr, /inner\.img: fstat \d+, which lies on a FUSE mount .* allow_other: EACCES\n$/);
      }
    } finally {
      tool("umount", "-l", below);
    }
  });

  it("logs to a file when asked, each request with debug", () => {
    const log = path("server.log");
    assert.equal(bulkhead(["mount", "-o", "debug", "--log", log, image, mountpoint]).code, 0);
    look('cat "$1/README"');
    assert.equal(bulkhead(["umount", mountpoint]).code, 0);
    assert.match(fs.readFileSync(log, "utf8"), /^\d{4}-\d\d-\d\dT.*LOOKUP/m);
  });

  it("goes on with its keeper when the log's disk is full", () => {
    assert.deepEqual(bulkhead(["mount", "-o", "debug", "--log", "/dev/full", image, mountpoint]).stderr, "");
    look('cat "$1/README"');
    const { keeper } = JSON.parse(bulkhead(["status", "--json", mountpoint]).stdout) as { keeper: unknown };
    assert.notEqual(keeper, null);
    assert.equal(bulkhead(["umount", mountpoint]).code, 0);
  });

  it("says so when the log cannot be opened", () => {
    const log = path("nowhere/log");
    for (const how of [[], ["--foreground"]]) {
      const { code, stderr } = bulkhead(["mount", ...how, "--log", log, image, mountpoint]);
      assert.deepEqual(
        [code, stderr],
        [1, `bulkhead mount: cannot open the log ${log}: there is no such file or directory\n`],
      );
    }
  });

  for (const missing of ["unshare", "setpriv"]) {
    it(`says so when there is no ${missing} to contain a server with`, () => {
      const tools = path(`without-${missing}`);
      fs.mkdirSync(tools);
      for (const name of ["sh", "umount", "mount", "unshare", "setpriv", "prlimit"]) {
        if (name !== missing) fs.symlinkSync(tool("sh", "-c", `command -v ${name}`).trim(), join(tools, name));
      }
      for (const how of [[], ["--foreground"]]) {
        // The launcher looks in /usr/sbin and /sbin, too.
        const { code, stderr } = apart(
          'mkdir "$1/none" && mount --bind "$1/none" /usr/sbin && if [ ! -L /sbin ]; then mount --bind "$1/none" /sbin; fi; rmdir "$1/none"; PATH="$1" "$2" "$3" mount $4 "$5" "$6"',
          ...[tools, process.execPath, program, how.join(" "), image, mountpoint],
        );
        assert.equal(code, 1, stderr);
        assert.match(
          stderr,
          new RegExp(`bulkhead mount: cannot mount .*: cannot start the server: .*\\b${missing}\\b.*\\n$`),
        );
      }
    });
  }

  it("says what is wrong with /dev/fuse, contained or not", () => {
    const fuse = path("no-device");
    fs.writeFileSync(fuse, "");
    for (const how of ["", "--foreground", "--uncontained"]) {
      // A character device without a driver.
      const line = 'mknod "$1" c 240 77 && mount --bind "$1" /dev/fuse; "$2" "$3" mount $4 "$5" "$6"';
      fs.rmSync(fuse);
      const { code, stderr } = apart(line, fuse, process.execPath, program, how, image, mountpoint);
      assert.equal(code, 1, stderr);
      assert.match(stderr, /cannot mount .*: open \/dev\/fuse: ENXIO; is FUSE there\? \(modprobe fuse\)\n$/);
    }
  });

  it("says so when a user has no right to /dev/fuse", { skip: missingTool("setpriv") }, () => {
    const mine = path("no-right");
    fs.mkdirSync(mine);
    fs.chownSync(mine, 65534, 65534);
    fs.chmodSync(directory, 0o755);
    fs.chmodSync(image, 0o644);
    const line = `
      mknod -m 600 "$1/closed" c 10 229 && mount --bind "$1/closed" /dev/fuse
      exec setpriv --reuid 65534 --regid 65534 --clear-groups "$2" "$3" mount "$4" "$5"`;
    const { code, stderr } = apart(line, directory, process.execPath, program, image, mine);
    assert.equal(code, 1, stderr);
    assert.match(stderr, /cannot mount .*: open \/dev\/fuse: EACCES; this user has no right to it .*\n$/);
  });

  it("umount says why it cannot", async () => {
    const nothing = bulkhead(["umount", mountpoint]);
    assert.deepEqual(
      [nothing.code, nothing.stderr],
      [1, `bulkhead umount: cannot unmount ${mountpoint}: nothing is mounted there\n`],
    );
    // Not /proc, lest it succeeds.
    tool("mount", "-t", "tmpfs", "none", mountpoint);
    try {
      const kernels = bulkhead(["umount", mountpoint]);
      assert.equal(kernels.code, 1);
      assert.match(kernels.stderr, /the kernel's own \(tmpfs\); umount\(8\)/);
    } finally {
      tool("umount", mountpoint);
    }
    assert.equal(bulkhead(["mount", image, mountpoint]).code, 0);
    const user = spawn("sh", ["-c", 'exec 3<"$1/README"; echo ready; read line', "sh", mountpoint]);
    await new Promise((resolve) => user.stdout.once("data", resolve));
    const busy = bulkhead(["umount", mountpoint]);
    assert.equal(busy.code, 1);
    assert.match(busy.stderr, /in use .*--lazy/);
    assert.equal(bulkhead(["umount", "--lazy", mountpoint]).code, 0);
    assert.equal(mountLine(), undefined);
    user.stdin.end("\n");
    await new Promise((resolve) => user.once("exit", resolve));
    // The server has the image until it has written everything.
    assert.equal(spawnSync("flock", ["--timeout", "20", image, "true"]).status, 0);
  });

  it("umount says where else it is still mounted, and does not wait for that", () => {
    const bound = path("bound");
    fs.mkdirSync(bound);
    assert.equal(bulkhead(["mount", image, mountpoint]).code, 0);
    tool("mount", "--bind", mountpoint, bound);
    try {
      const { code, stderr } = bulkhead(["umount", mountpoint]);
      const said = `bulkhead umount: ${mountpoint} is unmounted, but ${image} is still mounted at ${bound}\n`;
      assert.deepEqual([code, stderr], [1, said]);
      assert.equal(mountLine(), undefined);
      assert.deepEqual(bulkhead(["umount", bound]), { code: 0, stdout: "", stderr: "" });
    } finally {
      spawnSync("umount", [bound]);
    }
  });

  it("umount and status follow symbolic links, as mount does", () => {
    const [link, other] = [path("link"), path("other")];
    // ".." of what a link leads to, which is not where the link is.
    fs.mkdirSync(path("deep/inside"), { recursive: true });
    fs.symlinkSync("deep/inside", path("within"));
    fs.symlinkSync("within/../../link", other);
    fs.symlinkSync(mountpoint, link);
    assert.equal(bulkhead(["mount", image, other]).code, 0);
    assert.match(mountLine()!, / fuse\.bulkhead /);
    assert.equal(bulkhead(["status", other]).code, 0);
    assert.deepEqual(bulkhead(["umount", `${other}/`]), { code: 0, stdout: "", stderr: "" });
    assert.equal(mountLine(), undefined);
    fs.rmSync(link);
    fs.symlinkSync("other", link);
    assert.match(bulkhead(["umount", link]).stderr, /cannot unmount .*: too many symbolic links\n$/);
  });

  it("umount opens no device or fifo that a mount calls its source", async () => {
    const fifo = path("fifo");
    tool("mkfifo", fifo);
    // Whoever opens it for reading lets the writer go on.
    const writer = spawn("sh", ["-c", 'echo > "$1"', "sh", fifo]);
    try {
      fs.closeSync(mountFuse(mountpoint, { fsname: fifo }).fd);
      assert.match(mountLine()!, /^\S+\/fifo /);
      assert.deepEqual(bulkhead(["umount", mountpoint]), { code: 0, stdout: "", stderr: "" });
      assert.equal(mountLine(), undefined);
      await new Promise((resolve) => setTimeout(resolve, 100));
      assert.equal(writer.exitCode, null);
    } finally {
      writer.kill();
      fs.rmSync(fifo);
    }
  });

  it("serves an ordinary user through fusermount3", { skip: missingTool("fusermount3", "unshare", "setpriv") }, () => {
    // A /dev/fuse that users may open, as on most machines, in a mount namespace of its own.
    const mine = path("user-mnt");
    fs.mkdirSync(mine);
    fs.chownSync(mine, 65534, 65534);
    fs.chmodSync(directory, 0o755);
    fs.chmodSync(image, 0o644);
    const script = `
      mknod -m 666 "$1/fuse" c 10 229 && mount --bind "$1/fuse" /dev/fuse && mount --bind /dev/null /etc/fuse.conf
      exec setpriv --reuid 65534 --regid 65534 --clear-groups sh -c '
        "$1" "$2" mount "$3" "$4" && head -c 10 "$4/README" && "$1" "$2" umount "$4" && ls "$4"
        "$1" "$2" umount "$4"; "$1" "$2" mount "$3" /etc
        "$1" "$2" mount -o ro,suid,dev "$3" "$4" && grep -o "$4.* ro,nosuid,nodev" /proc/self/mounts && "$1" "$2" umount "$4"
        "$1" "$2" mount -o ro,nosymfollow "$3" "$4"; "$1" "$2" mount --uncontained -o ro,nosymfollow "$3" "$4"
        "$1" "$2" mount -o ro,allow_other "$3" "$4"' sh "$2" "$3" "$4" "$5"`;
    const args = ["-m", "sh", "-c", script, "sh", directory, process.execPath, program, image, mine];
    const { stdout, stderr } = spawnSync("unshare", args, { encoding: "utf8", timeout: 60_000 });
    assert.equal(stdout, `This image${mine} fuse.bulkhead ro,nosuid,nodev\n`, stderr);
    const said = [
      /^bulkhead mount: .*there is no permission to write to it: mounted read-only$/,
      /^bulkhead umount: .*nothing is mounted there$/,
      /^bulkhead mount: .*no write access/,
      /^bulkhead mount: -o suid takes root, and is ignored$/,
      /^bulkhead mount: -o dev takes root, and is ignored$/,
      /^bulkhead mount: -o nosymfollow takes root: fusermount3 does not know it$/,
      /^bulkhead mount: -o nosymfollow takes root: fusermount3 does not know it$/,
      /^bulkhead mount: .* allow_other: only for root, or where \/etc\/fuse\.conf has the line user_allow_other/,
    ];
    const lines = stderr.trimEnd().split("\n");
    assert.equal(lines.length, said.length, stderr);
    for (const [number, line] of lines.entries()) assert.match(line, said[number]!);
  });

  async function untilMounted(): Promise<void> {
    for (let tries = 0; tries < 500; tries++) {
      if (mountLine() !== undefined && look('ls "$1"') !== "") return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.fail("nothing was mounted within 10 s");
  }
});
