/** POSIX ACLs: what they allow, and what new inodes have from their directory's default one. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, symlinkSync } from "node:fs";
import { fgetxattr, lgetxattr, llistxattr, lremovexattr, lsetxattr, lstatx, mknod } from "@bulkhead/linux";
import { O, S } from "../calls.js";
import { group } from "../case.js";
import { refused } from "../expect.js";
import { ALICE, as, BOB, TEAM, TEAMMATE } from "../identities.js";

const listed = (path: string): string[] =>
  llistxattr(path)
    .map((name) => Buffer.from(name).toString("latin1"))
    .sort();

const ACCESS = "system.posix_acl_access";
const DEFAULT = "system.posix_acl_default";
const Tag = { USER_OBJ: 1, USER: 2, GROUP_OBJ: 4, GROUP: 8, MASK: 0x10, OTHER: 0x20 } as const;
type Entry = readonly [tag: number, permissions: number, id?: number];

/** struct posix_acl_xattr_header and its entries. */
function acl(...entries: readonly Entry[]): Uint8Array {
  const bytes = new Uint8Array(4 + 8 * entries.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 2, true);
  for (const [i, [tag, permissions, id = 0xffff_ffff]] of entries.entries()) {
    view.setUint16(4 + 8 * i, tag, true);
    view.setUint16(6 + 8 * i, permissions, true);
    view.setUint32(8 + 8 * i, id, true);
  }
  return bytes;
}

/** rw- for the owner, what is given for Alice, a mask, nothing for others. */
function withAlice(permissions: number, mask = 7): Uint8Array {
  const alice: Entry = [Tag.USER, permissions, ALICE.uid];
  return acl([Tag.USER_OBJ, 6], alice, [Tag.GROUP_OBJ, 0], [Tag.MASK, mask], [Tag.OTHER, 0]);
}

export const acls = group("ACLs", {
  "are kept, and the mode's group bits are the mask": (s) => {
    const path = s.file("file", "", 0o640);
    lsetxattr(path, ACCESS, withAlice(4, 5));
    assert.deepEqual(lgetxattr(path, ACCESS), withAlice(4, 5));
    assert.equal(lstatx(path).mode, S.REG | 0o650);
    assert.deepEqual(listed(path), [ACCESS]);
  },
  "let a named user in": (s) => {
    const path = s.file("file", "x", 0o600);
    lsetxattr(path, ACCESS, withAlice(4));
    as(ALICE, () => s.open(path, O.RDONLY));
    refused("EACCES", () => as(ALICE, () => s.open(path, O.WRONLY)));
    refused("EACCES", () => as(BOB, () => s.open(path, O.RDONLY)));
  },
  "keep a named user out whom others' bits would let in": (s) => {
    const path = s.file("file", "x", 0o644);
    const bits: Entry[] = [
      [Tag.USER_OBJ, 6],
      [Tag.USER, 0, ALICE.uid],
      [Tag.GROUP_OBJ, 4],
    ];
    lsetxattr(path, ACCESS, acl(...bits, [Tag.MASK, 7], [Tag.OTHER, 4]));
    refused("EACCES", () => as(ALICE, () => s.open(path, O.RDONLY)));
    as(BOB, () => s.open(path, O.RDONLY));
  },
  "let a named group in": (s) => {
    const path = s.file("file", "x", 0o600);
    const bits: Entry[] = [
      [Tag.USER_OBJ, 6],
      [Tag.GROUP_OBJ, 0],
      [Tag.GROUP, 6, TEAM],
    ];
    lsetxattr(path, ACCESS, acl(...bits, [Tag.MASK, 7], [Tag.OTHER, 0]));
    as(TEAMMATE, () => s.open(path, O.RDWR));
    refused("EACCES", () => as(ALICE, () => s.open(path, O.RDONLY)));
  },
  "the mask limits named users and groups, not the owner": (s) => {
    const path = as(BOB, () => s.file("file", "x", 0o600));
    lsetxattr(path, ACCESS, withAlice(6, 4));
    as(ALICE, () => s.open(path, O.RDONLY));
    refused("EACCES", () => as(ALICE, () => s.open(path, O.RDWR)));
    as(BOB, () => s.open(path, O.RDWR));
  },
  "chmod changes the mask": (s) => {
    const path = s.file("file", "x");
    lsetxattr(path, ACCESS, withAlice(6, 7));
    chmodSync(path, 0o614);
    assert.deepEqual(
      lgetxattr(path, ACCESS),
      acl([Tag.USER_OBJ, 6], [Tag.USER, 6, ALICE.uid], [Tag.GROUP_OBJ, 0], [Tag.MASK, 1], [Tag.OTHER, 4]),
    );
    refused("EACCES", () => as(ALICE, () => s.open(path, O.RDONLY)));
  },
  "that say no more than a mode are the mode, and nothing is kept": (s) => {
    const path = s.file("file", "", 0o600);
    lsetxattr(path, ACCESS, acl([Tag.USER_OBJ, 7], [Tag.GROUP_OBJ, 5], [Tag.OTHER, 1]));
    assert.equal(lstatx(path).mode, S.REG | 0o751);
    assert.equal(lgetxattr(path, ACCESS), undefined);
    assert.deepEqual(listed(path), []);
  },
  "are removed, and the mode stays": (s) => {
    const path = s.file("file");
    lsetxattr(path, ACCESS, withAlice(4, 5));
    lremovexattr(path, ACCESS);
    assert.equal(lgetxattr(path, ACCESS), undefined);
    assert.equal(lstatx(path).mode, S.REG | 0o650);
  },
  "a default one becomes a new file's own, less what was not asked for": (s) => {
    const folder = s.folder("folder");
    lsetxattr(folder, DEFAULT, withAlice(7));
    s.open(s.path("folder", "file"), O.WRONLY | O.CREAT, 0o640);
    assert.deepEqual(lgetxattr(s.path("folder", "file"), ACCESS), withAlice(7, 4));
    assert.equal(lgetxattr(s.path("folder", "file"), DEFAULT), undefined);
    assert.equal(lstatx(s.path("folder", "file")).mode, S.REG | 0o640);
  },
  "a default one keeps the umask out": (s) => {
    const folder = s.folder("folder");
    lsetxattr(folder, DEFAULT, acl([Tag.USER_OBJ, 7], [Tag.GROUP_OBJ, 7], [Tag.OTHER, 7]));
    const before = process.umask(0o077);
    try {
      s.open(s.path("folder", "file"), O.WRONLY | O.CREAT, 0o666);
      mkdirSync(s.path("folder", "folder"), 0o777);
      mknod(s.path("folder", "fifo"), S.FIFO | 0o666);
    } finally {
      process.umask(before);
    }
    const modes = ["file", "folder", "fifo"].map((name) => lstatx(s.path("folder", name)).mode & 0o777);
    assert.deepEqual(modes, [0o666, 0o777, 0o666]);
  },
  "a default one becomes a new directory's own and its default": (s) => {
    const folder = s.folder("folder");
    lsetxattr(folder, DEFAULT, withAlice(5));
    mkdirSync(s.path("folder", "child"), 0o777);
    assert.deepEqual(lgetxattr(s.path("folder", "child"), DEFAULT), withAlice(5));
    assert.deepEqual(lgetxattr(s.path("folder", "child"), ACCESS), withAlice(5));
    mkdirSync(s.path("folder", "child", "grandchild"));
    assert.deepEqual(lgetxattr(s.path("folder", "child", "grandchild"), DEFAULT), withAlice(5));
  },
  "a default one says nothing of the directory itself": (s) => {
    const folder = s.folder("folder", 0o755);
    lsetxattr(folder, DEFAULT, withAlice(0));
    assert.equal(lstatx(folder).mode, S.DIR | 0o755);
    as(ALICE, () => s.open(folder, O.RDONLY));
  },
  "a symbolic link inherits none": (s) => {
    const folder = s.folder("folder");
    lsetxattr(folder, DEFAULT, withAlice(7));
    symlinkSync("x", s.path("folder", "link"));
    assert.equal(lstatx(s.path("folder", "link")).mode, S.LNK | 0o777);
    refused(["EOPNOTSUPP", "ENODATA"], () => lremovexattr(s.path("folder", "link"), ACCESS));
  },
  "a file without a name inherits the default one": (s) => {
    const folder = s.folder("folder");
    lsetxattr(folder, DEFAULT, withAlice(7));
    const fd = s.open(folder, O.TMPFILE | O.RDWR, 0o660);
    assert.deepEqual(fgetxattr(fd, ACCESS), withAlice(7, 6));
  },
  "the default one is removed": (s) => {
    const folder = s.folder("folder");
    lsetxattr(folder, DEFAULT, withAlice(7));
    lremovexattr(folder, DEFAULT);
    s.file("folder/file");
    assert.deepEqual(listed(s.path("folder", "file")), []);
    assert.deepEqual(listed(folder), []);
  },
  "EACCES for a default one of a file": (s) => {
    refused("EACCES", () => lsetxattr(s.file("file"), DEFAULT, withAlice(7)));
  },
  "EPERM for another's file": (s) => {
    const path = s.file("file", "", 0o666);
    refused("EPERM", () => as(ALICE, () => lsetxattr(path, ACCESS, withAlice(7))));
    refused("EPERM", () => as(ALICE, () => lremovexattr(path, ACCESS)));
  },
  "EINVAL for what is no ACL": (s) => {
    const path = s.file("file");
    const bad: Uint8Array[] = [
      acl([Tag.USER_OBJ, 7]),
      acl([Tag.USER_OBJ, 7], [Tag.USER, 7, 5], [Tag.GROUP_OBJ, 7], [Tag.OTHER, 7]),
      acl([Tag.USER_OBJ, 8], [Tag.GROUP_OBJ, 7], [Tag.OTHER, 7]),
      acl([Tag.OTHER, 7], [Tag.GROUP_OBJ, 7], [Tag.USER_OBJ, 7]),
      acl([Tag.USER_OBJ, 7], [3, 7], [Tag.GROUP_OBJ, 7], [Tag.OTHER, 7]),
      Uint8Array.of(1, 2, 3),
    ];
    for (const value of bad) refused("EINVAL", () => lsetxattr(path, ACCESS, value));
    assert.deepEqual(listed(path), []);
  },
  "many entries": (s) => {
    const path = s.file("file");
    const users = Array.from({ length: 50 }, (_, i): Entry => [Tag.USER, i % 8, 5000 + i]);
    const value = acl([Tag.USER_OBJ, 6], ...users, [Tag.GROUP_OBJ, 4], [Tag.MASK, 7], [Tag.OTHER, 0]);
    lsetxattr(path, ACCESS, value);
    assert.deepEqual(lgetxattr(path, ACCESS), value);
  },
});
