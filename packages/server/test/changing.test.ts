// Oracle: what the man pages promise; e2fsck for what is left on the image.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CorruptionError } from "@bulkhead/ext4";
import { Fattr, FsyncFlag, WriteFlag } from "@bulkhead/fuse";
import { bytes, ROOT, text } from "./client.js";
import { BIG_SIZE, cannotMakeImages, pattern, SPARSE } from "./image.js";
import { Writer } from "./writer.js";

const skip = cannotMakeImages;
const S_IFREG = 0o100000;
const S_IFDIR = 0o040000;
const S_IFIFO = 0o010000;
const EPERM = -1;
const ENOENT = -2;
const EEXIST = -17;
const ENOTDIR = -20;
const EISDIR = -21;
const EINVAL = -22;
const EFBIG = -27;
const ENOTEMPTY = -39;
const ENODATA = -61;
const ESTALE = -116;

test("MKNOD, MKDIR and SYMLINK make what was asked for, with the caller's ids and no umask left out", { skip }, () => {
  const client = new Writer();
  const umask = 0o027;
  const request = { mode: S_IFREG | 0o666, umask };
  const made = client.ask("MKNOD", ROOT, { request, names: [bytes("f")] }, 0, { uid: 1000, gid: 2000 }).out[0]!;
  const file = made.nodeid;
  assert.deepEqual([made.attr.mode, made.attr.uid, made.attr.gid, made.attr.nlink], [S_IFREG | 0o640, 1000, 2000, 1]);
  const dir = client.ask("MKDIR", ROOT, { request: { mode: 0o777, umask }, names: [bytes("d")] }).out[0]!;
  assert.deepEqual([dir.attr.mode, dir.attr.nlink], [S_IFDIR | 0o750, 2]);
  const link = client.ask("SYMLINK", ROOT, { names: [bytes("s"), bytes("to/where")] }).out[0]!.nodeid;
  assert.equal(text(client.ask("READLINK", link, {}).data), "to/where");
  const fifo = client.make("p", S_IFIFO | 0o600);
  assert.equal(client.attributes(fifo).mode, S_IFIFO | 0o600);
  const device = { mode: 0o060600, rdev: (7 << 8) | 3 };
  assert.equal(client.ask("MKNOD", ROOT, { request: device, names: [bytes("b")] }).out[0]!.attr.rdev, (7 << 8) | 3);
  assert.equal(client.ask("MKNOD", ROOT, { request, names: [bytes("f")] }).error, EEXIST);
  assert.equal(client.ask("MKDIR", file, { request: { mode: 0o777 }, names: [bytes("d")] }).error, ENOTDIR);
  client.closed();
});

test("CREATE is left to MKNOD, and FLUSH to the kernel", { skip }, () => {
  const client = new Writer();
  assert.equal(client.ask("CREATE", ROOT, { names: [bytes("x")] }).error, -38);
  assert.equal(client.ask("FLUSH", ROOT, {}).error, -38);
  assert.equal(client.ask("OPEN", ROOT, {}).error, -38);
});

test("an unlinked inode lives until the kernel has forgotten every look-up of it", { skip }, () => {
  const client = new Writer();
  const node = client.make("f"); // one
  client.lookup(ROOT, "f"); // two
  client.ask("READDIRPLUS", ROOT, { request: { size: 65_536 } }, 65_536); // three
  client.ask("LINK", ROOT, { request: { oldnodeid: node }, names: [bytes("g")] }); // four
  assert.equal(client.write(node, 0, pattern(5000)), 5000);
  for (const name of ["f", "g"]) assert.equal(client.ask("UNLINK", ROOT, { names: [bytes(name)] }).error, 0);
  assert.equal(client.attributes(node).nlink, 0);
  assert.deepEqual(client.read(node, 0, 5000), pattern(5000));
  const times = { valid: Fattr.MTIME | Fattr.CTIME, mtime: 77, ctime: 88, mtimensec: 9, ctimensec: 10 };
  assert.equal(client.ask("SETATTR", node, { request: times }).error, 0);
  const { mtime, ctime, mtimensec, ctimensec } = client.attributes(node);
  assert.deepEqual([mtime, ctime, mtimensec, ctimensec], [77, 88, 9, 10]);
  client.forget(node, 3);
  assert.ok(client.isThere(node));
  client.forget(node);
  assert.ok(!client.isThere(node));
  client.closed();
});

test("BATCH_FORGET forgets each of its list, and what keeps a name stays", { skip }, () => {
  const client = new Writer();
  const nodes = [client.make("a"), client.make("b"), client.make("c")];
  for (const name of ["a", "c"]) client.ask("UNLINK", ROOT, { names: [bytes(name)] });
  const entries = new BigUint64Array(nodes.flatMap((node) => [BigInt(node), 1n]));
  const before = client.server.known;
  client.tell("BATCH_FORGET", 0, { request: { count: nodes.length }, data: new Uint8Array(entries.buffer) });
  assert.deepEqual(
    nodes.map((node) => client.isThere(node)),
    [false, true, false],
  );
  assert.equal(client.server.known, before - 3);
  client.closed();
});

test("TMPFILE makes a file without a name, which LINK may give it", { skip }, () => {
  const client = new Writer();
  const make = () => client.ask("TMPFILE", ROOT, { request: { mode: S_IFREG | 0o600 }, names: [bytes("/")] }).out[0]!;
  const [kept, lost] = [make().nodeid, make().nodeid];
  assert.equal(client.attributes(kept).nlink, 0);
  client.write(kept, 0, bytes("kept"));
  client.write(lost, 0, bytes("lost"));
  assert.equal(
    client.ask("LINK", ROOT, { request: { oldnodeid: kept }, names: [bytes("name")] }).out[0]?.attr.nlink,
    1,
  );
  client.forget(kept, 2);
  client.forget(lost);
  assert.ok(!client.isThere(lost));
  assert.equal(text(client.read(client.node("name"), 0, 10)), "kept");
  client.closed();
});

test("UNLINK, RMDIR and RENAME answer as their system calls do", { skip }, () => {
  const client = new Writer();
  const full = client.mkdir("full");
  client.make("inside", undefined, full);
  client.mkdir("hollow");
  client.make("f");
  const rmdir = (name: string) => client.ask("RMDIR", ROOT, { names: [bytes(name)] }).error;
  const unlink = (name: string) => client.ask("UNLINK", ROOT, { names: [bytes(name)] }).error;
  const rename = (from: string, to: string, flags = 0, newdir = ROOT) =>
    client.ask("RENAME2", ROOT, { request: { newdir, flags }, names: [bytes(from), bytes(to)] }).error;
  assert.deepEqual([rmdir("full"), rmdir("f"), rmdir("none")], [ENOTEMPTY, ENOTDIR, ENOENT]);
  assert.deepEqual([unlink("full"), unlink("none")], [EISDIR, ENOENT]);
  assert.deepEqual([rename("f", "hello", 1), rename("none", "x"), rename("f", "none", 2)], [EEXIST, ENOENT, ENOENT]);
  assert.deepEqual(
    [rename("f", "hollow"), rename("full", "f"), rename("full", "inside", 0, full)],
    [EISDIR, ENOTDIR, EINVAL],
  );
  assert.equal(rename("hollow", "full", 0), ENOTEMPTY);
  assert.deepEqual([rename("full", "hollow"), rename("hollow", "f", 2), rename("f", "g", 4)], [0, 0, 0]);
  assert.equal(client.attributes(client.node("f")).mode, 0o020000, "a whiteout is left behind");
  assert.deepEqual(client.names(client.node("g")), ["inside"]);
  assert.equal(
    client.ask("RENAME", ROOT, { request: { newdir: client.node("g") }, names: [bytes("hollow"), bytes("e")] }).error,
    0,
  );
  assert.deepEqual(client.names(client.node("g")).sort(), ["e", "inside"]);
  client.closed();
});

test("WRITE puts bytes where they belong: inside the inode, in blocks, past the end", { skip }, () => {
  const client = new Writer();
  const node = client.make("f");
  assert.equal(client.write(node, 3, bytes("small")), 5);
  assert.equal(text(client.read(node, 0, 100)), "\0\0\0small");
  const data = pattern(1 << 20);
  assert.equal(client.write(node, 5, data), data.length);
  assert.equal(client.write(node, (1 << 20) + 5000, bytes("far")), 3);
  const got = client.read(node, 0, (1 << 20) + 6000);
  assert.equal(got.length, (1 << 20) + 5003);
  assert.deepEqual(got.subarray(5, 5 + data.length), data);
  assert.ok(got.subarray(5 + data.length, -3).every((byte) => byte === 0));
  const big = client.node("big");
  assert.equal(client.write(big, 1000, bytes("over")), 4);
  const expected = pattern(BIG_SIZE);
  expected.set(bytes("over"), 1000);
  for (let at = 0; at < BIG_SIZE; at += 100_000) {
    assert.deepEqual(client.read(big, at, 100_000), expected.subarray(at, at + 100_000));
  }
  const sparse = client.node("sparse");
  assert.equal(client.write(sparse, 10, bytes("x")), 1);
  assert.equal(client.read(sparse, 0, 1024).filter((byte) => byte !== 0).length, 1);
  assert.equal(client.attributes(sparse).size, SPARSE.size);
  assert.equal(client.write(node, 2 ** 52, bytes("x")), EFBIG);
  assert.equal(client.write(ROOT, 0, bytes("x")), EISDIR);
  assert.equal(client.write(client.node("device"), 0, bytes("x")), EINVAL);
  client.closed();
});

test("the kernel keeps the times of what it writes through its cache; without that, WRITE sets them", { skip }, () => {
  for (const writebackCache of [true, false]) {
    const client = new Writer({}, { writebackCache });
    const node = client.make("f");
    const { mtime } = client.attributes(node);
    client.now += 100;
    client.write(node, 0, pattern(5000));
    assert.equal(client.attributes(node).mtime, writebackCache ? mtime : mtime + 100);
    assert.equal(client.server.kernelKeepsTimes, writebackCache);
  }
});

test("pages of the kernel's cache are written wholly, or it is an error", { skip }, () => {
  const client = new Writer();
  const node = client.make("f");
  const chunk = pattern(1 << 20);
  let offset = 0;
  let last = 0;
  for (; offset < 8 << 20; offset += chunk.length) {
    last = client.write(node, offset, chunk, WriteFlag.CACHE);
    if (last < 0) break;
    assert.equal(last, chunk.length);
  }
  assert.equal(last, -28, "an image of 4 MiB is full");
  const short = client.write(client.make("g"), 0, chunk);
  assert.ok(short === -28 || short < chunk.length);
  client.closed();
});

test("SETATTR changes what is asked, as a whole", { skip }, () => {
  const client = new Writer();
  const node = client.make("f");
  const set = (valid: number, request: object, target = node) =>
    client.ask("SETATTR", target, { request: { valid, ...request } });
  client.now += 50;
  const changed = set(Fattr.MODE | Fattr.UID | Fattr.GID, { mode: S_IFREG | 0o4711, uid: 70_000, gid: 80_000 }).out[0]!;
  assert.deepEqual([changed.attr.mode, changed.attr.uid, changed.attr.gid], [S_IFREG | 0o4711, 70_000, 80_000]);
  assert.equal(changed.attr.ctime, client.now);
  set(Fattr.ATIME | Fattr.MTIME, {
    atime: -10,
    mtime: 2 ** 33,
    mtimensec: 123_456_789,
  });
  const { mtime, mtimensec, ctime } = client.attributes(node);
  assert.deepEqual([mtime, mtimensec, ctime], [2 ** 33, 123_456_789, client.now]);
  assert.equal(client.fs.inode(node).atime, -10);
  set(Fattr.MTIME | Fattr.CTIME, { mtime: 5, ctime: 6, ctimensec: 7 });
  assert.deepEqual(
    [client.attributes(node).mtime, client.attributes(node).ctime, client.attributes(node).ctimensec],
    [5, 6, 7],
  );
  set(Fattr.ATIME | Fattr.ATIME_NOW | Fattr.MTIME | Fattr.MTIME_NOW, {});
  assert.deepEqual([client.attributes(node).atime, client.attributes(node).mtime], [client.now, client.now]);
  const untouched = client.attributes(node);
  client.now += 50;
  assert.equal(set(0, {}).error, 0);
  assert.deepEqual(client.attributes(node), untouched);
  set(Fattr.UID | Fattr.KILL_SUIDGID, { uid: 0 });
  assert.equal(client.attributes(node).mode, S_IFREG | 0o711);
  client.closed();
});

test("a size that shrinks and grows again leaves zeros behind", { skip }, () => {
  const client = new Writer();
  const resize = (node: number, size: number) =>
    client.ask("SETATTR", node, { request: { valid: Fattr.SIZE, size } }).error;
  const big = client.node("big");
  assert.equal(resize(big, 10_300), 0);
  assert.equal(resize(big, 20_000), 0);
  const got = client.read(big, 0, 30_000);
  assert.equal(got.length, 20_000);
  assert.deepEqual(got.subarray(0, 10_300), pattern(10_300));
  assert.ok(got.subarray(10_300).every((byte) => byte === 0));
  const hello = client.node("hello");
  assert.equal(
    client.ask("IOCTL", hello, { request: { cmd: 0x40086602, in_size: 4 }, data: new Uint8Array(4) }).error,
    0,
  );
  assert.equal(resize(hello, 3), 0);
  assert.equal(resize(hello, 5), 0);
  assert.equal(text(client.read(hello, 0, 100)), "hel\0\0");
  assert.equal(resize(hello, 5000), 0);
  assert.equal(text(client.read(hello, 0, 5)), "hel\0\0");
  assert.equal(resize(ROOT, 0), EISDIR);
  client.closed();
});

test("FALLOCATE allocates, punches and zeroes, to the byte", { skip }, () => {
  const client = new Writer();
  const fallocate = (node: number, mode: number, offset: number, length: number) =>
    client.ask("FALLOCATE", node, { request: { mode, offset, length } }).error;
  const node = client.make("f");
  assert.equal(fallocate(node, 1, 0, 100_000), 0);
  assert.equal(client.attributes(node).size, 0);
  assert.ok(client.attributes(node).blocks >= 196);
  assert.equal(fallocate(node, 0, 0, 50_001), 0);
  assert.equal(client.attributes(node).size, 50_001);
  assert.ok(client.read(node, 0, 60_000).every((byte) => byte === 0));
  const big = client.node("big");
  const expected = pattern(BIG_SIZE);
  for (const [mode, offset, length] of [
    [3, 5000, 9000],
    [3, 20_000, 10],
    [0x11, 30_010, 5000],
    [3, 299_000, 100_000],
    [0x10, 40_000, 1000],
  ] as const) {
    assert.equal(fallocate(big, mode, offset, length), 0);
    expected.fill(0, offset, Math.min(offset + length, BIG_SIZE));
  }
  for (let at = 0; at < BIG_SIZE; at += 100_000) {
    assert.deepEqual(client.read(big, at, 100_000), expected.subarray(at, at + 100_000), `at ${at}`);
  }
  assert.equal(fallocate(big, 2, 0, 1), -95, "PUNCH_HOLE without KEEP_SIZE");
  assert.equal(fallocate(big, 0, 0, 0), EINVAL);
  client.closed();
});

test("COPY_FILE_RANGE copies in the server", { skip }, () => {
  const client = new Writer();
  const to = client.make("copy");
  const request = { nodeid_out: to, off_in: 100, off_out: 7, len: 2 ** 40 };
  const copied = client.ask("COPY_FILE_RANGE_64", client.node("big"), { request }).out[0]!;
  assert.equal(copied.bytes_copied, BIG_SIZE - 100);
  assert.deepEqual(client.read(to, 7, 50_000), pattern(50_100).subarray(100));
  const again = client.ask("COPY_FILE_RANGE", client.node("big"), { request: { ...request, len: 1000 } }).out[0]!;
  assert.equal(again.size, 1000);
  assert.equal(client.ask("COPY_FILE_RANGE", ROOT, { request }).error, EISDIR);
  assert.equal(
    client.ask("COPY_FILE_RANGE", client.node("big"), { request: { ...request, flagsLo: 1 } }).error,
    EINVAL,
  );
  client.closed();
});

test("WRITE with KILL_SUIDGID takes set-id bits and capabilities away", { skip }, () => {
  const client = new Writer();
  const node = client.make("f", S_IFREG | 0o6755);
  const value = new Uint8Array(20);
  const set = { request: { size: value.length }, names: [bytes("security.capability")] as const, data: value };
  assert.equal(client.ask("SETXATTR", node, set).error, 0);
  client.write(node, 0, bytes("x"));
  assert.equal(client.attributes(node).mode, S_IFREG | 0o6755);
  client.write(node, 0, bytes("x"), WriteFlag.KILL_SUIDGID);
  assert.equal(client.attributes(node).mode, S_IFREG | 0o755);
  const get = { request: { size: 100 }, names: [bytes("security.capability")] as const };
  assert.equal(client.ask("GETXATTR", node, get, 100).error, ENODATA);
  const lockable = client.make("g", S_IFREG | 0o2644);
  client.write(lockable, 0, bytes("x"), WriteFlag.KILL_SUIDGID);
  assert.equal(client.attributes(lockable).mode, S_IFREG | 0o2644, "what the group cannot run");
  client.closed();
});

test("SETXATTR and REMOVEXATTR", { skip }, () => {
  const client = new Writer();
  const node = client.make("f", S_IFREG | 0o2755);
  const set = (name: string, value: Uint8Array, flags = 0, setxattr_flags = 0) =>
    client.ask("SETXATTR", node, {
      request: { size: value.length, flags, setxattr_flags },
      names: [bytes(name)],
      data: value,
    });
  assert.equal(set("user.a", bytes("one")).error, 0);
  assert.equal(set("user.a", bytes("two"), 1).error, EEXIST);
  assert.equal(set("user.b", bytes("two"), 2).error, ENODATA);
  const get = { request: { size: 100 }, names: [bytes("user.a")] as const };
  assert.equal(text(client.ask("GETXATTR", node, get, 100).data), "one");
  assert.equal(client.ask("REMOVEXATTR", node, { names: [bytes("user.a")] }).error, 0);
  assert.equal(client.ask("REMOVEXATTR", node, { names: [bytes("user.a")] }).error, ENODATA);
  // Version 2; owner rwx, group r-x, others r-x: nothing that the mode does not say.
  const acl = new Uint8Array(
    new Uint16Array([2, 0, 1, 7, 0xffff, 0xffff, 4, 5, 0xffff, 0xffff, 0x20, 5, 0xffff, 0xffff]).buffer,
  );
  assert.equal(set("system.posix_acl_access", acl, 0, 1).error, 0);
  assert.equal(client.attributes(node).mode, S_IFREG | 0o755, "set-group-id by somebody outside the group");
  client.closed();
});

test("immutable and append-only inodes refuse what they should", { skip }, () => {
  const client = new Writer();
  const node = client.make("f");
  const word = (value: number) => new Uint8Array(new Uint32Array([value]).buffer);
  const flags = (value: number) =>
    client.ask("IOCTL", node, { request: { cmd: 0x40086602, in_size: 4 }, data: word(value) }).error;
  const attempts = () => ({
    write: client.write(node, 0, bytes("x")),
    truncate: client.ask("SETATTR", node, { request: { valid: Fattr.SIZE, size: 100 } }).error,
    chmod: client.ask("SETATTR", node, { request: { valid: Fattr.MODE, mode: 0o600 } }).error,
    touch: client.ask("SETATTR", node, { request: { valid: Fattr.MTIME | Fattr.MTIME_NOW } }).error,
    unlink: client.ask("UNLINK", ROOT, { names: [bytes("f")] }).error,
    rename: client.ask("RENAME", ROOT, { request: { newdir: ROOT }, names: [bytes("f"), bytes("g")] }).error,
    link: client.ask("LINK", ROOT, { request: { oldnodeid: node }, names: [bytes("h")] }).error,
    xattr: client.ask("SETXATTR", node, { request: { size: 1 }, names: [bytes("user.x")], data: bytes("x") }).error,
  });
  const all = { write: EPERM, truncate: EPERM, chmod: EPERM, unlink: EPERM, rename: EPERM, link: EPERM, xattr: EPERM };
  assert.equal(client.write(node, 0, bytes("some")), 4);
  const capabilities = (size: number) =>
    client.ask("GETXATTR", node, { request: { size }, names: [bytes("security.capability")] }, size).error;
  assert.deepEqual([capabilities(0), capabilities(100)], [ENODATA, ENODATA]);
  assert.equal(flags(0x10), 0);
  assert.deepEqual([capabilities(0), capabilities(100)], [0, ENODATA], "so that write(2) itself fails");
  assert.deepEqual(attempts(), { ...all, touch: EPERM });
  assert.equal(flags(0x20), 0);
  assert.deepEqual(attempts(), { ...all, touch: 0 });
  assert.equal(client.write(node, 4, bytes(" more")), 5);
  assert.equal(client.write(node, 0, bytes("some more"), WriteFlag.CACHE), 9, "a page of which nothing changed");
  assert.equal(client.write(node, 0, bytes("some more, too"), WriteFlag.CACHE), 14);
  assert.equal(client.write(node, 0, bytes("Some more, too"), WriteFlag.CACHE), EPERM);
  assert.equal(client.write(node, 2, bytes("me more?"), WriteFlag.CACHE), EPERM);
  assert.equal(text(client.read(node, 0, 100)), "some more, too");
  assert.equal(flags(0), 0);
  assert.equal(client.write(node, 0, bytes("S")), 1);
  client.closed();
});

test("FS_IOC_FSSETXATTR sets flags and project, and leaves other flags alone", { skip }, () => {
  const client = new Writer();
  const dir = client.mkdir("d");
  const before = client.fs.inode(dir).flags;
  const data = new Uint8Array(28);
  const view = new DataView(data.buffer);
  view.setUint32(0, 0x200 | 0x80, true);
  view.setUint32(12, 4711, true);
  const set = () => client.ask("IOCTL", dir, { request: { cmd: 0x401c5820, in_size: 28 }, data }).error;
  assert.equal(set(), 0);
  assert.equal(client.fs.inode(dir).flags, (before | 0x2000_0000 | 0x40) >>> 0);
  assert.equal(client.fs.inode(dir).projectId, 4711);
  const inside = client.make("f", undefined, dir);
  assert.equal(client.fs.inode(inside).projectId, 4711);
  view.setUint32(0, 0x4000_0000, true);
  assert.equal(set(), -95);
  client.closed();
});

test("FSYNC and the like answer; sync mounts make every change durable", { skip }, () => {
  const client = new Writer({}, { sync: true });
  let commits = 0;
  const sync = client.fs.sync.bind(client.fs);
  client.fs.sync = () => {
    commits++;
    sync();
  };
  const node = client.make("f");
  client.write(node, 0, pattern(5000));
  client.ask("UNLINK", ROOT, { names: [bytes("f")] });
  assert.equal(commits, 3);
  for (const fsync_flags of [0, FsyncFlag.FDATASYNC]) {
    assert.equal(client.ask("FSYNC", node, { request: { fsync_flags } }).error, 0);
    assert.equal(client.ask("FSYNCDIR", ROOT, { request: { fsync_flags } }).error, 0);
  }
  assert.equal(client.ask("SYNCFS", ROOT, {}).error, 0);
  assert.equal(client.server.sessionOptions(true, () => {}).want?.includes("WRITEBACK_CACHE"), false);
  client.closed();
});

test("limits bind what the cache writes, to files of others than root", { skip }, () => {
  const client = new Writer();
  const { fs } = client;
  const asked: boolean[] = [];
  const begin = fs.iomapBegin.bind(fs);
  fs.iomapBegin = (inode, pos, count, operation, mapping, privileged, ...rest) => {
    asked.push(privileged ?? false);
    return begin(inode, pos, count, operation, mapping, privileged, ...rest);
  };
  const [mine, roots] = [client.make("mine", undefined, ROOT, { uid: 1000 }), client.make("roots")];
  for (const limits of [false, true]) {
    Object.defineProperty(fs, "enforcesLimits", { value: limits, configurable: true });
    for (const node of [mine, roots]) assert.equal(client.write(node, 0, pattern(5000), WriteFlag.CACHE), 5000);
  }
  assert.deepEqual(asked, [true, true, false, true]);
  client.closed();
});

test("access times follow relatime, O_NOATIME and the options", { skip }, () => {
  const O_NOATIME = 0o1000000;
  const O_WRONLY = 1;
  for (const [serving, changes] of [
    [{}, true],
    [{ accessTimes: "noatime" }, false],
  ] as const) {
    const client = new Writer({}, serving);
    const node = client.make("f");
    client.write(node, 0, pattern(5000));
    const made = client.attributes(node).atime;
    const read = (flags = 0) => client.ask("READ", node, { request: { size: 10, flags } }, 10);
    client.now += 100;
    read(O_NOATIME);
    read(O_WRONLY); // what a write changes a part of
    assert.equal(client.attributes(node).atime, made);
    read();
    assert.equal(client.attributes(node).atime, changes ? made + 100 : made);
    client.now += 100;
    read();
    assert.equal(client.attributes(node).atime, changes ? made + 100 : made, "read since it was changed");
    client.now += 86_400;
    read();
    assert.equal(client.attributes(node).atime, changes ? made + 86_600 : made, "a day later");
    client.closed();
  }
  const client = new Writer({}, { directoryAccessTimes: false });
  const dir = client.mkdir("d");
  client.now += 100;
  const { atime } = client.attributes(dir);
  client.names(dir);
  assert.equal(client.attributes(dir).atime, atime);
});

test("what is read is answered when an error has ended all changing, access times included", { skip }, () => {
  const client = new Writer({ errors: "remount-ro" });
  const node = client.make("f");
  client.write(node, 0, pattern(5000));
  client.fs.sync();
  client.fs.recordError(new CorruptionError("block-bitmap", {}, "as if"));
  client.now += 100;
  const { error } = client.ask("READ", node, { request: { size: 10 } }, 10);
  assert.ok(error >= 0, `READ answers ${error}`);
  assert.ok(client.names(ROOT).length > 2);
});

test("a mistake of ours while writing is EIO, and a line in the log", { skip }, () => {
  const client = new Writer();
  const node = client.make("f");
  client.fs.iomapBegin = () => {
    throw new TypeError("a bug");
  };
  assert.equal(client.write(node, 0, bytes("x")), -5);
  assert.match(client.lines[0] ?? "", /WRITE of nodeid \d+ failed.*a bug/);
});

test("errors of a file's space leave no line in the log", { skip }, () => {
  const client = new Writer();
  client.ask("UNLINK", ROOT, { names: [bytes("none")] });
  client.forget(4_000_000_000, 5);
  client.forget(ROOT, 5);
  assert.deepEqual(client.lines, []);
  client.closed();
});

test("a file handle of what has lost its last name is stale, also while the kernel's FORGET is under way", {
  skip,
}, () => {
  const client = new Writer();
  const file = client.make("file");
  const dir = client.mkdir("dir");
  for (const node of [file, dir]) assert.equal(client.lookup(node, ".").error, 0);
  assert.equal(client.ask("UNLINK", ROOT, { names: [bytes("file")] }).error, 0);
  assert.equal(client.ask("RMDIR", ROOT, { names: [bytes("dir")] }).error, 0);
  for (const node of [file, dir]) {
    assert.equal(client.lookup(node, ".").error, ESTALE);
    client.forget(node, 2);
  }
  client.closed();
});
