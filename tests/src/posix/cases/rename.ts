/** rename(2) and renameat2(2). */
import assert from "node:assert/strict";
import { fstatSync, linkSync, lstatSync, mkdirSync, readFileSync, rmdirSync, symlinkSync } from "node:fs";
import { Capability, lstatx, mknod, Rename, rename } from "@bulkhead/linux";
import { O, read, S } from "../calls.js";
import { type Case, group } from "../case.js";
import { refused } from "../expect.js";
import { ALICE, as, BOB, rootWithout } from "../identities.js";
import type { Subject } from "../subject.js";

const gone = (path: string): void => refused("ENOENT", () => lstatx(path));
const contents = (path: string): string => readFileSync(path, "latin1");

const simple = group("rename", {
  "moves the inode to another name": (s) => {
    const { ino } = lstatx(s.file("old", "x"));
    rename(s.path("old"), s.path("new"));
    gone(s.path("old"));
    assert.equal(lstatx(s.path("new")).ino, ino);
    assert.equal(lstatx(s.path("new")).nlink, 1);
  },
  "replaces a file, whose last link that was": (s) => {
    s.file("old", "mine");
    const fd = s.opened("new", "theirs");
    rename(s.path("old"), s.path("new"));
    assert.equal(contents(s.path("new")), "mine");
    assert.equal(fstatSync(fd).nlink, 0);
    assert.equal(read(fd, 10).toString(), "theirs");
  },
  "takes one link from a replaced file that has others": (s) => {
    linkSync(s.file("new"), s.path("other"));
    rename(s.file("old"), s.path("new"));
    assert.equal(lstatx(s.path("other")).nlink, 1);
  },
  "replaces a symbolic link, not what it leads to": (s) => {
    s.file("target", "kept");
    symlinkSync("target", s.path("link"));
    rename(s.file("old", "mine"), s.path("link"));
    assert.equal(contents(s.path("target")), "kept");
    assert.equal(contents(s.path("link")), "mine");
  },
  "moves a symbolic link itself": (s) => {
    symlinkSync("missing", s.path("link"));
    rename(s.path("link"), s.path("new"));
    assert.ok(lstatSync(s.path("new")).isSymbolicLink());
  },
  "to another name of the same inode does nothing": (s) => {
    linkSync(s.file("file"), s.path("other"));
    rename(s.path("file"), s.path("other"));
    assert.equal(lstatx(s.path("file")).nlink, 2);
    assert.equal(lstatx(s.path("other")).nlink, 2);
  },
  "to its own name does nothing": (s) => {
    rename(s.file("file", "kept"), s.path("file"));
    assert.equal(contents(s.path("file")), "kept");
  },
  "moves every type of node": (s) => {
    for (const type of [S.FIFO, S.SOCK, S.CHR, S.BLK]) {
      mknod(s.path(`${type}`), type | 0o600, 0x103);
      rename(s.path(`${type}`), s.path(`${type}-new`));
      assert.equal(lstatx(s.path(`${type}-new`)).mode, type | 0o600);
    }
  },
  "an open file stays open under its new name": (s) => {
    const fd = s.opened("file", "contents");
    rename(s.path("file"), s.path("new"));
    assert.equal(read(fd, 8).toString(), "contents");
    assert.equal(fstatSync(fd).nlink, 1);
  },
  "a name of 255 bytes to another": (s) => {
    rename(s.file("a".repeat(255)), s.path("b".repeat(255)));
    lstatx(s.path("b".repeat(255)));
  },
  "EXDEV to another file system, both ways": (s) => {
    const outside = s.outside("moved");
    refused("EXDEV", () => rename(s.file("file"), `${outside}-new`));
    refused("EXDEV", () => rename(outside, s.path("new")));
  },
});

const directories = group("rename of directories", {
  "into another directory moves a link from parent to parent, and .. with it": (s) => {
    for (const name of ["from", "to", "from/child"]) s.folder(name);
    s.file("from/child/file");
    rename(s.path("from", "child"), s.path("to", "child"));
    assert.equal(lstatx(s.path("from")).nlink, 2);
    assert.equal(lstatx(s.path("to")).nlink, 3);
    assert.equal(lstatSync(`${s.path("to", "child")}/..`).ino, lstatx(s.path("to")).ino);
    lstatx(s.path("to", "child", "file"));
  },
  "within its parent changes no link": (s) => {
    s.folder("old");
    const before = lstatx(s.directory).nlink;
    rename(s.path("old"), s.path("new"));
    assert.equal(lstatx(s.directory).nlink, before);
    assert.equal(lstatx(s.path("new")).nlink, 2);
  },
  "replaces an empty one": (s) => {
    for (const name of ["old", "new"]) s.folder(name);
    s.file("old/file");
    const before = lstatx(s.directory).nlink;
    const fd = s.open(s.path("new"), O.RDONLY);
    rename(s.path("old"), s.path("new"));
    lstatx(s.path("new", "file"));
    assert.equal(lstatx(s.directory).nlink, before - 1);
    assert.equal(fstatSync(fd).nlink, 0);
  },
  "ENOTEMPTY for one that is not empty": (s) => {
    for (const name of ["old", "new"]) s.folder(name);
    s.file("new/file");
    refused("ENOTEMPTY", () => rename(s.path("old"), s.path("new")));
    lstatx(s.path("old"));
  },
  "EISDIR of a file to a directory": (s) => {
    refused("EISDIR", () => rename(s.file("file"), s.folder("folder")));
  },
  "ENOTDIR of a directory to a file": (s) => {
    refused("ENOTDIR", () => rename(s.folder("folder"), s.file("file")));
  },
  "ENOTDIR of a file's name with a slash behind it": (s) => {
    refused("ENOTDIR", () => rename(`${s.file("file")}/`, s.path("new")));
    refused("ENOTDIR", () => rename(s.path("file"), `${s.path("new")}/`));
  },
  "a directory's name may have a slash behind it": (s) => {
    rename(`${s.folder("old")}/`, `${s.path("new")}/`);
    lstatx(s.path("new"));
  },
  "EINVAL into itself, or into what is below": (s) => {
    s.folder("a");
    s.folder("a/b");
    refused("EINVAL", () => rename(s.path("a"), s.path("a", "c")));
    refused("EINVAL", () => rename(s.path("a"), s.path("a", "b", "c")));
  },
  "ENOTEMPTY to what is above": (s) => {
    s.folder("a");
    s.folder("a/b");
    refused("ENOTEMPTY", () => rename(s.path("a", "b"), s.path("a")));
  },
  "EBUSY for . and ..": (s) => {
    s.folder("a");
    refused("EBUSY", () => rename(`${s.path("a")}/.`, s.path("new")));
    refused("EBUSY", () => rename(`${s.path("a")}/..`, s.path("new")));
    refused("EBUSY", () => rename(s.path("a"), `${s.directory}/.`));
  },
  "a large one with all that is in it": (s) => {
    s.folder("old");
    s.folder("to");
    for (let i = 0; i < 300; i++) s.file(`old/file-${i}`);
    rename(s.path("old"), s.path("to", "new"));
    for (let i = 0; i < 300; i++) lstatx(s.path("to", "new", `file-${i}`));
    assert.equal(lstatSync(`${s.path("to", "new")}/..`).ino, lstatx(s.path("to")).ino);
  },
  "one that holds only . and .. can be removed afterwards": (s) => {
    s.folder("old");
    s.folder("to");
    rename(s.path("old"), s.path("to", "new"));
    rmdirSync(s.path("to", "new"));
    rmdirSync(s.path("to"));
  },
});

const permissions = group("rename, permissions", {
  "EACCES from and to a directory that may not be written": (s) => {
    s.folder("closed", 0o755);
    s.file("closed/file");
    as(ALICE, () => s.file("hers"));
    refused("EACCES", () => as(ALICE, () => rename(s.path("closed", "file"), s.path("new"))));
    refused("EACCES", () => as(ALICE, () => rename(s.path("hers"), s.path("closed", "new"))));
  },
  "EACCES for a directory that may not be written itself, when its .. would change": (s) => {
    s.folder("to", 0o777);
    s.folder("theirs", 0o755);
    refused("EACCES", () => as(ALICE, () => rename(s.path("theirs"), s.path("to", "new"))));
    as(ALICE, () => rename(s.path("theirs"), s.path("new")));
  },
  "EPERM from a sticky directory for what belongs to another": (s) => {
    s.folder("sticky", 0o1777);
    as(ALICE, () => s.file("sticky/hers"));
    refused("EPERM", () => as(BOB, () => rename(s.path("sticky", "hers"), s.path("his"))));
    as(ALICE, () => rename(s.path("sticky", "hers"), s.path("hers")));
  },
  "EPERM over what belongs to another in a sticky directory": (s) => {
    s.folder("sticky", 0o1777);
    as(ALICE, () => s.file("sticky/hers"));
    as(BOB, () => s.file("sticky/his"));
    refused("EPERM", () => as(BOB, () => rename(s.path("sticky", "his"), s.path("sticky", "hers"))));
  },
  "the owner of a sticky directory may move what is in it": (s) => {
    as(ALICE, () => s.folder("sticky", 0o1777));
    as(BOB, () => s.file("sticky/his"));
    as(ALICE, () => rename(s.path("sticky", "his"), s.path("sticky", "new")));
  },
  "asks nothing of a file itself": (s) => {
    s.file("file", "", 0);
    as(ALICE, () => rename(s.path("file"), s.path("new")));
  },
});

const flags = group("renameat2", {
  "NOREPLACE moves to a free name": (s) => {
    rename(s.file("old", "x"), s.path("new"), Rename.NOREPLACE);
    assert.equal(contents(s.path("new")), "x");
    gone(s.path("old"));
  },
  "EEXIST with NOREPLACE for a name that is taken, by whatever": (s) => {
    s.file("old");
    s.file("file");
    s.folder("folder");
    symlinkSync("missing", s.path("link"));
    for (const name of ["file", "folder", "link"]) {
      refused("EEXIST", () => rename(s.path("old"), s.path(name), Rename.NOREPLACE));
    }
    refused("EEXIST", () => rename(s.path("old"), s.path("old"), Rename.NOREPLACE));
  },
  "EXCHANGE swaps two files": (s) => {
    const [a, b] = [lstatx(s.file("a", "1")).ino, lstatx(s.file("b", "2")).ino];
    rename(s.path("a"), s.path("b"), Rename.EXCHANGE);
    assert.deepEqual([lstatx(s.path("a")).ino, lstatx(s.path("b")).ino], [b, a]);
    assert.equal(contents(s.path("a")), "2");
  },
  "EXCHANGE swaps a file and a directory of different parents, and the links follow": (s) => {
    for (const name of ["one", "two", "two/folder"]) s.folder(name);
    s.file("one/file");
    s.file("two/folder/inside");
    rename(s.path("one", "file"), s.path("two", "folder"), Rename.EXCHANGE);
    assert.equal(lstatx(s.path("one")).nlink, 3);
    assert.equal(lstatx(s.path("two")).nlink, 2);
    lstatx(s.path("one", "file", "inside"));
    assert.equal(lstatx(s.path("two", "folder")).mode & S.MASK, S.REG);
    assert.equal(lstatSync(`${s.path("one", "file")}/..`).ino, lstatx(s.path("one")).ino);
  },
  "EXCHANGE swaps two directories that are not empty": (s) => {
    for (const name of ["one", "two", "one/a", "two/b"]) s.folder(name);
    s.file("one/a/in-a");
    s.file("two/b/in-b");
    rename(s.path("one", "a"), s.path("two", "b"), Rename.EXCHANGE);
    lstatx(s.path("one", "a", "in-b"));
    lstatx(s.path("two", "b", "in-a"));
    assert.equal(lstatSync(`${s.path("one", "a")}/..`).ino, lstatx(s.path("one")).ino);
    assert.equal(lstatSync(`${s.path("two", "b")}/..`).ino, lstatx(s.path("two")).ino);
    assert.deepEqual([lstatx(s.path("one")).nlink, lstatx(s.path("two")).nlink], [3, 3]);
  },
  "EXCHANGE of a symbolic link and a file": (s) => {
    symlinkSync("missing", s.path("link"));
    rename(s.file("file", "x"), s.path("link"), Rename.EXCHANGE);
    assert.equal(contents(s.path("link")), "x");
    assert.ok(lstatSync(s.path("file")).isSymbolicLink());
  },
  "ENOENT with EXCHANGE for a name that is free": (s) => {
    refused("ENOENT", () => rename(s.file("a"), s.path("missing"), Rename.EXCHANGE));
    refused("ENOENT", () => rename(s.path("missing"), s.path("a"), Rename.EXCHANGE));
  },
  "EINVAL with EXCHANGE of a directory and what is below it": (s) => {
    s.folder("a");
    s.folder("a/b");
    refused("EINVAL", () => rename(s.path("a"), s.path("a", "b"), Rename.EXCHANGE));
    refused("EINVAL", () => rename(s.path("a", "b"), s.path("a"), Rename.EXCHANGE));
  },
  "EPERM with EXCHANGE of another's in a sticky directory": (s) => {
    s.folder("sticky", 0o1777);
    as(ALICE, () => s.file("sticky/hers"));
    as(BOB, () => s.file("sticky/his"));
    refused("EPERM", () => as(BOB, () => rename(s.path("sticky", "his"), s.path("sticky", "hers"), Rename.EXCHANGE)));
  },
  "WHITEOUT leaves a device 0:0 behind": (s) => {
    rename(s.file("old", "x"), s.path("new"), Rename.WHITEOUT);
    const stat = lstatx(s.path("old"));
    assert.equal(stat.mode & S.MASK, S.CHR);
    assert.deepEqual([stat.rdevMajor, stat.rdevMinor, stat.nlink], [0, 0, 1]);
    assert.equal(contents(s.path("new")), "x");
  },
  "WHITEOUT of a directory into another": (s) => {
    for (const name of ["one", "two", "one/folder"]) s.folder(name);
    rename(s.path("one", "folder"), s.path("two", "folder"), Rename.WHITEOUT);
    assert.equal(lstatx(s.path("one", "folder")).mode & S.MASK, S.CHR);
    assert.deepEqual([lstatx(s.path("one")).nlink, lstatx(s.path("two")).nlink], [2, 3]);
  },
  "WHITEOUT over a file": (s) => {
    s.file("new", "replaced");
    rename(s.file("old", "x"), s.path("new"), Rename.WHITEOUT);
    assert.equal(contents(s.path("new")), "x");
    assert.equal(lstatx(s.path("old")).mode & S.MASK, S.CHR);
  },
  "WHITEOUT with NOREPLACE": (s) => {
    s.file("taken");
    s.file("old");
    refused("EEXIST", () => rename(s.path("old"), s.path("taken"), Rename.WHITEOUT | Rename.NOREPLACE));
    rename(s.path("old"), s.path("new"), Rename.WHITEOUT | Rename.NOREPLACE);
    assert.equal(lstatx(s.path("old")).mode & S.MASK, S.CHR);
  },
  "EINVAL for flags that contradict each other or are unknown": (s) => {
    s.file("a");
    s.file("b");
    const both = [Rename.EXCHANGE | Rename.NOREPLACE, Rename.EXCHANGE | Rename.WHITEOUT, 8, 0x8000_0000];
    for (const bits of both) refused("EINVAL", () => rename(s.path("a"), s.path("b"), bits));
  },
  "EPERM with WHITEOUT without CAP_MKNOD": (s) => {
    s.file("old");
    const whiteout = (): void => rename(s.path("old"), s.path("new"), Rename.WHITEOUT);
    // A whiteout is no device to speak of: Linux 5.8 and later let anyone make one.
    as(rootWithout(Capability.MKNOD), whiteout);
    assert.equal(lstatx(s.path("old")).mode & S.MASK, S.CHR);
  },
});

/** Every pair of types: what replaces what, and with which error not. */
function pairs(): Case[] {
  const makers: Readonly<Record<string, (s: Subject, name: string) => void>> = {
    "a file": (s, name) => void s.file(name),
    "a directory": (s, name) => mkdirSync(s.path(name)),
    "a symbolic link": (s, name) => symlinkSync("missing", s.path(name)),
    "a fifo": (s, name) => mknod(s.path(name), S.FIFO),
  };
  const cases: Case[] = [];
  for (const [from, makeFrom] of Object.entries(makers)) {
    for (const [to, makeTo] of Object.entries(makers)) {
      const isFolder = [from === "a directory", to === "a directory"];
      const error = isFolder[0] === isFolder[1] ? undefined : isFolder[0] ? "ENOTDIR" : "EISDIR";
      const claim = (s: Subject): void => {
        makeFrom(s, "from");
        makeTo(s, "to");
        const { ino } = lstatx(s.path("from"));
        const move = (): void => rename(s.path("from"), s.path("to"));
        if (error === undefined) {
          move();
          assert.equal(lstatx(s.path("to")).ino, ino);
          gone(s.path("from"));
        } else {
          refused(error, move);
        }
      };
      cases.push(...group("rename", { [`${from} to ${to}: ${error ?? "replaced"}`]: claim }));
    }
  }
  return cases;
}

export const renaming = [...simple, ...directories, ...permissions, ...flags, ...pairs()];
