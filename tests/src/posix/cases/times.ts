/** utimensat(2), futimens(3), and which times each call changes. */
import assert from "node:assert/strict";
import { fsyncSync, symlinkSync, unlinkSync } from "node:fs";
import {
  Capability,
  futimens,
  lstatx,
  lutimens,
  mknod,
  type Timespec,
  UTIME_NOW,
  UTIME_OMIT,
  utimens,
  utimensNow,
} from "@bulkhead/linux";
import { S, write } from "../calls.js";
import { group, needing } from "../case.js";
import { refused, touched } from "../expect.js";
import { Needs } from "../facts.js";
import { ALICE, as, BOB, rootWithout } from "../identities.js";

const time = (seconds: number, ns = 0): Timespec => ({ seconds, nanoseconds: ns });
const NOW = time(0, UTIME_NOW);
const OMIT = time(0, UTIME_OMIT);

function times(path: string): readonly Timespec[] {
  const { atime, mtime } = lstatx(path);
  return [atime, mtime];
}

/** The range of seconds that the kernel's `ext4` keeps in inodes over 128 bytes, and in those of 128. */
const EARLIEST = -(2 ** 31);
const LATEST = 2 ** 34 - 2 ** 31 - 1;
const LATEST_SMALL = 2 ** 31 - 1;

export const utimensat = group("utimensat", {
  "keeps nanoseconds": needing(Needs.largeInodes, (s) => {
    const path = s.file("file");
    utimens(path, time(1_000_000_000, 1), time(1_500_000_000, 999_999_999));
    assert.deepEqual(times(path), [time(1_000_000_000, 1), time(1_500_000_000, 999_999_999)]);
  }),
  "keeps whole seconds in small inodes": needing(Needs.smallInodes, (s) => {
    const path = s.file("file");
    utimens(path, time(1_000_000_000, 500), time(1_500_000_000, 999_999_999));
    assert.deepEqual(times(path), [time(1_000_000_000), time(1_500_000_000)]);
  }),
  "keeps times before 1970": (s) => {
    const path = s.file("file");
    utimens(path, time(-1), time(EARLIEST));
    assert.deepEqual(times(path), [time(-1), time(EARLIEST)]);
  },
  "keeps times up to 2446": needing(Needs.largeInodes, (s) => {
    const path = s.file("file");
    for (const at of [2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 33, LATEST]) {
      utimens(path, time(at), time(at));
      assert.deepEqual(times(path), [time(at), time(at)]);
    }
  }),
  "takes the nearest access time it can keep": (s) => {
    const path = s.file("file");
    const latest = s.facts.inodeSize > 128 ? LATEST : LATEST_SMALL;
    for (const [given, kept] of [
      [EARLIEST - 1, EARLIEST],
      [latest + 1, latest],
    ] as const) {
      utimens(path, time(given), OMIT);
      assert.deepEqual(times(path)[0], time(kept));
    }
  },
  "the first and the last second are whole": (s) => {
    const latest = s.facts.inodeSize > 128 ? LATEST : LATEST_SMALL;
    for (const path of [s.file("file"), s.folder("folder")]) {
      for (const at of [EARLIEST, latest, EARLIEST - 1, latest + 1]) {
        utimens(path, time(at, 5), OMIT);
        assert.equal(times(path)[0]!.nanoseconds, 0);
      }
    }
  },
  "takes the nearest modification time that it can keep, of a directory": (s) => {
    const path = s.folder("folder");
    const latest = s.facts.inodeSize > 128 ? LATEST : LATEST_SMALL;
    for (const [given, kept] of [
      [EARLIEST - 1, EARLIEST],
      [latest + 1, latest],
    ] as const) {
      utimens(path, OMIT, time(given, 5));
      assert.deepEqual(times(path)[1], time(kept));
    }
  },
  "takes the nearest modification time it can keep": (s) => {
    const path = s.file("file");
    const latest = s.facts.inodeSize > 128 ? LATEST : LATEST_SMALL;
    for (const [given, kept] of [
      [EARLIEST - 1, EARLIEST],
      [latest + 1, latest],
    ] as const) {
      utimens(path, OMIT, time(given));
      assert.deepEqual(times(path)[1], time(kept));
    }
  },
  "OMIT leaves one time, and both": async (s) => {
    const path = s.file("file");
    utimens(path, time(10), time(20));
    utimens(path, OMIT, time(30));
    assert.deepEqual(times(path), [time(10), time(30)]);
    utimens(path, time(40), OMIT);
    assert.deepEqual(times(path), [time(40), time(30)]);
    assert.equal(await touched(s, path, () => utimens(path, OMIT, OMIT)), "");
  },
  "NOW is now": (s) => {
    const path = s.file("file");
    utimens(path, time(10), time(20));
    utimens(path, NOW, OMIT);
    const [atime, mtime] = times(path);
    assert.ok(Math.abs(atime!.seconds - Date.now() / 1000) < 30);
    assert.deepEqual(mtime, time(20));
    utimens(path, time(10), NOW);
    assert.ok(Math.abs(times(path)[1]!.seconds - Date.now() / 1000) < 30);
    assert.deepEqual(times(path)[0], time(10));
  },
  "no times are both now": (s) => {
    const path = s.file("file");
    utimens(path, time(10), time(20));
    utimensNow(path);
    for (const at of times(path)) assert.ok(Math.abs(at.seconds - Date.now() / 1000) < 30);
  },
  "follows symbolic links, and AT_SYMLINK_NOFOLLOW does not": (s) => {
    s.file("file");
    symlinkSync("file", s.path("link"));
    utimens(s.path("link"), time(10), time(20));
    lutimens(s.path("link"), time(30), time(40));
    assert.deepEqual(times(s.path("file")), [time(10), time(20)]);
    assert.deepEqual(times(s.path("link")), [time(30), time(40)]);
  },
  "of directories, fifos and devices": (s) => {
    s.folder("folder");
    mknod(s.path("fifo"), S.FIFO);
    mknod(s.path("device"), S.CHR, 0x103);
    for (const name of ["folder", "fifo", "device"]) {
      utimens(s.path(name), time(10), time(20));
      assert.deepEqual(times(s.path(name)), [time(10), time(20)]);
    }
  },
  "futimens reaches a file without a name": (s) => {
    const fd = s.opened("file");
    unlinkSync(s.path("file"));
    futimens(fd, time(10), time(20));
  },
  "a time set stays when data written before reaches the device": (s) => {
    const fd = s.opened("file");
    write(fd, "x".repeat(10_000));
    futimens(fd, time(10), time(20));
    fsyncSync(fd);
    s.close(fd);
    assert.deepEqual(times(s.path("file")), [time(10), time(20)]);
  },
  "EINVAL for a billion nanoseconds": (s) => {
    const path = s.file("file");
    refused("EINVAL", () => utimens(path, time(0, 1_000_000_000), time(0)));
    refused("EINVAL", () => utimens(path, time(0), time(0, 0xffff_ffff)));
  },
  "EPERM for times of one's own choice on another's file, writable or not": (s) => {
    const path = s.file("file", "", 0o666);
    refused("EPERM", () => as(ALICE, () => utimens(path, time(1), time(2))));
    refused("EPERM", () => as(ALICE, () => utimens(path, NOW, OMIT)));
    refused("EPERM", () => as(ALICE, () => lutimens(path, time(1), OMIT)));
    const hers = as(ALICE, () => s.file("hers"));
    refused("EPERM", () => as(rootWithout(Capability.FOWNER), () => utimens(hers, time(1), time(2))));
  },
  "EACCES for now on another's file that may not be written": (s) => {
    const path = s.file("file", "", 0o644);
    refused("EACCES", () => as(ALICE, () => utimensNow(path)));
    refused("EACCES", () => as(ALICE, () => utimens(path, NOW, NOW)));
  },
  "now on another's file that may be written": (s) => {
    const path = s.file("file", "", 0o666);
    utimens(path, time(10), time(20));
    as(ALICE, () => utimensNow(path));
    assert.ok(times(path)[1]!.seconds > 1000);
    utimens(path, time(10), time(20));
    as(BOB, () => utimens(path, NOW, NOW));
    assert.ok(times(path)[0]!.seconds > 1000);
  },
  "the owner chooses times, whatever the mode": (s) => {
    const path = as(ALICE, () => s.file("file", "", 0));
    as(ALICE, () => utimens(path, time(10), time(20)));
    assert.deepEqual(times(path), [time(10), time(20)]);
  },
});
