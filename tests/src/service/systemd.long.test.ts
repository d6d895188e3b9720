/**
 * The service as it is installed, under systemd itself, asked by mount(8). Oracles: systemd and /proc for what the server is allowed,
 * e2fsck and debugfs for what it wrote.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { withoutFuse, withoutTools } from "../facilities.js";
import { COMMAND } from "../mount/served-mount.js";
import { run } from "../system/process.js";
import { removeScratch, scratchDirectory } from "../system/scratch.js";
import { BootedSystem, withoutSystemd } from "./booted.js";

const skip = withoutSystemd() || withoutFuse() || withoutTools("mke2fs", "e2fsck", "debugfs", "flock");

describe("the installed service", { skip }, () => {
  let folder: string;
  let image: string;
  let mountPoint: string;
  let system: BootedSystem;
  before(async () => {
    folder = scratchDirectory("systemd");
    image = join(folder, "image");
    mountPoint = join(folder, "mount");
    for (const name of ["units", "sbin", "mount"]) mkdirSync(join(folder, name));
    install();
    const target = "[Unit]\nDefaultDependencies=no\nRequires=bulkhead.socket\nAfter=bulkhead.socket\n";
    writeFileSync(join(folder, "units", "test.target"), target);
    const bare = "[Unit]\nDefaultDependencies=no\n";
    for (const name of ["shutdown", "umount"]) writeFileSync(join(folder, "units", `${name}.target`), bare);
    writeFileSync(join(folder, "units", "down.target"), `${bare}Requires=shutdown.target umount.target\n`);
    // Nobody keeps a journal here, nor needs time to read it.
    const dropIn = join(folder, "units", "bulkhead@.service.d");
    mkdirSync(dropIn);
    writeFileSync(
      join(dropIn, "test.conf"),
      "[Service]\nStandardError=append:/run/said\nUnsetEnvironment=INVOCATION_ID\n",
    );
    run("mke2fs", ["-q", "-O", "has_journal,extent,64bit,metadata_csum", "-b", "4096", image, "16M"]);
    system = await BootedSystem.start(folder);
  });
  after(async () => {
    await system?.stop();
    removeScratch(folder);
  });

  function install(...options: string[]): void {
    const root = join(folder, "root");
    run(process.execPath, [COMMAND, "install-service", "--root", root, ...options]);
    const units = join(root, "usr/lib/systemd/system");
    for (const name of readdirSync(units)) copyFileSync(join(units, name), join(folder, "units", name));
    const helpers = join(root, "usr/sbin");
    for (const name of readdirSync(helpers)) copyFileSync(join(helpers, name), join(folder, "sbin", name));
  }

  const shell = (script: string) => system.run("sh", ["-ec", script, "sh", mountPoint]).stdout.toString();
  const said = () => system.run("sh", ["-c", "cat /run/said 2>&1"]).stdout.toString();

  function mount(type: string): void {
    const { code, stderr } = system.run("mount", ["-t", type, image, mountPoint], { accept: [1, 2, 32] });
    assert.equal(code, 0, `${stderr}; ${said()}; ${system.said}`);
  }

  /** Returns when the server has ended as well. */
  async function unmount(): Promise<void> {
    system.run("umount", [mountPoint]);
    const instances = ["list-units", "--all", "--plain", "--no-legend", "bulkhead@*.service"];
    for (let waited = 0; system.run("systemctl", instances).stdout.length > 0; waited += 100) {
      assert.ok(waited < 15_000, `the server does not end: ${said()}`);
      await sleep(100);
    }
    run("e2fsck", ["-fn", image]);
  }

  /** Waits until neither server nor keeper have the image any more. */
  async function released(): Promise<void> {
    for (let waited = 0; run("flock", ["--nonblock", image, "true"], { accept: [1] }).code !== 0; waited += 100) {
      assert.ok(waited < 30_000, `the server does not end: ${said()}`);
      await sleep(100);
    }
  }

  /** The status of the one server there is, the files that it sees outside of libraries and packages, and what is not mounted read-only. */
  function server(): { status: string; files: string[]; writable: string[]; command: string } {
    const pid = shell("systemctl show --property=MainPID --value 'bulkhead@*'").trim();
    return {
      status: shell(`cat /proc/${pid}/status`),
      // Mounted directories are on other devices.
      files: shell(`cd /proc/${pid}/root; find . -xdev -type f`)
        .trim()
        .split("\n")
        .map((path) => path.slice(1))
        .sort(),
      writable: shell(`awk '$6 ~ /^rw/ { print $5 }' /proc/${pid}/mountinfo`).trim().split("\n").sort(),
      command: shell(`tr '\\0' ' ' < /proc/${pid}/cmdline`),
    };
  }

  for (const paranoid of [false, true]) {
    test(`reads and writes, allowed next to nothing${paranoid ? ", without a compiler" : ""}`, async () => {
      if (paranoid) {
        install("--paranoid");
        system.run("systemctl", ["daemon-reload"]);
      }
      const name = `file-${paranoid}`;
      mount("bulkhead");
      try {
        const { status, files, writable, command } = server();
        assert.equal(command.includes("--jitless"), paranoid);
        assert.doesNotMatch(status, /^Uid:\t0/m);
        assert.match(status, /^NoNewPrivs:\t1$/m);
        assert.match(status, /^Seccomp:\t2$/m);
        for (const set of ["Inh", "Prm", "Eff", "Bnd", "Amb"])
          assert.match(status, new RegExp(`^Cap${set}:\t0+$`, "m"));
        assert.deepEqual(files, ["/etc/ld.so.cache", process.execPath]);
        // Where nothing can be made: the first and last are no file systems of files, and root's alone may write to the other.
        assert.deepEqual(writable, ["/dev/pts", "/proc", "/run"]);
        shell(`echo contained > "$1/${name}"; head -c 5000000 /dev/urandom > "$1/random"; sync -f "$1"`);
        assert.equal(shell(`cat "$1/${name}"`), "contained\n");
        assert.match(
          shell(`stat -f -c %T "$1"; findmnt -no FSTYPE,OPTIONS "$1"`),
          /fuse\.bulkhead .*nosuid.*allow_other/,
        );
      } finally {
        await unmount();
      }
      assert.equal(run("debugfs", ["-R", `cat /${name}`, image]).stdout.toString(), "contained\n");
    });
  }

  test("has a user for each mount", async () => {
    const other = join(folder, "other");
    shell(`cp ${image} ${other}; mkdir ${other}-mount`);
    mount("bulkhead");
    try {
      assert.equal(system.run("mount", ["-t", "bulkhead", other, `${other}-mount`]).code, 0);
      const users = shell("systemctl show --property=UID --value 'bulkhead@*'")
        .split("\n")
        .filter((uid) => uid !== "");
      assert.equal(new Set(users).size, 2, users.join());
      system.run("umount", [`${other}-mount`]);
    } finally {
      await unmount();
    }
  });

  const servers = () => shell("systemctl show --property=MainPID --value 'bulkhead@*'").trim();

  test("has another server go on when one is killed", async () => {
    mount("bulkhead");
    try {
      shell('echo before > "$1/killed"');
      const first = servers();
      system.run("systemctl", ["kill", "--signal=KILL", "bulkhead@*.service"]);
      assert.equal(shell('cat "$1/killed"; echo after >> "$1/killed"; cat "$1/killed"'), "before\nbefore\nafter\n");
      assert.match(servers(), /^\d+$/);
      assert.notEqual(servers(), first);
    } finally {
      await unmount();
    }
  });

  test("keeps a mount that systemd itself has made, as a line of fstab has it do", async () => {
    const unit = run("systemd-escape", ["--path", "--suffix=mount", mountPoint]).stdout.toString().trim();
    const lines = ["[Mount]", `What=${image}`, `Where=${mountPoint}`, "Type=bulkhead"];
    writeFileSync(join(folder, "units", unit), `${lines.join("\n")}\n`);
    system.run("systemctl", ["daemon-reload"]);
    const { code, stderr } = system.run("systemctl", ["start", unit], { accept: [1] });
    assert.equal(code, 0, `${stderr}; ${system.said}`);
    shell('echo before > "$1/unit"');
    system.run("systemctl", ["kill", "--signal=KILL", "bulkhead@*.service"]);
    assert.equal(shell('cat "$1/unit"; echo after > "$1/unit"; cat "$1/unit"'), "before\nafter\n");
    system.run("systemctl", ["stop", unit]);
    await released();
    run("e2fsck", ["-fn", image]);
    assert.equal(run("debugfs", ["-R", "cat /unit", image]).stdout.toString(), "after\n");
  });

  test("unmounts what is stopped, with all that was written", async () => {
    mount("bulkhead");
    shell('head -c 3000000 /dev/urandom | tee "$1/stopped" | sha256sum > "$1/stopped.sum"');
    const sum = shell('cat "$1/stopped.sum"').split(" ")[0];
    system.run("systemctl", ["stop", "bulkhead@*.service"]);
    assert.equal(system.run("mountpoint", ["-q", mountPoint], { accept: [1, 32] }).code === 0, false, said());
    await released();
    run("e2fsck", ["-fn", image]);
    const stopped = run("debugfs", ["-R", "cat /stopped", image]).stdout;
    assert.equal(createHash("sha256").update(stopped).digest("hex"), sum);
    assert.equal(servers(), "");
  });

  test("serves whoever asks for ext4, by mount.safe", async () => {
    mount("safe.ext4");
    try {
      assert.match(shell('findmnt -no FSTYPE "$1"'), /^fuse\.ext4$/m);
      assert.equal(shell('cat "$1/file-true"'), "contained\n");
    } finally {
      await unmount();
    }
  });

  test("mounts nothing when the image is bad, and says why", () => {
    const bad = join(folder, "bad");
    writeFileSync(bad, new Uint8Array(1 << 20));
    const { code } = system.run("mount", ["-t", "bulkhead", bad, mountPoint], { accept: [32] });
    assert.equal(code, 32);
    assert.match(said(), /super|magic/i);
  });

  test("loses nothing at shutdown: servers are there until their mounts are gone", async () => {
    mount("bulkhead");
    shell('head -c 3000000 /dev/urandom | tee "$1/late" | sha256sum > "$1/late.sum"');
    const sum = shell('cat "$1/late.sum"').split(" ")[0];
    // All units end, but the system does not: from here on nobody can be asked in there.
    system.run("systemctl", ["start", "--no-block", "--job-mode=replace-irreversibly", "down.target"]);
    await released();
    run("e2fsck", ["-fn", image]);
    const late = run("debugfs", ["-R", "cat /late", image]).stdout;
    assert.equal(createHash("sha256").update(late).digest("hex"), sum);
  });
});
