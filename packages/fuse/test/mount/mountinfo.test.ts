import assert from "node:assert/strict";
import { test } from "node:test";
import { findMount, listMounts, mountFuse, resolveMountpoint, unmount } from "../../src/index.js";
import { parseMountInfo } from "../../src/mount/mountinfo.js";
import { escapeOption } from "../../src/mount/options.js";

test("a line of mountinfo is taken apart, optional fields or none, escapes undone", () => {
  const text = [
    "36 35 98:0 /mnt1 /mnt/with\\040space\\134 rw,noatime master:1 - ext3 /dev/root rw,errors=continue",
    "63 27 0:39 / /plain ro - fuse.hello a,b\\040c ro,user_id=0",
    "nonsense",
    "",
  ].join("\n");
  assert.deepEqual(parseMountInfo(text), [
    {
      id: 36,
      major: 98,
      minor: 0,
      mountpoint: "/mnt/with space\\",
      type: "ext3",
      source: "/dev/root",
      readOnly: false,
    },
    { id: 63, major: 0, minor: 39, mountpoint: "/plain", type: "fuse.hello", source: "a,b c", readOnly: true },
  ]);
});

test("this machine's mounts are listed", () => {
  assert.equal(findMount("/proc")?.type, "proc");
  assert.equal(findMount("/no/such/mount"), undefined);
  assert.ok(listMounts().length > 1);
});

test("a mountpoint's last component is not followed", () => {
  assert.equal(resolveMountpoint("/proc/self/../../tmp/x"), "/tmp/x");
  assert.equal(resolveMountpoint("/tmp/not-there"), "/tmp/not-there");
  assert.equal(resolveMountpoint("/"), "/");
  assert.throws(() => resolveMountpoint("/not-there/x"), { code: "ENOENT" });
});

test("commas and backslashes in an option are escaped, a NUL is refused", () => {
  assert.equal(escapeOption("a,b\\c"), "a\\,b\\\\c");
  assert.throws(() => escapeOption("a\0b"), { code: "EINVAL" });
});

test("an empty path is nothing, and not the current directory", () => {
  assert.throws(() => mountFuse(""), { code: "ENOENT" });
  assert.throws(() => unmount(""), { code: "ENOENT" });
});
