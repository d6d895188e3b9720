/** What concerns the whole file system: statfs(2), limits of links, mount points, running programs. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { ioctl, lstatx, MountFlag, mount, rename, statfs, syncfs, truncate, UmountFlag, umount } from "@bulkhead/linux";
import { O, write } from "../calls.js";
import { alone, group, needing } from "../case.js";
import { refused } from "../expect.js";
import { Needs } from "../facts.js";
import { ALICE, as } from "../identities.js";
import { fullParent, indexedParent, linkedFile, MOST_LINKS } from "../prepare.js";

export const statistics = group("statfs", {
  "sizes are those of the file system": (s) => {
    const stat = statfs(s.directory);
    assert.equal(stat.bsize, s.facts.blockSize);
    assert.equal(stat.frsize, s.facts.blockSize);
    assert.equal(stat.namelen, 255);
    assert.ok(stat.blocks > 0 && stat.bfree <= stat.blocks && stat.bavail <= stat.bfree);
    assert.ok(stat.files > 0 && stat.ffree < stat.files);
  },
  "is the same of every path on it": (s) => {
    assert.deepEqual(statfs(s.file("file")).files, statfs(s.mountPoint).files);
  },
  "a new inode takes one, and gives it back": alone(async (s) => {
    const before = statfs(s.mountPoint).ffree;
    s.file("file");
    s.folder("folder");
    assert.equal(statfs(s.mountPoint).ffree, before - 2);
    unlinkSync(s.path("file"));
    rmdirSync(s.path("folder"));
    await s.soon(() => assert.equal(statfs(s.mountPoint).ffree, before));
  }),
  "written blocks are taken, and given back when the file goes": alone(async (s) => {
    const fd = s.opened("warm", "up");
    syncfs(fd);
    const before = statfs(s.mountPoint).bfree;
    const file = s.opened("file", Buffer.alloc(1 << 20, 1));
    syncfs(file);
    const taken = before - statfs(s.mountPoint).bfree;
    const expected = (1 << 20) / s.facts.blockSize;
    assert.ok(taken >= expected && taken < expected + 20, `${taken} for ${expected}`);
    s.close(file);
    unlinkSync(s.path("file"));
    syncfs(fd);
    await s.soon(() => assert.equal(statfs(s.mountPoint).bfree, before));
  }),
  "an unlinked open file keeps its blocks until it is closed": alone(async (s) => {
    const warm = s.opened("warm", "up");
    syncfs(warm);
    const before = statfs(s.mountPoint);
    const fd = s.opened("file", Buffer.alloc(1 << 20, 1));
    syncfs(fd);
    unlinkSync(s.path("file"));
    assert.ok(statfs(s.mountPoint).bfree < before.bfree - 10);
    assert.equal(statfs(s.mountPoint).ffree, before.ffree - 1);
    s.close(fd);
    syncfs(warm);
    await s.soon(() => {
      assert.equal(statfs(s.mountPoint).bfree, before.bfree);
      assert.equal(statfs(s.mountPoint).ffree, before.ffree);
    });
  }),
});

const GETFSLABEL = 0x8100_9431;
const SETFSLABEL = 0x4100_9432;
const LABEL_ROOM = 256;

function nameFileSystem(fd: number, name: string): void {
  const room = Buffer.alloc(LABEL_ROOM);
  room.write(name, "latin1");
  ioctl(fd, SETFSLABEL, room);
}

function labelOf(fd: number): string {
  const room = Buffer.alloc(LABEL_ROOM);
  ioctl(fd, GETFSLABEL, room);
  return room.toString("latin1", 0, room.indexOf(0));
}

export const label = group("SETFSLABEL", {
  "a label that is set is got": alone((s) => {
    const fd = s.open(s.mountPoint, O.RDONLY);
    const before = labelOf(fd);
    s.defer(() => nameFileSystem(fd, before));
    for (const name of ["sixteen bytes ..", "short", ""]) {
      nameFileSystem(fd, name);
      assert.equal(labelOf(fd), name);
    }
  }),
  "EINVAL for a longer one, and EPERM for others than root": alone((s) => {
    const fd = s.open(s.mountPoint, O.RDONLY);
    const before = labelOf(fd);
    refused("EINVAL", () => nameFileSystem(fd, "seventeen bytes .."));
    refused("EINVAL", () => nameFileSystem(fd, "x".repeat(LABEL_ROOM)));
    refused("EPERM", () => as(ALICE, () => nameFileSystem(fd, "alice's")));
    assert.equal(labelOf(fd), before);
  }),
});

export const linkLimits = group("link counts", {
  "EMLINK for more than 65,000 names of a file": needing(Needs.prepared, (s) => {
    const file = linkedFile(s.mountPoint);
    linkSync(file, s.path("last"));
    s.defer(() => unlinkSync(s.path("last")));
    assert.equal(lstatx(file).nlink, MOST_LINKS);
    refused("EMLINK", () => linkSync(file, s.path("more")));
    refused("ENOENT", () => lstatx(s.path("more")));
  }),
  "EMLINK for more than 65,000 links of a directory without a hash tree": needing(Needs.prepared, (s) => {
    const parent = fullParent(s.mountPoint);
    mkdirSync(`${parent}/last`);
    s.defer(() => rmdirSync(`${parent}/last`));
    assert.equal(lstatx(parent).nlink, MOST_LINKS);
    refused("EMLINK", () => mkdirSync(`${parent}/more`));
    s.folder("moving");
    refused("EMLINK", () => rename(s.path("moving"), `${parent}/moving`));
  }),
  "EMLINK without dir_nlink": needing([Needs.prepared, Needs.noDirNlink], (s) => {
    const parent = indexedParent(s.mountPoint);
    mkdirSync(`${parent}/last`);
    s.defer(() => rmdirSync(`${parent}/last`));
    refused("EMLINK", () => mkdirSync(`${parent}/more`));
  }),
  "a directory of more than 65,000 links with a hash tree counts no more, and says 1": needing(
    [Needs.prepared, Needs.dirNlink],
    (s) => {
      const parent = indexedParent(s.mountPoint);
      const names = ["a", "b", "c"].map((name) => `${parent}/${name}`);
      for (const name of names) mkdirSync(name);
      assert.equal(lstatx(parent).nlink, 1);
      for (const name of names) rmdirSync(name);
      assert.equal(lstatx(parent).nlink, 1);
    },
  ),
});

export const busy = group("busy", {
  "EBUSY for removing or renaming a mount point": (s) => {
    const point = s.folder("point");
    s.folder("source");
    mount(s.path("source"), point, "none", MountFlag.BIND, "");
    s.defer(() => umount(point, UmountFlag.DETACH));
    refused("EBUSY", () => rmdirSync(point));
    refused("EBUSY", () => rename(point, s.path("new")));
    refused("EBUSY", () => rename(s.path("source"), point));
  },
  "EXDEV between two mounts of one file system": (s) => {
    const point = s.folder("point");
    mount(s.folder("source"), point, "none", MountFlag.BIND, "");
    s.defer(() => umount(point, UmountFlag.DETACH));
    refused("EXDEV", () => rename(s.file("file"), `${point}/file`));
    refused("EXDEV", () => linkSync(s.path("file"), `${point}/file`));
  },
  "EROFS on a mount that was bound read-only": (s) => {
    const point = s.folder("point");
    s.folder("source");
    s.file("source/file", "x");
    mount(s.path("source"), point, "none", MountFlag.BIND, "");
    s.defer(() => umount(point, UmountFlag.DETACH));
    mount("none", point, "none", MountFlag.BIND | MountFlag.REMOUNT | MountFlag.RDONLY, "");
    refused("EROFS", () => writeFileSync(`${point}/new`, ""));
    refused("EROFS", () => s.open(`${point}/file`, O.WRONLY));
    refused("EROFS", () => unlinkSync(`${point}/file`));
    assert.equal(statSync(`${point}/file`).size, 1);
  },
  "a program runs from here": (s) => {
    copyFileSync("/bin/true", s.path("true"));
    assert.equal(spawnSync(s.path("true")).status, 0);
  },
  "ETXTBSY for writing to a program that runs": async (s) => {
    copyFileSync("/bin/sleep", s.path("sleep"));
    const child = spawn(s.path("sleep"), ["60"], { stdio: "ignore" });
    try {
      await once(child, "spawn");
      refused("ETXTBSY", () => s.open(s.path("sleep"), O.WRONLY));
      refused("ETXTBSY", () => truncate(s.path("sleep"), 0));
      unlinkSync(s.path("sleep"));
    } finally {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    }
  },
  "ETXTBSY for running a program that is open for writing": (s) => {
    copyFileSync("/bin/true", s.path("true"));
    const fd = s.open(s.path("true"), O.RDWR);
    fsyncSync(fd);
    const { error } = spawnSync(s.path("true"));
    assert.ok(error !== undefined && "code" in error && error.code === "ETXTBSY");
    s.close(fd);
    assert.equal(spawnSync(s.path("true")).status, 0);
  },
  "EACCES for running what may not be executed, by root too": (s) => {
    copyFileSync("/bin/true", s.path("true"));
    s.file("script", "#!/bin/sh\nexit 0\n", 0o644);
    const { error } = spawnSync(s.path("script"));
    assert.ok(error !== undefined && "code" in error && error.code === "EACCES");
  },
  "a set-id program runs as its owner": (s) => {
    copyFileSync("/usr/bin/id", s.path("id"));
    chownSync(s.path("id"), ALICE.uid, ALICE.gid);
    chmodSync(s.path("id"), 0o6755);
    const { stdout } = spawnSync(s.path("id"), ["-u"], { encoding: "latin1" });
    assert.equal(stdout.trim(), `${ALICE.uid}`);
  },
  "syncfs writes everything out": (s) => {
    const fd = s.opened("file");
    write(fd, "x".repeat(100_000));
    syncfs(fd);
  },
});
