/** O_TMPFILE, and linkat(2) of what it opens. */
import assert from "node:assert/strict";
import { fchmodSync, fstatSync, linkSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { linkDescriptor, lstatx, statfs } from "@bulkhead/linux";
import { O, pread, S, write } from "../calls.js";
import { alone, group } from "../case.js";
import { refused, touched } from "../expect.js";
import { ALICE, as } from "../identities.js";

export const tmpfile = group("O_TMPFILE", {
  "makes a file without a name": (s) => {
    const fd = s.open(s.directory, O.TMPFILE | O.RDWR, 0o644);
    write(fd, "contents");
    assert.equal(pread(fd, 8, 0).toString(), "contents");
    const stat = fstatSync(fd);
    assert.deepEqual([stat.nlink, stat.mode, stat.size], [0, S.REG | 0o644, 8]);
    assert.deepEqual(readdirSync(s.directory), []);
  },
  "takes the umask and the owner as any new file": (s) => {
    const fd = as(ALICE, () => s.open(s.directory, O.TMPFILE | O.WRONLY, 0o666));
    const { mode, uid, gid } = fstatSync(fd);
    assert.deepEqual([mode, uid, gid], [S.REG | 0o644, ALICE.uid, ALICE.gid]);
  },
  "is given a name by linkat": (s) => {
    const fd = s.open(s.directory, O.TMPFILE | O.RDWR, 0o644);
    write(fd, "contents");
    linkDescriptor(fd, s.path("file"));
    assert.equal(fstatSync(fd).nlink, 1);
    assert.equal(readFileSync(s.path("file"), "latin1"), "contents");
    linkSync(s.path("file"), s.path("other"));
    assert.equal(lstatx(s.path("other")).nlink, 2);
  },
  "is given a name by whoever made it, without privilege": (s) => {
    as(ALICE, () => linkDescriptor(s.open(s.directory, O.TMPFILE | O.WRONLY, 0o600), s.path("hers")));
    assert.equal(lstatx(s.path("hers")).uid, ALICE.uid);
  },
  "is given a name in another directory": (s) => {
    s.folder("folder");
    linkDescriptor(s.open(s.directory, O.TMPFILE | O.WRONLY, 0o600), s.path("folder", "file"));
    assert.equal(lstatx(s.path("folder", "file")).nlink, 1);
  },
  "ENOENT for naming one opened with O_EXCL": (s) => {
    const fd = s.open(s.directory, O.TMPFILE | O.RDWR | O.EXCL, 0o600);
    refused("ENOENT", () => linkDescriptor(fd, s.path("file")));
  },
  "EEXIST for a name that is taken": (s) => {
    const fd = s.open(s.directory, O.TMPFILE | O.WRONLY, 0o600);
    refused("EEXIST", () => linkDescriptor(fd, s.file("file")));
    assert.equal(fstatSync(fd).nlink, 0);
  },
  "EINVAL for reading alone": (s) => refused("EINVAL", () => s.open(s.directory, O.TMPFILE | O.RDONLY, 0o600)),
  "ENOTDIR in a file": (s) => refused("ENOTDIR", () => s.open(s.file("file"), O.TMPFILE | O.RDWR, 0o600)),
  "EACCES in a directory that may not be written": (s) => {
    const folder = s.folder("closed", 0o755);
    refused("EACCES", () => as(ALICE, () => s.open(folder, O.TMPFILE | O.RDWR, 0o600)));
  },
  "EPERM in a directory that has been removed": (s) => {
    const folder = s.folder("folder");
    const fd = s.open(folder, O.RDONLY | O.DIRECTORY);
    rmdirSync(folder);
    refused("EPERM", () => s.open(`/proc/self/fd/${fd}`, O.TMPFILE | O.RDWR, 0o600));
  },
  "can be changed before it has a name": (s) => {
    const fd = s.open(s.directory, O.TMPFILE | O.RDWR, 0o600);
    fchmodSync(fd, 0o4711);
    linkDescriptor(fd, s.path("file"));
    assert.equal(lstatx(s.path("file")).mode, S.REG | 0o4711);
  },
  "changes no time of its directory": async (s) => {
    assert.equal(await touched(s, s.directory, () => s.open(s.directory, O.TMPFILE | O.RDWR, 0o600)), "");
  },
  "a hundred of them, some named, the others gone when closed": alone(async (s) => {
    const before = statfs(s.mountPoint).ffree;
    const open = Array.from({ length: 100 }, () => s.open(s.directory, O.TMPFILE | O.RDWR, 0o600));
    assert.equal(statfs(s.mountPoint).ffree, before - 100);
    for (const [i, fd] of open.entries()) {
      write(fd, `contents ${i}`);
      if (i % 4 === 0) linkDescriptor(fd, s.path(`f${i}`));
      s.close(fd);
    }
    assert.equal(readdirSync(s.directory).length, 25);
    await s.soon(() => assert.equal(statfs(s.mountPoint).ffree, before - 25));
  }),
});
