/** What a new inode has from its directory: setgid and sticky directories. */
import assert from "node:assert/strict";
import { chmodSync, chownSync, fstatSync, mkdirSync, rmdirSync, symlinkSync, unlinkSync } from "node:fs";
import { lstatx, mknod } from "@bulkhead/linux";
import { O, S } from "../calls.js";
import { group } from "../case.js";
import { refused } from "../expect.js";
import { ALICE, as, BOB, TEAM, TEAMMATE } from "../identities.js";
import type { Subject } from "../subject.js";

function teamFolder(s: Subject): void {
  const path = s.folder("team");
  chownSync(path, 0, TEAM);
  chmodSync(path, 0o2777);
}

export const setgid = group("setgid directories", {
  "give their group to every new file": (s) => {
    teamFolder(s);
    as(ALICE, () => s.file("team/file"));
    as(ALICE, () => symlinkSync("x", s.path("team", "link")));
    as(ALICE, () => mknod(s.path("team", "fifo"), S.FIFO));
    for (const name of ["file", "link", "fifo"]) assert.equal(lstatx(s.path("team", name)).gid, TEAM);
    assert.equal(lstatx(s.path("team", "file")).uid, ALICE.uid);
  },
  "give group and setgid bit to every new directory": (s) => {
    teamFolder(s);
    as(ALICE, () => mkdirSync(s.path("team", "folder"), 0o755));
    const stat = lstatx(s.path("team", "folder"));
    assert.deepEqual([stat.gid, stat.mode], [TEAM, S.DIR | 0o2755]);
  },
  "a new file cannot be setgid for a group its owner is not in": (s) => {
    teamFolder(s);
    as(ALICE, () => s.open(s.path("team", "file"), O.WRONLY | O.CREAT, 0o2755));
    assert.equal(lstatx(s.path("team", "file")).mode, S.REG | 0o755);
    as(TEAMMATE, () => s.open(s.path("team", "hers"), O.WRONLY | O.CREAT, 0o2755));
    assert.equal(lstatx(s.path("team", "hers")).mode, S.REG | 0o2755);
  },
  "a file without a name has their group too": (s) => {
    teamFolder(s);
    const fd = as(ALICE, () => s.open(s.path("team"), O.TMPFILE | O.RDWR, 0o600));
    assert.equal(lstatx(s.path("team")).gid, TEAM);
    assert.equal(fstatSync(fd).gid, TEAM);
  },
});

export const sticky = group("sticky directories", {
  "their owner removes what is in them, whoever owns that": (s) => {
    as(ALICE, () => s.folder("sticky", 0o1777));
    as(BOB, () => s.file("sticky/file"));
    as(BOB, () => s.folder("sticky/folder"));
    as(ALICE, () => unlinkSync(s.path("sticky", "file")));
    as(ALICE, () => rmdirSync(s.path("sticky", "folder")));
  },
  "others write what they may, but do not remove it": (s) => {
    s.folder("sticky", 0o1777);
    as(ALICE, () => s.file("sticky/file", "", 0o666));
    as(BOB, () => s.open(s.path("sticky", "file"), O.WRONLY));
    refused("EPERM", () => as(BOB, () => unlinkSync(s.path("sticky", "file"))));
  },
  "root removes everything": (s) => {
    as(ALICE, () => s.folder("sticky", 0o1777));
    as(BOB, () => s.file("sticky/file"));
    unlinkSync(s.path("sticky", "file"));
  },
  "the bit is not inherited": (s) => {
    s.folder("sticky", 0o1777);
    s.folder("sticky/folder");
    assert.equal(lstatx(s.path("sticky", "folder")).mode, S.DIR | 0o755);
  },
});

export const umask = group("umask", {
  "takes bits from files, directories and nodes, not from symbolic links": (s) => {
    const before = process.umask(0o077);
    try {
      s.open(s.path("file"), O.WRONLY | O.CREAT, 0o666);
      mkdirSync(s.path("folder"), 0o777);
      mknod(s.path("fifo"), S.FIFO | 0o666);
      symlinkSync("x", s.path("link"));
    } finally {
      process.umask(before);
    }
    const modes = ["file", "folder", "fifo", "link"].map((name) => lstatx(s.path(name)).mode & 0o7777);
    assert.deepEqual(modes, [0o600, 0o700, 0o600, 0o777]);
  },
  "of 0 leaves every bit": (s) => {
    const before = process.umask(0);
    try {
      mkdirSync(s.path("folder"), 0o777);
      assert.equal(lstatx(s.path("folder")).mode, S.DIR | 0o777);
    } finally {
      process.umask(before);
    }
  },
});
