/** link(2), symlink(2), readlink(2), unlink(2). */
import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { ftruncate, linkFollowing, lstatx, mknod } from "@bulkhead/linux";
import { O, read, S, write } from "../calls.js";
import { group } from "../case.js";
import { refused } from "../expect.js";
import { ALICE, as, BOB } from "../identities.js";

const PROTECTED_HARDLINKS = "/proc/sys/fs/protected_hardlinks";
const hardlinksProtected = (): boolean =>
  existsSync(PROTECTED_HARDLINKS) && readFileSync(PROTECTED_HARDLINKS, "latin1").trim() === "1";

export const link = group("link", {
  "two names, one inode, two links": (s) => {
    linkSync(s.file("file", "x"), s.path("other"));
    const [a, b] = [lstatSync(s.path("file"), { bigint: true }), lstatSync(s.path("other"), { bigint: true })];
    for (const field of ["ino", "nlink", "mode", "size", "blocks", "mtimeNs", "ctimeNs"] as const) {
      assert.equal(a[field], b[field], field);
    }
    assert.equal(a.nlink, 2n);
  },
  "into another directory": (s) => {
    s.folder("folder");
    linkSync(s.file("file"), s.path("folder", "name"));
    assert.equal(lstatx(s.path("folder", "name")).nlink, 2);
  },
  "of a symbolic link is one of the link itself": (s) => {
    symlinkSync("missing", s.path("link"));
    linkSync(s.path("link"), s.path("other"));
    assert.equal(readlinkSync(s.path("other")), "missing");
    assert.equal(lstatx(s.path("link")).nlink, 2);
  },
  "with AT_SYMLINK_FOLLOW is one of what the link leads to": (s) => {
    s.file("file");
    symlinkSync("file", s.path("link"));
    linkFollowing(s.path("link"), s.path("other"));
    assert.equal(lstatx(s.path("other")).ino, lstatx(s.path("file")).ino);
  },
  "of a fifo, a socket and a device": (s) => {
    for (const type of [S.FIFO, S.SOCK, S.CHR]) {
      mknod(s.path(`${type}`), type | 0o644, 0x103);
      linkSync(s.path(`${type}`), s.path(`${type}-other`));
      assert.equal(lstatx(s.path(`${type}`)).nlink, 2);
    }
  },
  "EEXIST for a name that is taken, by whatever": (s) => {
    const file = s.file("file");
    s.folder("folder");
    symlinkSync("missing", s.path("link"));
    for (const name of ["file", "folder", "link"]) refused("EEXIST", () => linkSync(file, s.path(name)));
    assert.equal(lstatx(file).nlink, 1);
  },
  "EPERM for a directory": (s) => {
    refused("EPERM", () => linkSync(s.folder("folder"), s.path("other")));
  },
  "EACCES in a directory that may not be written": (s) => {
    s.folder("closed", 0o755);
    as(ALICE, () => s.file("hers"));
    refused("EACCES", () => as(ALICE, () => linkSync(s.path("hers"), s.path("closed", "name"))));
  },
  "EPERM of a file that is neither one's own nor writable, where hard links are protected": (s) => {
    const file = s.file("file", "", 0o644);
    if (hardlinksProtected()) refused("EPERM", () => as(ALICE, () => linkSync(file, s.path("other"))));
    else as(ALICE, () => linkSync(file, s.path("other")));
  },
  "EXDEV to another file system, both ways": (s) => {
    const outside = s.outside("file");
    refused("EXDEV", () => linkSync(s.file("file"), `${outside}-other`));
    refused("EXDEV", () => linkSync(outside, s.path("other")));
  },
  "a hundred names, taken away one by one": (s) => {
    const file = s.file("file");
    for (let i = 0; i < 100; i++) linkSync(file, s.path(`name-${i}`));
    assert.equal(lstatx(file).nlink, 101);
    for (let i = 0; i < 100; i++) unlinkSync(s.path(`name-${i}`));
    assert.equal(lstatx(file).nlink, 1);
  },
});

const LONGEST_TARGET = 4095;

export const symlink = group("symlink", {
  "a link has its target's length as size, and every permission": (s) => {
    symlinkSync("some/where", s.path("link"));
    const stat = lstatx(s.path("link"));
    assert.deepEqual([stat.mode, stat.size, stat.nlink], [S.LNK | 0o777, 10, 1]);
    assert.equal(readlinkSync(s.path("link")), "some/where");
  },
  "a target of up to 59 bytes takes no block": (s) => {
    const target = "t".repeat(59);
    symlinkSync(target, s.path("link"));
    assert.equal(readlinkSync(s.path("link")), target);
    assert.equal(lstatx(s.path("link")).blocks, 0);
  },
  "a target of 60 bytes and more is kept as well": (s) => {
    for (const length of [60, 61, 100, 255, 500, 1000]) {
      const target = "t".repeat(length);
      symlinkSync(target, s.path(`link-${length}`));
      assert.equal(readlinkSync(s.path(`link-${length}`)), target);
      assert.equal(lstatx(s.path(`link-${length}`)).size, length);
    }
  },
  "the longest target fills a block less one byte, or a path": (s) => {
    const longest = Math.min(s.facts.blockSize - 1, LONGEST_TARGET);
    symlinkSync("t".repeat(longest), s.path("link"));
    assert.equal(readlinkSync(s.path("link")).length, longest);
    refused("ENAMETOOLONG", () => symlinkSync("t".repeat(longest + 1), s.path("other")));
    refused("ENOENT", () => lstatx(s.path("other")));
  },
  "it belongs to whoever made it": (s) => {
    as(ALICE, () => symlinkSync("x", s.path("link")));
    assert.deepEqual([lstatx(s.path("link")).uid, lstatx(s.path("link")).gid], [ALICE.uid, ALICE.gid]);
  },
  "EEXIST for a name that is taken": (s) => {
    s.file("file");
    s.folder("folder");
    symlinkSync("missing", s.path("link"));
    for (const name of ["file", "folder", "link"]) refused("EEXIST", () => symlinkSync("target", s.path(name)));
  },
  "ENOENT for an empty target": (s) => refused("ENOENT", () => symlinkSync("", s.path("link"))),
  "EACCES in a directory that may not be written": (s) => {
    s.folder("closed", 0o755);
    refused("EACCES", () => as(ALICE, () => symlinkSync("x", s.path("closed", "link"))));
  },
  "leads through directories, relative to its own": (s) => {
    s.folder("folder");
    s.file("file", "found");
    symlinkSync("../file", s.path("folder", "link"));
    assert.equal(readFileSync(s.path("folder", "link"), "latin1"), "found");
    symlinkSync("folder", s.path("shortcut"));
    assert.equal(readFileSync(s.path("shortcut", "link"), "latin1"), "found");
  },
  "EINVAL for reading what is no link": (s) => {
    refused("EINVAL", () => readlinkSync(s.file("file")));
    refused("EINVAL", () => readlinkSync(s.folder("folder")));
  },
});

export const unlink = group("unlink", {
  "takes the name away, and a link": (s) => {
    linkSync(s.file("file", "kept"), s.path("other"));
    unlinkSync(s.path("file"));
    refused("ENOENT", () => lstatx(s.path("file")));
    assert.equal(lstatx(s.path("other")).nlink, 1);
    assert.equal(readFileSync(s.path("other"), "latin1"), "kept");
  },
  "of a symbolic link leaves what it leads to": (s) => {
    s.file("file");
    symlinkSync("file", s.path("link"));
    unlinkSync(s.path("link"));
    lstatx(s.path("file"));
  },
  "of symbolic links long and short, fifos, sockets and devices": (s) => {
    symlinkSync("x".repeat(500), s.path("long"));
    symlinkSync("x", s.path("short"));
    for (const type of [S.FIFO, S.SOCK, S.BLK]) mknod(s.path(`${type}`), type, 0x103);
    for (const name of ["long", "short", `${S.FIFO}`, `${S.SOCK}`, `${S.BLK}`]) unlinkSync(s.path(name));
  },
  "EISDIR for a directory": (s) => refused("EISDIR", () => unlinkSync(s.folder("folder"))),
  "ENOTDIR for a file's name with a slash behind it": (s) => {
    refused("ENOTDIR", () => unlinkSync(`${s.file("file")}/`));
  },
  "EACCES in a directory that may not be written, whoever owns the file": (s) => {
    s.folder("closed", 0o777);
    as(ALICE, () => s.file("closed/hers"));
    chmodSync(s.path("closed"), 0o755);
    refused("EACCES", () => as(ALICE, () => unlinkSync(s.path("closed", "hers"))));
  },
  "asks nothing of the file itself": (s) => {
    s.file("file", "", 0);
    as(ALICE, () => unlinkSync(s.path("file")));
  },
  "an open file lives on without a name: read, written, grown, cut": (s) => {
    const fd = s.opened("file", "before");
    unlinkSync(s.path("file"));
    assert.equal(fstatSync(fd).nlink, 0);
    assert.equal(read(fd, 10).toString(), "before");
    write(fd, "x".repeat(50_000));
    assert.equal(fstatSync(fd).size, 50_006);
    ftruncate(fd, 3);
    assert.equal(fstatSync(fd).size, 3);
  },
  "the name of an open file can be given to another": (s) => {
    const fd = s.opened("file", "old");
    unlinkSync(s.path("file"));
    mkdirSync(s.path("file"));
    assert.equal(read(fd, 10).toString(), "old");
  },
  "ENOENT for linking an unlinked open file again": (s) => {
    const fd = s.opened("file");
    unlinkSync(s.path("file"));
    refused("ENOENT", () => linkFollowing(`/proc/self/fd/${fd}`, s.path("again")));
  },
  "many unlinked open files at once": (s) => {
    const open = Array.from({ length: 300 }, (_, i) => {
      const fd = s.open(s.path(`f${i}`), O.RDWR | O.CREAT);
      unlinkSync(s.path(`f${i}`));
      write(fd, `contents ${i}`);
      return fd;
    });
    for (const [i, fd] of open.entries()) assert.equal(fstatSync(fd).size, `contents ${i}`.length);
  },
  "EPERM in a sticky directory for what belongs to another": (s) => {
    s.folder("sticky", 0o1777);
    as(ALICE, () => s.file("sticky/hers", "", 0o666));
    refused("EPERM", () => as(BOB, () => unlinkSync(s.path("sticky", "hers"))));
    as(ALICE, () => unlinkSync(s.path("sticky", "hers")));
  },
});
