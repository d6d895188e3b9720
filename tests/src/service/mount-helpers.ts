/**
 * mount(8) with the helpers of ours, as root in a mount namespace of its own, where they are all that is in /sbin: with a service (the
 * shipped server, by systemd-socket-activate), and without.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findMount } from "@bulkhead/fuse";
import { serverProgram } from "@bulkhead/server/contained";
import { JITLESS } from "@bulkhead/service";
import { ask, COMMAND } from "../mount/served-mount.js";
import { run } from "../system/process.js";
import { removeScratch, scratchDirectory } from "../system/scratch.js";
import { Activation } from "./activation.js";

const folder = scratchDirectory("helpers");
const mountPoint = join(folder, "mount");
const image = join(folder, "image");
const fstab = join(folder, "fstab");
const services = join(folder, "services");
for (const directory of [mountPoint, services]) mkdirSync(directory);
run("mke2fs", ["-q", "-O", "has_journal,extent,64bit,metadata_csum", "-b", "4096", image, "16M"]);
const e2fsck = () => run("e2fsck", ["-fn", image]);
const tools = { e2fsck: realpathSync(run("sh", ["-c", "command -v e2fsck"]).stdout.toString().trim()) };
// What mount(8) finds instead of the machine's /sbin; e2fsck is there as well.
const sbin = join(folder, "sbin");
mkdirSync(sbin);
run("cp", [tools.e2fsck, join(sbin, "e2fsck")]);
for (const name of ["mount.bulkhead", "mount.safe"]) {
  symlinkSync(join(dirname(COMMAND), `${name}.js`), join(sbin, name));
}
run("mount", ["--bind", sbin, realpathSync("/sbin")]);
// As a caller may have it: who mounts in the background has another working directory.
Object.assign(process.env, { BULKHEAD_SOCKET_DIRECTORY: relative(folder, services) });

/** As whom service managers start servers. */
const NOBODY = [
  "setpriv",
  "--reuid=65534",
  "--regid=65534",
  "--clear-groups",
  "--bounding-set=-all",
  "--inh-caps=-all",
];

const mount = (...args: string[]) => ask("mount", args, folder);
/** Mounts, and says by whom. */
function mounted(...args: string[]): string {
  const { code, stdout, stderr } = mount("-v", ...args);
  assert.equal(code, 0, stderr);
  return stdout;
}

/** Waits for the server to let go of the image, and has it checked. */
async function unmount(): Promise<void> {
  run("umount", [mountPoint]);
  for (let waited = 0; ask("flock", ["--nonblock", image, "true"]).code !== 0; waited += 50) {
    assert.ok(waited < 20_000, "the server keeps the image");
    await sleep(50);
  }
  e2fsck();
}

const writeAndRead = (name: string): void => {
  const script = 'echo written > "$1" && sync "$1" && cat "$1"';
  assert.equal(ask("sh", ["-c", script, "sh", join(mountPoint, name)]).stdout, "written\n");
};

async function withoutService(): Promise<void> {
  const line = `${image} ${mountPoint} bulkhead defaults,nofail,_netdev,x-systemd.automount,user,noauto,comment=none,errors=remount-ro,noatime 0 2\n`;
  writeFileSync(fstab, line);
  assert.match(mounted("--fstab", fstab, mountPoint), /by its own server/);
  const { type, source } = findMount(mountPoint) ?? {};
  assert.deepEqual([type, source], ["fuse.bulkhead", image]);
  // `user` implies nosuid, nodev, noexec: mount(8) says so.
  const options = run("findmnt", ["-no", "OPTIONS", mountPoint]).stdout.toString();
  assert.match(options, /^rw,nosuid,nodev,noexec,noatime,.*default_permissions,allow_other$/m);
  writeAndRead("by-fstab");
  remounted();
  await unmount();
}

/** By the helper, and as libfuse's mount.fuse, which mount(8) finds by the type of a mount, calls the command. */
function remounted(): void {
  const shown = () => run("findmnt", ["-no", "OPTIONS", mountPoint]).stdout.toString();
  assert.equal(mount("-t", "bulkhead", "-o", "remount,ro,noexec", image, mountPoint).code, 0);
  assert.match(shown(), /^ro,nosuid,nodev,noexec,/);
  assert.match(ask("touch", [join(mountPoint, "by-fstab")]).stderr, /Read-only file system/);
  const asFuse = (words: string) => {
    const list = `${words},nosuid,nodev,noatime,remount,user_id=0,group_id=0,default_permissions,allow_other`;
    return ask(process.execPath, [COMMAND, image, mountPoint, "-o", list]);
  };
  assert.equal(asFuse("rw").code, 0);
  assert.match(shown(), /^rw,nosuid,nodev,noatime,/);
  const { code, stderr } = asFuse("rw,commit=3");
  assert.equal(code, 0);
  assert.match(stderr, /^mount\.bulkhead: -o commit=3 is as it was mounted, /);
  assert.equal(asFuse("ro,bogus").code, 1);
  assert.match(shown(), /^rw,nosuid,nodev,noatime,/);
  writeAndRead("remounted");
}

async function byService(type: string, flags: readonly string[]): Promise<void> {
  mkdirSync(services, { recursive: true });
  const subtype = type.replace("safe.", "");
  const program = [...NOBODY, process.execPath, ...flags, serverProgram()];
  const activation = await Activation.listen(services, subtype, program);
  try {
    const by = mount("-v", "-o", "noatime,comment=none,nofail", "-t", type, image, mountPoint);
    assert.match(by.stdout, /by the service/, `${by.stderr}; ${activation.said}`);
    assert.equal(findMount(mountPoint)?.type, `fuse.${subtype}`);
    writeAndRead(`by-${type}${flags.join("")}`);
    await unmount();
  } finally {
    await activation.stop();
  }
}

/** What does not mount is no mount, and mount(8) ends as the helper does: 32, and 2 without a service. */
function refused(): void {
  const bad = join(folder, "bad");
  writeFileSync(bad, new Uint8Array(1 << 20));
  assert.equal(mount("-t", "bulkhead", bad, mountPoint).code, 32);
  const again = mount("-t", "bulkhead", "-o", "remount,ro", image, mountPoint);
  assert.match(again.stderr, /no mount of bulkhead's is there/);
  assert.equal(mount("-t", "safe.ext4", image, mountPoint).code, 2, "there is no service");
  assert.equal(findMount(mountPoint), undefined);
}

/** Whose server does not come, or does not mount: whoever wanted a mount hears that, and where more is to be read. */
async function byFailingService(): Promise<void> {
  const bad = join(folder, "bad");
  for (const [type, said] of [
    ["bulkhead", /cannot mount .*bad: the server .*ended.*journalctl/],
    ["safe.ext4", /mount\.safe: .*the server .*ended/],
  ] as const) {
    mkdirSync(services, { recursive: true });
    const activation = await Activation.listen(services, type.replace("safe.", ""), ["false"]);
    try {
      const { code, stderr } = mount("-t", type, bad, mountPoint);
      assert.equal(code, 32);
      assert.match(stderr, said);
    } finally {
      await activation.stop();
    }
  }
  mkdirSync(services, { recursive: true });
  const activation = await Activation.listen(services, "ext4", [...NOBODY, process.execPath, serverProgram()]);
  try {
    assert.match(mount("-t", "safe.ext4", bad, mountPoint).stderr, /bad: the service for ext4 has not mounted it/);
  } finally {
    await activation.stop();
  }
  assert.equal(findMount(mountPoint), undefined);
}

/** With -N: there, and not here. */
async function inAnotherNamespace(): Promise<void> {
  const other: ChildProcess = spawn("unshare", ["--mount", "--propagation", "private", "sleep", "60"]);
  try {
    const pid = String(other.pid);
    const enter = (...args: string[]) => ask("nsenter", [`--target=${pid}`, "--mount", "--", ...args]);
    const differs = 'test "$(readlink /proc/$0/ns/mnt)" != "$(readlink /proc/self/ns/mnt)"';
    for (let waited = 0; ask("sh", ["-c", differs, pid]).code !== 0; waited += 20) {
      assert.ok(waited < 10_000);
      await sleep(20);
    }
    mounted("-N", pid, "-t", "bulkhead", "-o", "ro", image, mountPoint);
    assert.equal(findMount(mountPoint), undefined, "it is mounted here");
    assert.equal(enter("cat", join(mountPoint, "by-fstab")).stdout, "written\n");
    assert.equal(enter("umount", mountPoint).code, 0);
  } finally {
    other.kill();
  }
}

try {
  await withoutService();
  await byService("bulkhead", []);
  await byService("safe.ext4", JITLESS);
  refused();
  await byFailingService();
  await inAnotherNamespace();
} finally {
  ask("umount", ["-l", mountPoint]);
  run("umount", ["-l", realpathSync("/sbin")]);
  removeScratch(folder);
}
