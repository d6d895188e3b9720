/** Which times each call changes: atime, mtime, ctime, and the time of birth. */
import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  fchmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import {
  copyFileRange,
  Falloc,
  fallocate,
  ftruncate,
  getInodeFlags,
  InodeFlag,
  lremovexattr,
  lsetxattr,
  lstatx,
  mknod,
  Rename,
  rename,
  STATX_BTIME,
  setInodeFlags,
  type Timespec,
  truncate,
  UTIME_OMIT,
  utimens,
} from "@bulkhead/linux";
import { aligned, O, preadInto, pwrite, read, S, write } from "../calls.js";
import { type Case, group, needing } from "../case.js";
import { nanoseconds, refused, touched, touchedEach } from "../expect.js";
import { Needs } from "../facts.js";
import { ALICE, as } from "../identities.js";
import type { Subject } from "../subject.js";

const time = (seconds: number, nanoseconds = 0): Timespec => ({ seconds, nanoseconds });
const OMIT = time(0, UTIME_OMIT);

/** What an action on `file` changes of it. */
type Action = (s: Subject, path: string) => unknown;

function thereAndBack(path: string, other: string): void {
  rename(path, other);
  rename(other, path);
}

const onFile: Readonly<Record<string, readonly [expected: string, action: Action]>> = {
  "chmod changes ctime": ["ctime", (_, path) => chmodSync(path, 0o600)],
  "chown changes ctime": ["ctime", (_, path) => chownSync(path, 5, 6)],
  "link changes ctime": ["ctime", (s, path) => linkSync(path, s.path("other"))],
  "rename changes ctime": ["ctime", (s, path) => thereAndBack(path, s.path("elsewhere"))],
  "setxattr changes ctime": ["ctime", (_, path) => lsetxattr(path, "user.b", Uint8Array.of(1))],
  "removexattr changes ctime": ["ctime", (_, path) => lremovexattr(path, "user.a")],
  "utimensat changes ctime and what it sets": ["mtime ctime", (_, path) => utimens(path, OMIT, time(7))],
  "write changes mtime and ctime": ["mtime ctime", (s, path) => write(s.open(path, O.WRONLY), "x")],
  "pwrite beyond the end changes mtime and ctime": [
    "mtime ctime",
    (s, path) => pwrite(s.open(path, O.WRONLY), "x", 50_000),
  ],
  "write of nothing changes no time": ["", (s, path) => write(s.open(path, O.WRONLY), "")],
  "truncate to a smaller size changes mtime and ctime": ["mtime ctime", (_, path) => truncate(path, 1)],
  "truncate to a larger size changes mtime and ctime": ["mtime ctime", (_, path) => truncate(path, 10_000)],
  "ftruncate to the same size changes mtime and ctime": [
    "mtime ctime",
    (s, path) => ftruncate(s.open(path, O.WRONLY), 8),
  ],
  "truncate to the same size changes mtime and ctime": ["mtime ctime", (_, path) => truncate(path, 8)],
  "open with O_TRUNC changes mtime and ctime": ["mtime ctime", (s, path) => s.open(path, O.WRONLY | O.TRUNC)],
  "open changes no time": ["", (s, path) => s.close(s.open(path, O.RDWR))],
  "fchmod changes ctime": ["ctime", (s, path) => fchmodSync(s.open(path, O.RDONLY), 0o600)],
  "SETFLAGS changes ctime": [
    "ctime",
    (s, path) => {
      const fd = s.open(path, O.RDONLY);
      setInodeFlags(fd, getInodeFlags(fd) | InodeFlag.NODUMP);
    },
  ],
  "copy_file_range changes mtime and ctime of where it copies to": [
    "mtime ctime",
    (s, path) => copyFileRange(s.opened("source", "data"), 0, s.open(path, O.WRONLY), 0, 4),
  ],
  "a refused chmod changes no time": ["", (_, path) => refused("EPERM", () => as(ALICE, () => chmodSync(path, 0)))],
};

const allocating: Readonly<Record<string, readonly [string, Action]>> = {
  "fallocate changes mtime and ctime": ["mtime ctime", (s, path) => fallocate(s.open(path, O.RDWR), 0, 0, 100_000)],
  "punching a hole changes mtime and ctime": [
    "mtime ctime",
    (s, path) => fallocate(s.open(path, O.RDWR), Falloc.PUNCH_HOLE | Falloc.KEEP_SIZE, 0, 4),
  ],
  "zeroing a range changes mtime and ctime": [
    "mtime ctime",
    (s, path) => fallocate(s.open(path, O.RDWR), Falloc.ZERO_RANGE, 0, 4),
  ],
};

const inDirectory: Readonly<Record<string, readonly [expected: string, action: Action]>> = {
  "creating a file": ["mtime ctime", (s) => s.file("folder/new")],
  mkdir: ["mtime ctime", (s) => mkdirSync(s.path("folder", "new"))],
  mknod: ["mtime ctime", (s) => mknod(s.path("folder", "new"), S.FIFO)],
  symlink: ["mtime ctime", (s) => symlinkSync("x", s.path("folder", "new"))],
  link: ["mtime ctime", (s) => linkSync(s.path("folder", "file"), s.path("folder", "new"))],
  unlink: ["mtime ctime", (s) => unlinkSync(s.path("folder", "file"))],
  rmdir: ["mtime ctime", (s) => rmdirSync(s.path("folder", "empty"))],
  "renaming within": ["mtime ctime", (s) => rename(s.path("folder", "file"), s.path("folder", "new"))],
  "renaming out": ["mtime ctime", (s) => rename(s.path("folder", "file"), s.path("new"))],
  "renaming in": ["mtime ctime", (s) => rename(s.file("outside"), s.path("folder", "new"))],
  "renaming over a name": ["mtime ctime", (s) => rename(s.path("folder", "file"), s.path("folder", "other"))],
  exchanging: ["mtime ctime", (s) => rename(s.path("folder", "file"), s.path("folder", "other"), Rename.EXCHANGE)],
  "a refused mkdir changes none of them": ["", (s) => refused("EEXIST", () => mkdirSync(s.path("folder", "file")))],
  "writing to a file in it changes none of them": ["", (s) => write(s.open(s.path("folder", "file"), O.WRONLY), "x")],
};

function stamps(): Case[] {
  const cases: Case[] = [];
  for (const [name, [expected, action]] of Object.entries({ ...onFile, ...allocating })) {
    const claim = async (s: Subject): Promise<void> => {
      const path = s.file("file", "contents");
      lsetxattr(path, "user.a", Uint8Array.of(1));
      // relatime has nothing to do: atime is later than mtime and ctime.
      utimens(path, time(s.facts.inodeSize > 128 ? 4_000_000_000 : 2_000_000_000), OMIT);
      assert.equal(await touched(s, path, () => action(s, path)), expected);
    };
    cases.push(...group("times", { [name]: name in allocating ? needing(Needs.extents, claim) : claim }));
  }
  for (const [name, [expected, action]] of Object.entries(inDirectory)) {
    const claim = async (s: Subject): Promise<void> => {
      const folder = s.folder("folder");
      for (const file of ["file", "other"]) s.file(`folder/${file}`);
      s.folder("folder/empty");
      assert.equal(await touched(s, folder, () => action(s, folder)), expected);
    };
    cases.push(
      ...group("times of a directory", { [expected === "" ? name : `${name} changes mtime and ctime`]: claim }),
    );
  }
  return cases;
}

const others = group("times", {
  "a new inode's times are now": (s) => {
    s.file("file");
    s.folder("folder");
    mknod(s.path("fifo"), S.FIFO);
    symlinkSync("x", s.path("link"));
    for (const name of ["folder", "fifo", "link"]) {
      const { atime, mtime, ctime } = lstatx(s.path(name));
      assert.ok(Math.abs(ctime.seconds - Date.now() / 1000) < 30);
      assert.deepEqual(atime, mtime);
      assert.ok(nanoseconds(ctime) - nanoseconds(mtime) < 1_000_000_000n); // attributes may follow a tick later
    }
  },
  "a new inode has a time of birth, which nothing changes": needing(Needs.largeInodes, async (s) => {
    const path = s.file("file");
    const { btime, mask } = lstatx(path);
    assert.ok(mask & STATX_BTIME);
    assert.ok(Math.abs(btime.seconds - Date.now() / 1000) < 30);
    await s.tick();
    utimens(path, time(1), time(2));
    chmodSync(path, 0o600);
    rename(path, s.path("new"));
    assert.deepEqual(lstatx(s.path("new")).btime, btime);
  }),
  "an inode of 128 bytes has no time of birth": needing(Needs.smallInodes, (s) => {
    assert.equal(lstatx(s.file("file")).mask & STATX_BTIME, 0);
  }),
  "times of small inodes are whole seconds from the start": needing(Needs.smallInodes, (s) => {
    const { atime, mtime, ctime } = lstatx(s.file("file", "contents"));
    assert.deepEqual([atime.nanoseconds, mtime.nanoseconds, ctime.nanoseconds], [0, 0, 0]);
  }),
  "reading changes atime, when it is no later than mtime": async (s) => {
    const path = s.file("file", "x");
    const fd = s.open(path, O.RDONLY);
    assert.equal(await touched(s, path, () => read(fd, 1)), "atime");
  },
  "reading directly changes atime, when it is no later than mtime": async (s) => {
    const path = s.file("file", Buffer.alloc(4096));
    const fd = s.open(path, O.RDONLY | O.DIRECT);
    assert.equal(await touched(s, path, () => preadInto(fd, aligned(4096), 0)), "atime");
  },
  "SETFLAGS changes ctime of a directory": async (s) => {
    const fd = s.open(s.folder("folder"), O.RDONLY);
    const changed = await touched(s, s.path("folder"), () => setInodeFlags(fd, getInodeFlags(fd) | InodeFlag.NODUMP));
    assert.equal(changed, "ctime");
  },
  "reading again soon changes no time": async (s) => {
    const path = s.file("file", "x");
    await s.tick();
    preadInto(s.open(path, O.RDONLY | O.DIRECT), aligned(4096), 0); // what the cache holds need not be asked for
    assert.equal(await touched(s, path, () => readFileSync(path)), "");
  },
  "reading with O_NOATIME changes no time": async (s) => {
    const path = s.file("file", "x");
    const fd = s.open(path, O.RDONLY | O.NOATIME);
    assert.equal(await touched(s, path, () => read(fd, 1)), "");
  },
  "writing a part of a page through a descriptor for writing alone changes no atime": async (s) => {
    const path = s.file("file");
    pwrite(s.open(path, O.WRONLY | O.DIRECT), aligned(4096, 0x78), 0); // so that no page of it is in the cache
    const changed = await touched(s, path, () => {
      pwrite(s.open(path, O.WRONLY), "x", 10);
      chmodSync(path, 0o600); // no time of access is remembered over it
    });
    assert.equal(changed, "mtime ctime");
  },
  "copy_file_range changes atime of where it copies from": async (s) => {
    const path = s.file("file", "contents");
    assert.equal(await touched(s, path, () => copyFileRange(s.open(path, O.RDONLY), 0, s.opened("to"), 0, 4)), "atime");
  },
  "setxattr of what is there changes no time of a directory": async (s) => {
    const path = s.folder("folder");
    lsetxattr(path, "user.a", Uint8Array.of(1));
    assert.equal(await touched(s, path, () => lsetxattr(path, "user.a", Uint8Array.of(1))), "");
  },
  "setxattr of what is there changes no time of a file": async (s) => {
    const path = s.file("file");
    lsetxattr(path, "user.a", Uint8Array.of(1));
    assert.equal(await touched(s, path, () => lsetxattr(path, "user.a", Uint8Array.of(1))), "");
  },
  "listing a directory changes its atime": async (s) => {
    const path = s.folder("folder");
    s.file("folder/file");
    assert.equal(await touched(s, path, () => readdirSync(path)), "atime");
  },
  "following a symbolic link changes its atime": async (s) => {
    symlinkSync("target", s.path("link"));
    assert.equal(await touched(s, s.path("link"), () => readlinkSync(s.path("link"))), "atime");
  },
  "unlink changes ctime of what keeps other names": async (s) => {
    linkSync(s.file("file"), s.path("other"));
    assert.equal(await touched(s, s.path("other"), () => unlinkSync(s.path("file"))), "ctime");
  },
  "being replaced changes ctime of what keeps other names": async (s) => {
    linkSync(s.file("file"), s.path("other"));
    s.file("new");
    assert.equal(await touched(s, s.path("other"), () => rename(s.path("new"), s.path("file"))), "ctime");
  },
  "rename between directories changes both": async (s) => {
    const [from, to] = [s.folder("from"), s.folder("to")];
    s.file("from/file");
    const changed = await touchedEach(s, [from, to], () => rename(s.path("from", "file"), s.path("to", "file")));
    assert.deepEqual(changed, ["mtime ctime", "mtime ctime"]);
  },
  "exchange changes ctime of both inodes, and no other time": async (s) => {
    const [a, b] = [lstatx(s.file("a")), lstatx(s.file("b"))];
    await s.tick();
    rename(s.path("a"), s.path("b"), Rename.EXCHANGE);
    const [newB, newA] = [lstatx(s.path("a")), lstatx(s.path("b"))];
    for (const [before, after] of [
      [a, newA],
      [b, newB],
    ] as const) {
      assert.deepEqual([after.ino, after.atime, after.mtime], [before.ino, before.atime, before.mtime]);
      assert.ok(nanoseconds(after.ctime) > nanoseconds(before.ctime));
    }
  },
  "a file's times survive its being closed and opened": async (s) => {
    const path = s.file("file");
    const fd = s.open(path, O.WRONLY);
    await s.tick();
    write(fd, "x");
    const before = lstatx(path).mtime;
    s.close(s.open(path, O.RDONLY));
    assert.equal(nanoseconds(lstatx(path).mtime), nanoseconds(before));
  },
});

export const stamping = [...stamps(), ...others];
