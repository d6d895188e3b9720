/** chown(2), lchown(2), fchown(2); set-id bits and capabilities that go. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  linkSync,
  readFileSync,
  renameSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import {
  Capability,
  copyFileRange,
  Falloc,
  fallocate,
  lchown,
  lgetxattr,
  lremovexattr,
  lsetxattr,
  lstatx,
  syncfs,
  truncate,
  utimensNow,
} from "@bulkhead/linux";
import { aligned, O, pwrite, S, write } from "../calls.js";
import { group, needing } from "../case.js";
import { refused } from "../expect.js";
import { Needs } from "../facts.js";
import { ALICE, as, BOB, rootWithout, TEAM, TEAMMATE } from "../identities.js";
import type { Subject } from "../subject.js";

const owners = (path: string): readonly number[] => [lstatx(path).uid, lstatx(path).gid];
const KEEP = 0xffff_ffff;

export const chown = group("chown", {
  "sets owner and group, or one of them": (s) => {
    const path = s.file("file");
    chownSync(path, 5, 6);
    assert.deepEqual(owners(path), [5, 6]);
    lchown(path, KEEP, 7);
    assert.deepEqual(owners(path), [5, 7]);
    lchown(path, 8, KEEP);
    assert.deepEqual(owners(path), [8, 7]);
    lchown(path, KEEP, KEEP);
    assert.deepEqual(owners(path), [8, 7]);
  },
  "ids of 32 bits are kept": (s) => {
    const path = s.file("file");
    chownSync(path, 0xffff_fffe, 0x8000_0001);
    assert.deepEqual(owners(path), [0xffff_fffe, 0x8000_0001]);
    chownSync(path, 65_536, 65_535);
    assert.deepEqual(owners(path), [65_536, 65_535]);
  },
  "follows symbolic links, and lchown does not": (s) => {
    s.file("file");
    symlinkSync("file", s.path("link"));
    chownSync(s.path("link"), 5, 6);
    lchown(s.path("link"), 7, 8);
    assert.deepEqual(owners(s.path("file")), [5, 6]);
    assert.deepEqual(owners(s.path("link")), [7, 8]);
  },
  "fchown reaches a file without a name": (s) => {
    const fd = s.opened("file");
    unlinkSync(s.path("file"));
    fchownSync(fd, 5, 6);
  },
  "EPERM for giving a file away without CAP_CHOWN": (s) => {
    const path = as(ALICE, () => s.file("file"));
    refused("EPERM", () => as(ALICE, () => lchown(path, BOB.uid, KEEP)));
    refused("EPERM", () => as(rootWithout(Capability.CHOWN), () => lchown(path, BOB.uid, KEEP)));
  },
  "the owner may give a file to a group she is in, and to no other": (s) => {
    const path = as(TEAMMATE, () => s.file("file"));
    as(TEAMMATE, () => lchown(path, KEEP, TEAM));
    assert.deepEqual(owners(path), [TEAMMATE.uid, TEAM]);
    refused("EPERM", () => as(TEAMMATE, () => lchown(path, KEEP, BOB.gid)));
  },
  "the owner may name herself": (s) => {
    const path = as(ALICE, () => s.file("file"));
    as(ALICE, () => lchown(path, ALICE.uid, KEEP));
  },
  "EPERM for another's file, even to one's own group": (s) => {
    const path = s.file("file");
    refused("EPERM", () => as(ALICE, () => lchown(path, KEEP, ALICE.gid)));
  },
});

const FULL_MODE = 0o6755;
const CAPABILITY = "security.capability";
/** struct vfs_cap_data, version 2, with cap_net_raw permitted and effective. */
const CAPABILITY_VALUE = Uint8Array.from([1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

function setIdFile(s: Subject, mode = FULL_MODE): string {
  const path = s.file("file", "contents");
  chownSync(path, ALICE.uid, ALICE.gid);
  chmodSync(path, mode);
  return path;
}

/** Milliseconds after which the kernel has been told all that writing a file back changed of its attributes. */
const TOLD = 1_000;

/**
 * Runs a set-id program after its owner has written to it what was there. It must not be fresh: of a file that has just been written the
 * kernel asks for all attributes again, and running one does not ask.
 */
async function runsUnprivileged(s: Subject, flags: number, length: number): Promise<void> {
  const path = s.path("program");
  copyFileSync("/usr/bin/id", path);
  chownSync(path, ALICE.uid, ALICE.gid);
  chmodSync(path, FULL_MODE);
  const contents = readFileSync(path);
  const data = aligned(length);
  data.set(contents.subarray(0, length));
  fsyncSync(s.open(path, O.RDONLY));
  await sleep(TOLD);
  const fd = as(ALICE, () => s.open(path, flags));
  as(ALICE, () => pwrite(fd, data, (flags & O.APPEND) !== 0 ? contents.length : 0));
  s.close(fd);
  const { stdout } = spawnSync(path, ["-u"], { encoding: "latin1" });
  assert.equal(stdout.trim(), "0");
  assert.equal(lstatx(path).mode, S.REG | 0o755);
}

const changeAs = rootWithout(Capability.FSETID);

export const stripping = group("set-id bits", {
  "go when an owner changes the group": (s) => {
    const path = setIdFile(s);
    as({ ...ALICE, groups: [TEAM] }, () => lchown(path, KEEP, TEAM));
    assert.equal(lstatx(path).mode, S.REG | 0o755);
  },
  "go when root changes the owner": (s) => {
    const path = setIdFile(s);
    lchown(path, BOB.uid, KEEP);
    assert.equal(lstatx(path).mode, S.REG | 0o755);
  },
  "go when chown leaves owner and group as they are, whoever asks": (s) => {
    const path = setIdFile(s);
    lchown(path, KEEP, KEEP);
    assert.equal(lstatx(path).mode, S.REG | 0o755);
    chmodSync(path, FULL_MODE);
    as(ALICE, () => lchown(path, KEEP, KEEP));
    assert.equal(lstatx(path).mode, S.REG | 0o755);
  },
  "go when chown of an open file without a name leaves its owner as it is": (s) => {
    const path = setIdFile(s);
    const fd = s.open(path, O.RDWR);
    unlinkSync(path);
    fchownSync(fd, KEEP, KEEP);
    assert.equal(fstatSync(fd).mode, S.REG | 0o755);
  },
  "stay when times, attributes and names change": async (s) => {
    const path = setIdFile(s);
    utimensNow(path);
    lsetxattr(path, "user.a", Uint8Array.of(1));
    linkSync(path, s.path("other"));
    renameSync(s.path("other"), s.path("another"));
    unlinkSync(s.path("another"));
    fsyncSync(s.open(path, O.RDONLY));
    lremovexattr(path, "user.a");
    syncfs(s.open(path, O.RDONLY));
    await sleep(TOLD);
    assert.equal(lstatx(path).mode, S.REG | FULL_MODE);
  },
  "of a directory stay when its owner changes": (s) => {
    const path = s.folder("folder");
    chmodSync(path, 0o6775);
    lchown(path, ALICE.uid, ALICE.gid);
    assert.equal(lstatx(path).mode, S.DIR | 0o6775);
  },
  "setgid without group execution stays when root changes the owner": (s) => {
    const path = setIdFile(s, 0o2644);
    lchown(path, BOB.uid, KEEP);
    assert.equal(lstatx(path).mode, S.REG | 0o2644);
  },
  "go when someone without CAP_FSETID writes": (s) => {
    const path = setIdFile(s);
    const fd = s.open(path, O.WRONLY);
    as(changeAs, () => write(fd, "x"));
    assert.equal(lstatx(path).mode, S.REG | 0o755);
  },
  "go when the owner writes": (s) => {
    const path = setIdFile(s);
    as(ALICE, () => writeFileSync(path, "x", { flag: "r+" }));
    assert.equal(lstatx(path).mode, S.REG | 0o755);
  },
  "do not count any more when the program is run after a write": (s) => runsUnprivileged(s, O.WRONLY, 1),
  "do not count any more when the program is run after an appending write": (s) =>
    runsUnprivileged(s, O.WRONLY | O.APPEND, 1),
  "do not count any more when the program is run after a direct write": (s) =>
    runsUnprivileged(s, O.WRONLY | O.DIRECT, 4096),
  "stay when root writes": (s) => {
    const path = setIdFile(s);
    write(s.open(path, O.WRONLY), "x");
    assert.equal(lstatx(path).mode, S.REG | FULL_MODE);
  },
  "go when the owner truncates": (s) => {
    const path = setIdFile(s);
    as(ALICE, () => truncate(path, 3));
    assert.equal(lstatx(path).mode, S.REG | 0o755);
  },
  "go when the owner truncates an open file": (s) => {
    const path = setIdFile(s);
    as(ALICE, () => truncateSync(path, 3));
    assert.equal(lstatx(path).mode, S.REG | 0o755);
  },
  "go when the owner opens with O_TRUNC": (s) => {
    const path = setIdFile(s);
    as(ALICE, () => s.open(path, O.WRONLY | O.TRUNC));
    assert.equal(lstatx(path).mode, S.REG | 0o755);
  },
  "go when the owner allocates": needing(Needs.extents, (s) => {
    const path = setIdFile(s);
    const fd = as(ALICE, () => s.open(path, O.RDWR));
    as(ALICE, () => fallocate(fd, 0, 0, 100_000));
    assert.equal(lstatx(path).mode, S.REG | 0o755);
  }),
  "go when the owner punches a hole": needing(Needs.extents, (s) => {
    const path = setIdFile(s);
    const fd = as(ALICE, () => s.open(path, O.RDWR));
    as(ALICE, () => fallocate(fd, Falloc.PUNCH_HOLE | Falloc.KEEP_SIZE, 0, 4));
    assert.equal(lstatx(path).mode, S.REG | 0o755);
  }),
  "go when the owner copies a range into it": (s) => {
    const path = setIdFile(s);
    const source = s.opened("source", "copied");
    const fd = as(ALICE, () => s.open(path, O.WRONLY));
    as(ALICE, () => copyFileRange(source, 0, fd, 0, 6));
    assert.equal(lstatx(path).mode, S.REG | 0o755);
  },
  "a write of nothing changes nothing": (s) => {
    const path = setIdFile(s);
    const fd = as(ALICE, () => s.open(path, O.WRONLY));
    as(ALICE, () => write(fd, ""));
    assert.equal(lstatx(path).mode, S.REG | FULL_MODE);
  },
  "of a new file go when it is first written by its owner": (s) => {
    as(ALICE, () => write(s.open(s.path("new"), O.WRONLY | O.CREAT, 0o6755), "x"));
    assert.equal(lstatx(s.path("new")).mode, S.REG | 0o755);
  },
  "a setgid bit without group execution stays when a member writes": (s) => {
    const path = setIdFile(s, 0o2664);
    as(ALICE, () => writeFileSync(path, "x", { flag: "r+" }));
    assert.equal(lstatx(path).mode, S.REG | 0o2664);
  },
});

export const capabilities = group("file capabilities", {
  "are kept": (s) => {
    const path = s.file("file");
    lsetxattr(path, CAPABILITY, CAPABILITY_VALUE);
    assert.deepEqual(lgetxattr(path, CAPABILITY), CAPABILITY_VALUE);
  },
  "EPERM without CAP_SETFCAP": (s) => {
    const path = as(ALICE, () => s.file("file"));
    refused("EPERM", () => as(ALICE, () => lsetxattr(path, CAPABILITY, CAPABILITY_VALUE)));
    refused("EPERM", () => as(rootWithout(Capability.SETFCAP), () => lsetxattr(path, CAPABILITY, CAPABILITY_VALUE)));
  },
  "EINVAL for what is no capability": (s) => {
    refused("EINVAL", () => lsetxattr(s.file("file"), CAPABILITY, Uint8Array.of(1, 2, 3)));
  },
  "go when the file is written, by whomever": (s) => {
    const path = s.file("file");
    lsetxattr(path, CAPABILITY, CAPABILITY_VALUE);
    write(s.open(path, O.WRONLY), "x");
    assert.equal(lgetxattr(path, CAPABILITY), undefined);
  },
  "go when the file is truncated": (s) => {
    const path = s.file("file", "contents");
    lsetxattr(path, CAPABILITY, CAPABILITY_VALUE);
    truncate(path, 3);
    assert.equal(lgetxattr(path, CAPABILITY), undefined);
  },
  "go when a range is allocated": needing(Needs.extents, (s) => {
    const path = s.file("file", "contents");
    lsetxattr(path, CAPABILITY, CAPABILITY_VALUE);
    fallocate(s.open(path, O.RDWR), 0, 0, 100_000);
    assert.equal(lgetxattr(path, CAPABILITY), undefined);
  }),
  "go when the file changes hands": (s) => {
    const path = s.file("file");
    lsetxattr(path, CAPABILITY, CAPABILITY_VALUE);
    lchown(path, ALICE.uid, ALICE.gid);
    assert.equal(lgetxattr(path, CAPABILITY), undefined);
  },
  "stay when the mode changes": (s) => {
    const path = s.file("file");
    lsetxattr(path, CAPABILITY, CAPABILITY_VALUE);
    chmodSync(path, 0o755);
    assert.deepEqual(lgetxattr(path, CAPABILITY), CAPABILITY_VALUE);
  },
});
