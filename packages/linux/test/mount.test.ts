import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, describe, test } from "node:test";
import {
  close,
  fsconfigCreate,
  fsconfigFlag,
  fsconfigString,
  fsmount,
  fsopen,
  MountAttribute,
  MountFlag,
  mount,
  moveMount,
  UmountFlag,
  umount,
} from "../src/index.js";

const folder = mkdtempSync(join(tmpdir(), "linux-mount-"));
afterEach(() => {
  try {
    umount(folder, UmountFlag.DETACH);
  } catch {}
});
after(() => rmSync(folder, { recursive: true, force: true }));
const line = () =>
  readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .find((l) => l.split(" ")[4] === folder);

describe("mounting", { skip: process.getuid?.() === 0 ? false : "needs root" }, () => {
  test("mount(2) attaches with flags and options, umount2 detaches", () => {
    mount("scratch", folder, "tmpfs", MountFlag.NOSUID | MountFlag.NODEV, "size=64k");
    assert.match(line() ?? "", /rw,nosuid,nodev.* - tmpfs scratch .*size=64k/);
    writeFileSync(join(folder, "x"), "x");
    umount(folder);
    assert.equal(line(), undefined);
    assert.equal(existsSync(join(folder, "x")), false);
    assert.throws(() => umount(folder), { code: "EINVAL", syscall: "umount2", subject: folder });
    assert.throws(() => mount("x", folder, "no-such-type", 0, ""), { code: "ENODEV" });
  });

  test("the mount API attaches a file system configured option by option", () => {
    const context = fsopen("tmpfs");
    fsconfigString(context, "source", "configured");
    fsconfigString(context, "size", "65536");
    assert.throws(() => fsconfigString(context, "nonsense", "1"), { code: "EINVAL", subject: "nonsense=1" });
    fsconfigFlag(context, "ro");
    fsconfigCreate(context);
    const mounted = fsmount(context, MountAttribute.NODEV);
    moveMount(mounted, folder);
    close(mounted);
    close(context);
    assert.match(line() ?? "", /nodev.* - tmpfs configured ro/);
    assert.throws(() => fsopen("no-such-type"), { code: "ENODEV" });
  });
});
