/** Everything that is not a file's contents: types, links, modes, owners, times, flags, xattrs. */
import { chmodSync, closeSync, lchownSync, linkSync, mkdirSync, openSync, symlinkSync } from "node:fs";
import { ioctl, makeDevice, makeNode, removeXattr, setTimes, setXattr, type Timestamp } from "../../system/calls.js";
import type { Filler } from "./filler.js";

const S_IFIFO = 0o010000;
const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;
const S_IFSOCK = 0o140000;

export function fillTypes(fill: Filler): void {
  mkdirSync(fill.at("types"));
  makeNode(fill.at("types", "fifo"), S_IFIFO | 0o620, 0);
  makeNode(fill.at("types", "socket"), S_IFSOCK | 0o755, 0);
  const devices: readonly (readonly [number, number])[] = [
    [0, 0],
    [1, 3],
    [8, 255],
    [8, 256],
    [255, 255],
    [259, 70_000],
    [4095, 1_048_575],
  ];
  for (const [major, minor] of devices) {
    makeNode(fill.at("types", `chr-${major}-${minor}`), S_IFCHR | 0o600, makeDevice(major, minor));
    makeNode(fill.at("types", `blk-${major}-${minor}`), S_IFBLK | 0o660, makeDevice(major, minor));
  }
  linkSync(fill.at("types", "fifo"), fill.at("types", "fifo-again"));
}

export function fillSymlinks(fill: Filler): void {
  mkdirSync(fill.at("symlinks"));
  for (const length of [1, 2, 58, 59, 60, 61, 100, 150, 500, 1000, 1022, 1023, 1024, 2000, 4094, 4095]) {
    const target = Buffer.alloc(length, "t/u");
    fill.attempt(`symlink of ${length}`, () => symlinkSync(target, fill.at("symlinks", `l${length}`)));
  }
  symlinkSync("../sizes/s100000", fill.at("symlinks", "real"));
  symlinkSync("/nowhere/at/all", fill.at("symlinks", "dangling"));
  symlinkSync(Buffer.from([0x2e, 0x2f, 0xff, 0xfe, 0x0a, 0x01]), fill.at("symlinks", "bytes"));
}

export function fillModes(fill: Filler): void {
  mkdirSync(fill.at("modes"));
  for (const mode of [0o000, 0o444, 0o1644, 0o2755, 0o4755, 0o6755, 0o7777]) {
    const name = mode.toString(8).padStart(4, "0");
    fill.file(fill.at("modes", `f${name}`), 3);
    chmodSync(fill.at("modes", `f${name}`), mode);
    mkdirSync(fill.at("modes", `d${name}`));
    chmodSync(fill.at("modes", `d${name}`), mode);
  }
  for (const [uid, gid] of [
    [1, 2],
    [1000, 1000],
    [65535, 65534],
    [65536, 70_000],
    [4_000_000_000, 4_294_967_294],
  ] as const) {
    fill.file(fill.at("modes", `o${uid}`), 3);
    lchownSync(fill.at("modes", `o${uid}`), uid, gid);
    symlinkSync("x", fill.at("modes", `l${uid}`));
    lchownSync(fill.at("modes", `l${uid}`), uid, gid);
  }
}

/** Seconds at the edges of 32 bits, of each of ext4's four epochs, and of what it can hold (1901 to 2446). */
const ODD_SECONDS = [
  0,
  1,
  -1,
  -1_000_000,
  -(2 ** 31),
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  6_000_000_000,
  2 ** 33,
  3 * 2 ** 32,
  15_032_385_535,
  1_700_000_000,
];

export function fillTimes(fill: Filler): void {
  mkdirSync(fill.at("times"));
  for (const [index, seconds] of ODD_SECONDS.entries()) {
    const path = fill.at("times", `t${index}`);
    if (index % 3 === 2) symlinkSync("t", path);
    else if (index % 3 === 1) mkdirSync(path);
    else fill.file(path, 1);
    const other = ODD_SECONDS[(index + 5) % ODD_SECONDS.length]!;
    setTimes(path, time(seconds, 999_999_999 - index), time(other, index * 7));
  }
}

function time(seconds: number, nanoseconds: number): Timestamp {
  return { seconds, nanoseconds };
}

/** <linux/fs.h>, on a 64-bit machine. */
const FS_IOC_GETFLAGS = 0x80086601;
const FS_IOC_SETFLAGS = 0x40086602;

const INODE_FLAGS: readonly (readonly [string, number])[] = [
  ["sync", 0x8],
  ["immutable", 0x10],
  ["append", 0x20],
  ["nodump", 0x40],
  ["noatime", 0x80],
];

export function fillFlags(fill: Filler): void {
  mkdirSync(fill.at("flags"));
  for (const [name, flag] of INODE_FLAGS) {
    const path = fill.at("flags", name);
    fill.file(path, 5000);
    fill.attempt(`flag ${name}`, () => changeFlags(path, (flags) => flags | flag));
  }
  fill.file(fill.at("flags", "no-extents"), 0);
  fill.attempt("flag no-extents", () => changeFlags(fill.at("flags", "no-extents"), (flags) => flags & ~0x80000));
  fill.file(fill.at("flags", "no-extents"), 30 * fill.blockSize);
  for (const [name, flag] of [
    ["dirsync", 0x10000],
    ["topdir", 0x20000],
  ] as const) {
    mkdirSync(fill.at("flags", name));
    fill.attempt(`flag ${name}`, () => changeFlags(fill.at("flags", name), (flags) => flags | flag));
    mkdirSync(fill.at("flags", name, "inside"));
  }
  fill.file(fill.at("flags", "project"), 100); // the variant with project quota gives it one
}

function changeFlags(path: Buffer, change: (flags: number) => number): void {
  withDescriptor(path, (fd) => {
    const argument = Buffer.alloc(8);
    ioctl(fd, FS_IOC_GETFLAGS, argument);
    argument.writeUInt32LE(change(argument.readUInt32LE(0)) >>> 0, 0);
    ioctl(fd, FS_IOC_SETFLAGS, argument);
  });
}

function withDescriptor(path: Buffer, work: (fd: number) => void): void {
  const fd = openSync(path, "r");
  try {
    work(fd);
  } finally {
    closeSync(fd);
  }
}

/** POSIX ACLs as xattrs carry them: version 2, then tag, permissions and id of each entry. */
function acl(...entries: readonly (readonly [tag: number, permissions: number, id: number])[]): Buffer {
  const out = Buffer.alloc(4 + 8 * entries.length);
  out.writeUInt32LE(2, 0);
  for (const [index, [tag, permissions, id]] of entries.entries()) {
    out.writeUInt16LE(tag, 4 + 8 * index);
    out.writeUInt16LE(permissions, 6 + 8 * index);
    out.writeUInt32LE(id, 8 + 8 * index);
  }
  return out;
}

const NOBODY = 0xffff_ffff;
const SMALL_ACL = acl([1, 7, NOBODY], [2, 5, 1000], [4, 5, NOBODY], [16, 7, NOBODY], [32, 4, NOBODY]);
const WIDE_ACL = acl(
  [1, 6, NOBODY],
  ...Array.from({ length: 12 }, (_, i) => [2, i % 8, 1000 + i * 70_001] as const),
  [4, 0, NOBODY],
  ...Array.from({ length: 5 }, (_, i) => [8, 7 - i, 50 + i] as const),
  [16, 7, NOBODY],
  [32, 0, NOBODY],
);

export function fillXattrs(fill: Filler): void {
  mkdirSync(fill.at("xattrs"));
  const make = (name: string): Buffer => {
    fill.file(fill.at("xattrs", name), 20);
    return fill.at("xattrs", name);
  };
  const set = (path: Buffer, name: string | Buffer, value: Buffer): void => {
    fill.attempt(`xattr ${name.toString("latin1").slice(0, 40)} of ${value.length}`, () => setXattr(path, name, value));
  };
  const every = make("every-namespace");
  set(every, "user.comment", Buffer.from("a comment"));
  set(every, "trusted.overlay.opaque", Buffer.from("y"));
  set(every, "security.capability", Buffer.from("0100000200200000000000000000000000000000", "hex"));
  set(every, "security.selinux", Buffer.from("system_u:object_r:etc_t:s0\0"));
  set(every, "system.posix_acl_access", SMALL_ACL);
  set(every, "user.empty", Buffer.alloc(0));
  set(every, "user.binary", fill.data(37));
  const names = make("names");
  set(names, `user.${"n".repeat(250)}`, Buffer.from("long name"));
  set(names, Buffer.from([0x75, 0x73, 0x65, 0x72, 0x2e, 0xff, 0x01, 0x0a, 0x2f]), Buffer.from("bytes in the name"));
  const many = make("many");
  let kept = 0;
  const another = (): void => setXattr(many, `user.number-${kept}`, fill.data(kept));
  while (kept < 40 && fill.attempt("all 40 xattrs", another)) kept++;
  for (let i = 0; i < kept; i += 3) removeXattr(many, `user.number-${i}`);
  for (const size of [1, 60, 100, 200, 500, 900, 1900, 3900, 4096, 20_000, 65_000, 65_536]) {
    set(make(`value-${size}`), "user.value", fill.data(size));
  }
  for (let i = 0; i < 10; i++) {
    const shared = make(`shared-${i}`);
    set(shared, "user.shared", Buffer.alloc(300, "s"));
    set(shared, "trusted.shared", Buffer.alloc(200, "t"));
  }
  mkdirSync(fill.at("xattrs", "directory"));
  set(fill.at("xattrs", "directory"), "system.posix_acl_access", SMALL_ACL);
  set(fill.at("xattrs", "directory"), "system.posix_acl_default", WIDE_ACL);
  mkdirSync(fill.at("xattrs", "directory", "inherits"));
  fill.file(fill.at("xattrs", "directory", "file"), 10);
  symlinkSync("target", fill.at("xattrs", "symlink"));
  set(fill.at("xattrs", "symlink"), "trusted.on-a-link", Buffer.from("value"));
  symlinkSync("t".repeat(90), fill.at("xattrs", "slow-symlink"));
  set(fill.at("xattrs", "slow-symlink"), "security.on-a-link", fill.data(300));
  makeNode(fill.at("xattrs", "fifo"), S_IFIFO | 0o600, 0);
  set(fill.at("xattrs", "fifo"), "trusted.on-a-fifo", fill.data(50));
}
