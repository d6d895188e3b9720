import assert from "node:assert/strict";
import { lstatSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import {
  lchown,
  lgetxattr,
  llistxattr,
  lremovexattr,
  lsetxattr,
  lstatx,
  lutimens,
  makedev,
  mknod,
  STATX_BTIME,
  statfs,
  UTIME_OMIT,
  XattrFlag,
} from "../src/index.js";

const root = process.getuid?.() === 0;
const folder = mkdtempSync(join(tmpdir(), "linux-inode-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const bytesOf = (value: string) => new TextEncoder().encode(value);

describe("inodes", () => {
  test("times are kept to the nanosecond, on the link itself, before 1970 too", () => {
    const link = join(folder, "link");
    symlinkSync("nowhere", link);
    lutimens(link, { seconds: -5, nanoseconds: 123_456_789 }, { seconds: 4_000_000_000, nanoseconds: 1 });
    const stat = lstatSync(link, { bigint: true });
    assert.equal(stat.atimeNs, -5_000_000_000n + 123_456_789n);
    assert.equal(stat.mtimeNs, 4_000_000_000_000_000_001n);
    lutimens(link, { seconds: 0, nanoseconds: UTIME_OMIT }, { seconds: 7, nanoseconds: 0 });
    assert.equal(lstatSync(link, { bigint: true }).atimeNs, -5_000_000_000n + 123_456_789n);
    assert.throws(() => lutimens(`${link}x`, { seconds: 0, nanoseconds: 0 }, { seconds: 0, nanoseconds: 0 }), {
      code: "ENOENT",
    });
  });

  test("statx tells what lstat does, and the creation time", () => {
    const path = join(folder, "file");
    writeFileSync(path, "12345");
    const ours = lstatx(path);
    const theirs = lstatSync(path, { bigint: true });
    assert.equal(ours.size, 5);
    assert.equal(BigInt(ours.ino), theirs.ino);
    assert.equal(ours.mode, Number(theirs.mode));
    assert.equal(BigInt(ours.blocks), theirs.blocks);
    assert.equal(BigInt(ours.mtime.seconds) * 1_000_000_000n + BigInt(ours.mtime.nanoseconds), theirs.mtimeNs);
    if (ours.mask & STATX_BTIME) assert.equal(BigInt(ours.btime.seconds), theirs.birthtimeNs / 1_000_000_000n);
    assert.throws(() => lstatx(join(folder, "none")), { code: "ENOENT", syscall: "statx" });
  });

  test("mknod and lchown make a device of any number, with its owner", { skip: root ? false : "needs root" }, () => {
    const path = join(folder, "device");
    mknod(path, 0o060640, makedev(259, 70_000));
    lchown(path, 12, -1);
    const stat = lstatx(path);
    assert.deepEqual([stat.rdevMajor, stat.rdevMinor, stat.mode, stat.uid, stat.gid], [259, 70_000, 0o060640, 12, 0]);
    assert.throws(() => mknod(path, 0o060640, 0), { code: "EEXIST" });
  });
});

describe("extended attributes", () => {
  test("names and values are bytes", () => {
    const path = join(folder, "attributed");
    writeFileSync(path, "");
    const name = Uint8Array.from([...bytesOf("user.b"), 0xff]);
    lsetxattr(path, name, Uint8Array.of(0, 1, 255));
    lsetxattr(path, "user.empty", new Uint8Array(0), XattrFlag.CREATE);
    assert.deepEqual(lgetxattr(path, name), Uint8Array.of(0, 1, 255));
    assert.deepEqual(lgetxattr(path, "user.empty"), new Uint8Array(0));
    assert.equal(lgetxattr(path, "user.none"), undefined);
    const names = llistxattr(path).map((n) => Buffer.from(n).toString("latin1"));
    assert.deepEqual(
      names.filter((n) => n.startsWith("user.")).sort(),
      [Buffer.from(name).toString("latin1"), "user.empty"].sort(),
    );
    assert.throws(() => lsetxattr(path, "user.empty", new Uint8Array(1), XattrFlag.CREATE), { code: "EEXIST" });
    lremovexattr(path, name);
    assert.equal(lgetxattr(path, name), undefined);
    assert.throws(() => lremovexattr(path, name), { code: "ENODATA" });
  });
});

test("statfs counts blocks as df does", () => {
  const stat = statfs("/proc");
  assert.equal(stat.type, 0x9fa0);
  assert.equal(stat.blocks, 0);
  const here = statfs(folder);
  assert.ok(here.blocks >= here.bfree && here.bfree >= here.bavail && here.blocks > 0);
  assert.equal(here.namelen, 255);
  assert.throws(() => statfs("/none/such"), { code: "ENOENT" });
});
