import assert from "node:assert/strict";
import {
  chmodSync,
  closeSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import {
  actAs,
  Capability,
  copyFileRange,
  fgetxattr,
  fremovexattr,
  fsetxattr,
  ftruncate,
  futimens,
  getInodeFlags,
  InodeFlag,
  LockKind,
  linkDescriptor,
  lstatx,
  MemoryMap,
  open,
  Protection,
  Rename,
  rename,
  setInodeFlags,
  setLock,
  syncfs,
  testLock,
  truncate,
  utimens,
  utimensNow,
  withFileSizeLimit,
  withoutCapabilities,
} from "../src/index.js";

const skip = process.getuid?.() === 0 ? false : "needs root";
const folder = mkdtempSync(join(tmpdir(), "linux-calls-"));
chmodSync(folder, 0o755); // others come here
after(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);
const O_RDWR = 2;
const O_TMPFILE = 0o20200000;

/** An open file with these contents. */
function file(name: string, contents: string): number {
  writeFileSync(at(name), contents);
  return openSync(at(name), "r+");
}

describe("what a file system is asked", () => {
  test("rename refuses to replace, and exchanges", () => {
    writeFileSync(at("one"), "1");
    writeFileSync(at("two"), "2");
    assert.throws(() => rename(at("one"), at("two"), Rename.NOREPLACE), { code: "EEXIST" });
    rename(at("one"), at("two"), Rename.EXCHANGE);
    assert.equal(readFileSync(at("one"), "latin1"), "2");
  });

  test("a file without a name gets one", () => {
    const fd = open(folder, O_TMPFILE | O_RDWR, 0o600);
    linkDescriptor(fd, at("named"));
    closeSync(fd);
    assert.equal(lstatSync(at("named")).nlink, 1);
  });

  test("sizes and times are set, and a negative length is EINVAL", () => {
    const fd = file("sized", "12345");
    truncate(at("sized"), 3);
    ftruncate(fd, 4);
    assert.equal(readFileSync(at("sized"), "latin1"), "123\0");
    assert.throws(() => ftruncate(fd, -1), { code: "EINVAL" });
    futimens(fd, { seconds: 1, nanoseconds: 2 }, { seconds: 3, nanoseconds: 4 });
    assert.deepEqual(lstatx(at("sized")).mtime, { seconds: 3, nanoseconds: 4 });
    utimens(at("sized"), { seconds: 5, nanoseconds: 6 }, { seconds: 7, nanoseconds: 8 });
    assert.deepEqual(lstatx(at("sized")).atime, { seconds: 5, nanoseconds: 6 });
    utimensNow(at("sized"));
    assert.ok(lstatx(at("sized")).mtime.seconds > 1e9);
    closeSync(fd);
  });

  test("copies a range, and syncs", () => {
    const from = file("from", "abcdef");
    const to = file("to", "------");
    assert.equal(copyFileRange(from, 2, to, 1, 3), 3);
    assert.equal(readFileSync(at("to"), "latin1"), "-cde--");
    syncfs(to);
    closeSync(from);
    closeSync(to);
  });

  test("a shared map is the file, until it is unmapped", () => {
    const fd = file("mapped", "abcdef");
    const map = new MemoryMap(fd, 6, Protection.READ | Protection.WRITE);
    map.write(1, Buffer.from("XY"));
    map.sync();
    assert.equal(readFileSync(at("mapped"), "latin1"), "aXYdef");
    assert.equal(Buffer.from(map.read(3, 3)).toString(), "def");
    assert.throws(() => map.read(4, 3), { code: "EFAULT" });
    map.unmap();
    assert.throws(() => map.read(0, 1), { code: "EFAULT" });
    closeSync(fd);
  });

  test("record locks of two open files are in each other's way", () => {
    const one = file("locked", "");
    const two = openSync(at("locked"), "r+");
    const lock = { kind: LockKind.WRITE, start: 10, length: 5 };
    assert.ok(setLock(one, "open file", lock));
    assert.equal(setLock(two, "open file", { kind: LockKind.READ, start: 14, length: 0 }), false);
    assert.deepEqual(testLock(two, "open file", { ...lock, start: 0, length: 0 }), { ...lock, pid: -1 });
    assert.equal(testLock(two, "open file", { ...lock, start: 15 }), undefined);
    closeSync(one);
    closeSync(two);
  });

  test("flags and attributes of an open file", { skip }, () => {
    const fd = file("flagged", "");
    setInodeFlags(fd, getInodeFlags(fd) | InodeFlag.NODUMP);
    assert.ok(getInodeFlags(fd) & InodeFlag.NODUMP);
    fsetxattr(fd, "user.a", Buffer.from("value"));
    assert.equal(Buffer.from(fgetxattr(fd, "user.a")!).toString(), "value");
    assert.throws(() => fgetxattr(fd, "user.a", 2), { code: "ERANGE" });
    fremovexattr(fd, "user.a");
    assert.equal(fgetxattr(fd, "user.a"), undefined);
    closeSync(fd);
  });
});

describe("acting as another", { skip }, () => {
  test("this thread alone has other rights, and they come back when the work throws", () => {
    writeFileSync(at("secret"), "x", { mode: 0o600 });
    assert.throws(() => actAs({ uid: 1001, gid: 1001 }, () => readFileSync(at("secret"))), { code: "EACCES" });
    assert.equal(readFileSync(at("secret"), "latin1"), "x");
    const uids = actAs({ uid: 1001, gid: 1001 }, () => {
      return readdirSync("/proc/self/task").map((tid) => readFileSync(`/proc/self/task/${tid}/status`, "latin1"));
    }).map((status) => /^Uid:\t(\d+)/m.exec(status)?.[1]);
    assert.ok(uids.length > 1);
    assert.deepEqual(new Set(uids), new Set(["0", "1001"]));
  });

  test("a capability is laid off for as long as something is done", () => {
    writeFileSync(at("locked"), "x");
    chmodSync(at("locked"), 0);
    const powers = [Capability.DAC_OVERRIDE, Capability.DAC_READ_SEARCH];
    assert.throws(() => withoutCapabilities(powers, () => readFileSync(at("locked"))), { code: "EACCES" });
    assert.equal(readFileSync(at("locked"), "latin1"), "x");
  });

  test("groups count, and root can do without a capability", () => {
    writeFileSync(at("group"), "x");
    chmodSync(at("group"), 0o040);
    const member = { uid: 1001, gid: 1001, groups: [0] };
    assert.equal(
      actAs(member, () => readFileSync(at("group"), "latin1")),
      "x",
    );
    const identity = { uid: 0, gid: 0, without: [Capability.DAC_OVERRIDE, Capability.DAC_READ_SEARCH] };
    assert.throws(() => actAs(identity, () => readFileSync(at("group"))), { code: "EACCES" });
  });
});

test("a file does not grow beyond the limit", () => {
  const fd = file("limited", "");
  const listener = () => undefined;
  process.on("SIGXFSZ", listener);
  try {
    assert.throws(() => withFileSizeLimit(10, () => ftruncate(fd, 11)), { code: "EFBIG" });
    ftruncate(fd, 11);
  } finally {
    process.off("SIGXFSZ", listener);
    closeSync(fd);
  }
});
