/** chmod(2), fchmod(2), access(2). */
import assert from "node:assert/strict";
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  fchmodSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { Capability, lstatx, mknod } from "@bulkhead/linux";
import { O, S } from "../calls.js";
import { group } from "../case.js";
import { refused } from "../expect.js";
import { ALICE, as, BOB, rootWithout } from "../identities.js";

export const chmod = group("chmod", {
  "sets every bit of a file's mode": (s) => {
    const path = s.file("file");
    for (const mode of [0, 0o1, 0o20, 0o400, 0o777, 0o1000, 0o2000, 0o4000, 0o7777, 0o644]) {
      chmodSync(path, mode);
      assert.equal(lstatx(path).mode, S.REG | mode);
    }
  },
  "sets every bit of a directory's mode": (s) => {
    const path = s.folder("folder");
    for (const mode of [0, 0o1777, 0o2775, 0o7777, 0o755]) {
      chmodSync(path, mode);
      assert.equal(lstatx(path).mode, S.DIR | mode);
    }
  },
  "of nodes of every other type": (s) => {
    for (const type of [S.FIFO, S.SOCK, S.CHR, S.BLK]) {
      mknod(s.path(`${type}`), type | 0o644, 0x103);
      chmodSync(s.path(`${type}`), 0o600);
      assert.equal(lstatx(s.path(`${type}`)).mode, type | 0o600);
    }
  },
  "follows symbolic links": (s) => {
    s.file("file");
    symlinkSync("file", s.path("link"));
    chmodSync(s.path("link"), 0o600);
    assert.equal(lstatx(s.path("file")).mode, S.REG | 0o600);
    assert.equal(lstatx(s.path("link")).mode, S.LNK | 0o777);
  },
  "fchmod reaches a file without a name, and one open for reading": (s) => {
    const fd = s.open(s.file("file"), O.RDONLY);
    fchmodSync(fd, 0o4711);
    assert.equal(lstatx(s.path("file")).mode, S.REG | 0o4711);
    unlinkSync(s.path("file"));
    fchmodSync(fd, 0o600);
  },
  "EPERM for a file that belongs to another": (s) => {
    const path = as(ALICE, () => s.file("file", "", 0o666));
    refused("EPERM", () => as(BOB, () => chmodSync(path, 0o600)));
    refused("EPERM", () => as(rootWithout(Capability.FOWNER), () => chmodSync(path, 0o600)));
    as(ALICE, () => chmodSync(path, 0o600));
  },
  "drops the setgid bit for an owner who is not in the group": (s) => {
    const path = as(ALICE, () => s.file("file"));
    chownSync(path, ALICE.uid, BOB.gid);
    as(ALICE, () => chmodSync(path, 0o6755));
    assert.equal(lstatx(path).mode, S.REG | 0o4755);
    as({ ...ALICE, groups: [BOB.gid] }, () => chmodSync(path, 0o6755));
    assert.equal(lstatx(path).mode, S.REG | 0o6755);
  },
  "takes a file's reader away, but not an open descriptor": (s) => {
    const path = as(ALICE, () => s.file("file", "x"));
    as(ALICE, () => chmodSync(path, 0));
    refused("EACCES", () => as(ALICE, () => readFileSync(path)));
    as(ALICE, () => chmodSync(path, 0o400));
    as(ALICE, () => readFileSync(path));
  },
  "of a directory counts at once for what is in it": (s) => {
    const folder = s.folder("folder");
    s.file("folder/file", "x");
    as(ALICE, () => readFileSync(s.path("folder", "file")));
    chmodSync(folder, 0o700);
    refused("EACCES", () => as(ALICE, () => readFileSync(s.path("folder", "file"))));
  },
});

const { F_OK, R_OK, W_OK, X_OK } = constants;

export const access = group("access", {
  "says what the owner, the group and others may do": (s) => {
    const path = as(ALICE, () => s.file("file", "", 0o754));
    as(ALICE, () => accessSync(path, R_OK | W_OK | X_OK));
    as({ ...BOB, groups: [ALICE.gid] }, () => accessSync(path, R_OK | X_OK));
    refused("EACCES", () => as({ ...BOB, groups: [ALICE.gid] }, () => accessSync(path, W_OK)));
    as(BOB, () => accessSync(path, R_OK));
    for (const mode of [W_OK, X_OK]) refused("EACCES", () => as(BOB, () => accessSync(path, mode)));
  },
  "root may read and write everything, but execute only what someone may": (s) => {
    const path = s.file("file", "", 0);
    accessSync(path, F_OK | R_OK | W_OK);
    refused("EACCES", () => accessSync(path, X_OK));
    chmodSync(path, 0o001);
    accessSync(path, X_OK);
  },
  "root may search every directory": (s) => {
    mkdirSync(s.path("folder"), 0);
    accessSync(s.path("folder"), R_OK | W_OK | X_OK);
  },
  "whether a file is there needs no permission on it": (s) => {
    const path = s.file("file", "", 0);
    as(ALICE, () => accessSync(path, F_OK));
  },
});
