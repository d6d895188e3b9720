// Oracle: what mke2fs and debugfs were told to put into the image.
import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, Client, ROOT } from "./client.js";
import { BIG_SIZE, cannotMakeImages, LONG_TARGET, makeImage } from "./image.js";

const skip = cannotMakeImages;
const ENTRY_IN = { seconds: { mtime: -12345n, ctime: 3n * 2n ** 32n + 1n, crtime: 1_700_000_000n } } as const;
const ENAMETOOLONG = -36;
const ENOTDIR = -20;
const ESTALE = -116;

test("LOOKUP answers with the inode, its generation and its attributes", { skip }, () => {
  const client = new Client(makeImage());
  const [entry] = client.lookup(ROOT, "hello").out;
  assert.ok(entry !== undefined);
  assert.equal(entry.generation, 305_419_896);
  assert.ok(entry.entry_valid > 3600 && entry.attr_valid > 3600, "nobody else changes the image");
  const { attr } = entry;
  assert.equal(attr.ino, entry.nodeid);
  assert.deepEqual(
    [attr.size, attr.mode, attr.nlink, attr.uid, attr.gid, attr.blksize],
    [6, 0o100644, 1, 70_000, 80_000, 1024],
  );
});

test("LOOKUP of a name that is not there is an answer to remember", { skip }, () => {
  const client = new Client(makeImage());
  for (const parent of [ROOT, client.node("many")]) {
    const reply = client.lookup(parent, "nobody");
    assert.equal(reply.error, 0);
    assert.equal(reply.out[0]?.nodeid, 0);
    assert.ok((reply.out[0]?.entry_valid ?? 0) > 3600);
  }
});

test("the root is node 1, whatever way one comes", { skip }, () => {
  const client = new Client(makeImage());
  const many = client.node("many");
  assert.equal(client.lookup(many, "..").out[0]?.nodeid, ROOT);
  assert.equal(client.lookup(ROOT, "..").out[0]?.nodeid, ROOT);
  assert.equal(client.lookup(ROOT, ".").out[0]?.nodeid, ROOT);
  assert.equal(client.lookup(many, ".").out[0]?.nodeid, many);
  const [attributes] = client.ask("GETATTR", ROOT, {}).out;
  assert.equal(attributes?.attr.ino, 2, "and users see the inode number");
});

test("LOOKUP of . in a file finds the file: that is how a file handle is opened", { skip }, () => {
  const client = new Client(makeImage());
  const hello = client.node("hello");
  assert.equal(client.lookup(hello, ".").out[0]?.nodeid, hello);
  assert.equal(client.lookup(hello, "name").error, ENOTDIR);
});

test("LOOKUP refuses names longer than 255 bytes, and takes those of 255", { skip }, () => {
  const client = new Client(makeImage());
  assert.equal(client.lookup(ROOT, "n".repeat(256)).error, ENAMETOOLONG);
  assert.equal(client.lookup(ROOT, "n".repeat(255)).error, 0);
});

test("GETATTR tells times before 1970 and after 2038 to the nanosecond", { skip }, () => {
  const client = new Client(makeImage());
  const [reply] = client.ask("GETATTR", client.node("hello"), {}).out;
  assert.ok(reply !== undefined);
  const { attr } = reply;
  const seconds = (hi: number, lo: number) => BigInt.asIntN(64, (BigInt(hi) << 32n) | BigInt(lo));
  assert.equal(seconds(attr.mtimeHi, attr.mtimeLo), ENTRY_IN.seconds.mtime);
  assert.equal(attr.mtimensec, 1);
  assert.equal(seconds(attr.ctimeHi, attr.ctimeLo), ENTRY_IN.seconds.ctime);
  assert.equal(attr.ctimensec, 2);
});

test("GETATTR tells sizes, link counts and blocks of every type", { skip }, () => {
  const client = new Client(makeImage());
  const attributes = (path: string) => {
    const [reply] = client.ask("GETATTR", client.node(path), {}).out;
    assert.ok(reply !== undefined);
    return { mode: reply.attr.mode & 0o170000, size: reply.attr.size, nlink: reply.attr.nlink, rdev: reply.attr.rdev };
  };
  assert.deepEqual(attributes("big"), { mode: 0o100000, size: BIG_SIZE, nlink: 1, rdev: 0 });
  assert.deepEqual(attributes("long-link"), { mode: 0o120000, size: LONG_TARGET.length, nlink: 1, rdev: 0 });
  // 300:7000 in the kernel's encoding: minor bits 0-7, major << 8, the other minor bits << 12.
  const rdev = (7000 & 0xff) | (300 << 8) | ((7000 & ~0xff) << 12);
  assert.deepEqual(attributes("device"), { mode: 0o020000, size: 0, nlink: 1, rdev });
});

test("STATX adds the time of birth, the attribute bits and the device number in two words", { skip }, () => {
  const client = new Client(makeImage());
  const [hello] = client.ask("STATX", client.node("hello"), {}).out;
  assert.ok(hello !== undefined);
  const { stat } = hello;
  assert.equal(stat.mask & 0x800, 0x800, "btime is there");
  assert.equal(BigInt(stat.btime.tv_sec), ENTRY_IN.seconds.crtime);
  assert.equal(stat.btime.tv_nsec, 999_999_999);
  assert.equal(BigInt(stat.mtime.tv_sec), ENTRY_IN.seconds.mtime);
  assert.equal(BigInt(stat.ctime.tv_sec), ENTRY_IN.seconds.ctime);
  // The flags were set to 0xf0: immutable, append, no dump, no atime; statx has no bit for the last.
  assert.equal(stat.attributes, 0x70);
  assert.equal(stat.attributes_mask & 0x70, 0x70);
  assert.deepEqual([stat.mode, stat.nlink, stat.uid, stat.gid, stat.size], [0o100644, 1, 70_000, 80_000, 6]);
  const [device] = client.ask("STATX", client.node("device"), {}).out;
  assert.deepEqual([device?.stat.rdev_major, device?.stat.rdev_minor], [300, 7000]);
});

test("STATFS counts blocks and inodes", { skip }, () => {
  const client = new Client(makeImage());
  const [reply] = client.ask("STATFS", ROOT, {}).out;
  assert.ok(reply !== undefined);
  const { st } = reply;
  assert.deepEqual([st.bsize, st.frsize, st.namelen, st.files], [1024, 1024, 255, 512]);
  const { superblock } = client.fs;
  assert.equal(st.bfree, superblock.freeBlocksCountLo);
  assert.equal(st.ffree, superblock.freeInodesCount);
  assert.ok(st.blocks < 4096 && st.blocks > 3800 && st.bavail <= st.bfree);
});

test("a forged handle of the root by its inode number is stale, and the root keeps its node id", { skip }, () => {
  const client = new Client(makeImage());
  assert.equal(client.ask("GETATTR", 2, {}).error, ESTALE);
  assert.equal(client.lookup(client.node("many"), "..").out[0]?.nodeid, ROOT);
});

test("a node id that is no inode that a name can lead to is stale, and no damage of the image", { skip }, () => {
  const client = new Client(makeImage());
  // Not in use, behind the last, none, and the journal's: what ext4 answers to file handles (open_by_handle_at) as well.
  for (const node of [500, 100_000, 0, 8, 2 ** 53 - 1]) assert.equal(client.ask("GETATTR", node, {}).error, ESTALE);
  assert.deepEqual(client.lines, []);
  assert.equal(client.ask("READ", 500, { request: { size: 10 } }, 10).error, ESTALE);
});

test("names and node ids come and go without a reply that the kernel would refuse", { skip }, () => {
  const client = new Client(makeImage());
  for (const name of ["", ".", "..", "/", "a/b", "\u0000x", "\u00ff".repeat(100)]) {
    const clean = bytes(name).filter((byte) => byte !== 0);
    for (const node of [ROOT, client.node("many"), client.node("hello")]) client.lookup(node, clean);
  }
});
