/** mknod(2) and mkfifo(3). */
import assert from "node:assert/strict";
import { symlinkSync, unlinkSync } from "node:fs";
import { Capability, lstatx, makedev, mknod } from "@bulkhead/linux";
import { O, read, S, write } from "../calls.js";
import { group } from "../case.js";
import { refused } from "../expect.js";
import { ALICE, as, rootWithout } from "../identities.js";

export const nodes = group("mknod", {
  "a fifo carries bytes from one end to the other": (s) => {
    mknod(s.path("fifo"), S.FIFO | 0o644);
    const reader = s.open(s.path("fifo"), O.RDONLY | O.NONBLOCK);
    write(s.open(s.path("fifo"), O.WRONLY), "through");
    assert.equal(read(reader, 20).toString(), "through");
    assert.equal(lstatx(s.path("fifo")).size, 0);
  },
  "a node has the mode asked less the umask, and one link": (s) => {
    for (const type of [S.FIFO, S.SOCK, S.REG, S.CHR, S.BLK]) {
      const path = s.path(String(type));
      mknod(path, type | 0o666, 0x103);
      assert.equal(lstatx(path).mode, type | 0o644);
      assert.equal(lstatx(path).nlink, 1);
    }
  },
  "a mode without type makes a regular file": (s) => {
    mknod(s.path("file"), 0o600);
    assert.equal(lstatx(s.path("file")).mode, S.REG | 0o600);
  },
  "device numbers of any size are kept": (s) => {
    for (const [major, minor] of [
      [1, 3],
      [255, 255],
      [259, 70_000],
      [4095, 1_048_575],
      [0, 0],
    ] as const) {
      const path = s.path(`${major}-${minor}`);
      mknod(path, S.BLK | 0o600, makedev(major, minor));
      const { rdevMajor, rdevMinor } = lstatx(path);
      assert.deepEqual([rdevMajor, rdevMinor], [major, minor]);
    }
  },
  "a node belongs to whoever made it": (s) => {
    as(ALICE, () => mknod(s.path("fifo"), S.FIFO | 0o600));
    assert.deepEqual([lstatx(s.path("fifo")).uid, lstatx(s.path("fifo")).gid], [ALICE.uid, ALICE.gid]);
  },
  "EPERM for a device without CAP_MKNOD": (s) => {
    refused("EPERM", () => as(ALICE, () => mknod(s.path("device"), S.CHR | 0o600, 0x103)));
    refused("EPERM", () => as(rootWithout(Capability.MKNOD), () => mknod(s.path("device"), S.BLK, 0x103)));
    refused("ENOENT", () => lstatx(s.path("device")));
  },
  "anyone makes fifos and sockets": (s) => {
    as(ALICE, () => mknod(s.path("fifo"), S.FIFO));
    as(ALICE, () => mknod(s.path("socket"), S.SOCK));
  },
  "EPERM for a directory": (s) => refused("EPERM", () => mknod(s.path("folder"), S.DIR | 0o755)),
  "EINVAL for a symbolic link": (s) => refused("EINVAL", () => mknod(s.path("link"), S.LNK | 0o777)),
  "EEXIST for a name that is taken, a dangling symbolic link's too": (s) => {
    s.file("file");
    symlinkSync("missing", s.path("link"));
    refused("EEXIST", () => mknod(s.path("file"), S.FIFO));
    refused("EEXIST", () => mknod(s.path("link"), S.FIFO));
  },
  "EACCES in a directory that may not be written": (s) => {
    s.folder("closed", 0o755);
    refused("EACCES", () => as(ALICE, () => mknod(s.path("closed", "fifo"), S.FIFO)));
  },
  "a fifo that is open works on after its name is gone": (s) => {
    mknod(s.path("fifo"), S.FIFO | 0o600);
    const fd = s.open(s.path("fifo"), O.RDWR);
    unlinkSync(s.path("fifo"));
    write(fd, "on");
    assert.equal(read(fd, 2).toString(), "on");
  },
});
