/** mkdir(2), rmdir(2), and reading directories. */
import assert from "node:assert/strict";
import {
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  opendirSync,
  readdirSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { lstatx, mknod } from "@bulkhead/linux";
import { S } from "../calls.js";
import { group } from "../case.js";
import { refused } from "../expect.js";
import { ALICE, as, BOB } from "../identities.js";

export const mkdir = group("mkdir", {
  "a directory has two links, and gives its parent one more": (s) => {
    const parent = s.folder("parent");
    mkdirSync(s.path("parent", "child"));
    assert.equal(lstatx(s.path("parent", "child")).nlink, 2);
    assert.equal(lstatx(parent).nlink, 3);
  },
  "it has the mode asked less the umask, without set-id bits": (s) => {
    mkdirSync(s.path("folder"), 0o7777);
    assert.equal(lstatx(s.path("folder")).mode, S.DIR | 0o1755);
  },
  "it belongs to whoever made it": (s) => {
    as(ALICE, () => mkdirSync(s.path("folder")));
    const { uid, gid } = lstatx(s.path("folder"));
    assert.deepEqual([uid, gid], [ALICE.uid, ALICE.gid]);
  },
  "it is empty": (s) => assert.deepEqual(readdirSync(s.folder("folder")), []),
  "its size is whole": (s) => {
    const { size } = lstatx(s.folder("folder"));
    assert.ok(size > 0);
    if (!s.facts.features.includes("inline_data")) assert.equal(size, s.facts.blockSize);
  },
  "its .. is its parent": (s) => {
    s.folder("folder");
    const path = `${s.path("folder")}/..`;
    assert.equal(lstatSync(path).ino, lstatx(s.directory).ino);
    assert.equal(lstatSync(`${s.path("folder")}/.`).ino, lstatx(s.path("folder")).ino);
  },
  "a slash behind the name is allowed": (s) => {
    mkdirSync(`${s.path("folder")}/`);
    lstatx(s.path("folder"));
  },
  "EEXIST for a name that is taken, by whatever": (s) => {
    s.file("file");
    s.folder("folder");
    symlinkSync("missing", s.path("link"));
    mknod(s.path("fifo"), S.FIFO);
    for (const name of ["file", "folder", "link", "fifo"]) refused("EEXIST", () => mkdirSync(s.path(name)));
  },
  "EEXIST for . and ..": (s) => {
    refused("EEXIST", () => mkdirSync(`${s.directory}/.`));
    refused("EEXIST", () => mkdirSync(`${s.directory}/..`));
  },
  "EACCES in a directory that may not be written": (s) => {
    s.folder("closed", 0o755);
    refused("EACCES", () => as(ALICE, () => mkdirSync(s.path("closed", "child"))));
    assert.equal(lstatx(s.path("closed")).nlink, 2);
  },
  "two hundred directories deep is a directory too": (s) => {
    let path = s.directory;
    for (let i = 0; i < 200; i++) {
      path += "/d";
      mkdirSync(path);
    }
    assert.equal(lstatx(path).nlink, 2);
  },
});

export const rmdir = group("rmdir", {
  "takes the name and the parent's link away": (s) => {
    s.folder("parent");
    s.folder("parent/child");
    rmdirSync(s.path("parent", "child"));
    refused("ENOENT", () => lstatx(s.path("parent", "child")));
    assert.equal(lstatx(s.path("parent")).nlink, 2);
  },
  "ENOTEMPTY for a directory with a file, a directory or a link in it": (s) => {
    for (const name of ["a", "b", "c"]) s.folder(name);
    s.file("a/file");
    s.folder("b/folder");
    symlinkSync("x", s.path("c", "link"));
    for (const name of ["a", "b", "c"]) refused("ENOTEMPTY", () => rmdirSync(s.path(name)));
  },
  "a directory that was emptied goes": (s) => {
    s.folder("folder");
    for (let i = 0; i < 200; i++) s.file(`folder/${i}`);
    for (let i = 0; i < 200; i++) unlinkSync(s.path("folder", String(i)));
    rmdirSync(s.path("folder"));
  },
  "ENOTDIR for a file, a fifo and a symbolic link to a directory": (s) => {
    s.file("file");
    s.folder("folder");
    mknod(s.path("fifo"), S.FIFO);
    symlinkSync("folder", s.path("link"));
    for (const name of ["file", "fifo", "link"]) refused("ENOTDIR", () => rmdirSync(s.path(name)));
  },
  "EINVAL for a path that ends with .": (s) => refused("EINVAL", () => rmdirSync(`${s.folder("folder")}/.`)),
  "ENOTEMPTY for a path that ends with ..": (s) => {
    s.folder("folder");
    refused("ENOTEMPTY", () => rmdirSync(`${s.path("folder")}/..`));
  },
  "EACCES in a directory that may not be written": (s) => {
    s.folder("closed", 0o755);
    s.folder("closed/child", 0o777);
    refused("EACCES", () => as(ALICE, () => rmdirSync(s.path("closed", "child"))));
  },
  "EPERM in a sticky directory for what belongs to another": (s) => {
    s.folder("sticky", 0o1777);
    as(ALICE, () => mkdirSync(s.path("sticky", "hers")));
    refused("EPERM", () => as(BOB, () => rmdirSync(s.path("sticky", "hers"))));
    as(ALICE, () => rmdirSync(s.path("sticky", "hers")));
  },
  "EBUSY for the root of the file system": (s) => refused("EBUSY", () => rmdirSync(s.mountPoint)),
  "a removed directory that is open has no links and no entries": (s) => {
    const folder = s.folder("folder");
    const fd = s.open(folder, 0);
    rmdirSync(folder);
    assert.equal(fstatSync(fd).nlink, 0);
    assert.deepEqual(readdirSync(`/proc/self/fd/${fd}`), []);
    refused("ENOENT", () => mkdirSync(`/proc/self/fd/${fd}/child`));
  },
});

export const readdir = group("readdir", {
  "lists every name once, with its type": (s) => {
    s.file("file");
    s.folder("folder");
    symlinkSync("x", s.path("link"));
    mknod(s.path("fifo"), S.FIFO);
    mknod(s.path("socket"), S.SOCK);
    mknod(s.path("char"), S.CHR, 0x103);
    mknod(s.path("block"), S.BLK, 0x700);
    const entries = readdirSync(s.directory, { withFileTypes: true });
    const type = (name: string) => entries.find((entry) => entry.name === name)!;
    assert.equal(entries.length, 7);
    assert.ok(type("file").isFile());
    assert.ok(type("folder").isDirectory());
    assert.ok(type("link").isSymbolicLink());
    assert.ok(type("fifo").isFIFO());
    assert.ok(type("socket").isSocket());
    assert.ok(type("char").isCharacterDevice());
    assert.ok(type("block").isBlockDevice());
  },
  "lists thousands of names once each, and all of them go": (s) => {
    const names = Array.from({ length: 3000 }, (_, i) => `a name of some length, number ${i}`);
    for (const name of names) s.file(name);
    assert.deepEqual(readdirSync(s.directory).sort(), [...names].sort());
    for (const name of names) unlinkSync(s.path(name));
    assert.deepEqual(readdirSync(s.directory), []);
  },
  "what is removed while it is listed does not hide the others": (s) => {
    for (let i = 0; i < 600; i++) s.file(`name-${i}`);
    const dir = opendirSync(s.directory);
    s.defer(() => dir.closeSync());
    const seen: string[] = [];
    for (let entry = dir.readSync(); entry !== null; entry = dir.readSync()) {
      seen.push(entry.name);
      unlinkSync(s.path(entry.name));
    }
    assert.equal(new Set(seen).size, 600);
    assert.deepEqual(readdirSync(s.directory), []);
  },
  "EACCES for a directory that may not be read, whose names can be used": (s) => {
    s.folder("folder", 0o711);
    s.file("folder/file", "x");
    refused("EACCES", () => as(ALICE, () => readdirSync(s.path("folder"))));
    assert.equal(as(ALICE, () => lstatx(s.path("folder", "file"))).size, 1);
  },
  "a directory that may be read but not searched lists names that cannot be used": (s) => {
    s.folder("folder", 0o744);
    s.file("folder/file", "x");
    assert.deepEqual(
      as(ALICE, () => readdirSync(s.path("folder"))),
      ["file"],
    );
    refused("EACCES", () => as(ALICE, () => lstatx(s.path("folder", "file"))));
  },
  "ENOTDIR for a file": (s) => refused("ENOTDIR", () => readdirSync(s.file("file"))),
  "two names of an inode have one number": (s) => {
    linkSync(s.file("file"), s.path("other"));
    assert.equal(lstatx(s.path("file")).ino, lstatx(s.path("other")).ino);
    assert.equal(lstatx(s.path("file")).nlink, 2);
  },
});
