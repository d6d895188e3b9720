/** Quota: hard limits of a user and of a group, EDQUOT, and everything is as before. */
import assert from "node:assert/strict";
import {
  chownSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { fallocate, type Identity, lsetxattr, lstatx, mknod, syncfs } from "@bulkhead/linux";
import { aligned, O, pread, pwrite, S } from "../calls.js";
import { alone, type Case, group, needing } from "../case.js";
import { codeOf, refused } from "../expect.js";
import { Needs } from "../facts.js";
import { as, LIMITED, LIMITED_GROUP, MEMBER } from "../identities.js";
import { LIMITS } from "../prepare.js";
import type { Subject } from "../subject.js";

const LIMIT = LIMITS.kibibytes * 1024;

/** Makes files until one too many is due; the names. One inode is there from the beginning. */
function fillInodes(s: Subject, who: Identity): string[] {
  const names = Array.from({ length: LIMITS.inodes - 1 }, (_, i) => s.path(`inode-${i}`));
  as(who, () => {
    for (const name of names) mknod(name, S.REG | 0o644);
  });
  for (const name of names) s.defer(() => unlinkSync(name));
  return names;
}

function openDirect(s: Subject, who: Identity): number {
  const fd = as(who, () => s.open(s.path("file"), O.RDWR | O.CREAT | O.DIRECT));
  s.defer(() => unlinkSync(s.path("file")));
  return fd;
}

function casesOf(who: Identity, whose: string): Case[] {
  return group(`quota of ${whose}`, {
    "EDQUOT for an inode too many, of any type, and nothing is left of it": needing(
      Needs.quota,
      alone((s) => {
        const names = fillInodes(s, who);
        as(who, () => {
          refused("EDQUOT", () => s.open(s.path("new"), O.WRONLY | O.CREAT));
          refused("EDQUOT", () => mkdirSync(s.path("folder")));
          refused("EDQUOT", () => symlinkSync("x", s.path("link")));
          refused("EDQUOT", () => mknod(s.path("fifo"), S.FIFO));
          refused("EDQUOT", () => s.open(s.directory, O.TMPFILE | O.RDWR));
        });
        assert.equal(readdirSync(s.directory).length, names.length);
      }),
    ),
    "an inode that is removed makes room for another": needing(
      Needs.quota,
      alone(async (s) => {
        const [first = ""] = fillInodes(s, who);
        as(who, () => unlinkSync(first));
        await s.soon(() => as(who, () => mknod(first, S.REG | 0o644)));
        refused("EDQUOT", () => as(who, () => mknod(s.path("new"), S.REG | 0o644)));
      }),
    ),
    "EDQUOT for a direct write, and what was written stays": needing(
      Needs.quota,
      alone((s) => {
        const fd = openDirect(s, who);
        const bytes = aligned(4096, 0x71);
        let size = 0;
        refused("EDQUOT", () => {
          for (; size <= LIMIT; size += 4096) as(who, () => pwrite(fd, bytes, size));
        });
        assert.ok(size >= LIMIT - 4096, `${size} bytes`); // a block of extents may count as well
        assert.equal(fstatSync(fd).size, size);
        assert.ok(fstatSync(fd).blocks <= LIMIT / 512);
        assert.ok(readFileSync(s.path("file")).every((byte) => byte === 0x71));
        as(who, () => pwrite(fd, aligned(4096, 0x72), 0));
      }),
    ),
    "EDQUOT for a buffered write, from its fsync at the latest": needing(
      Needs.quota,
      alone((s) => {
        const fd = as(who, () => s.open(s.path("file"), O.RDWR | O.CREAT));
        s.defer(() => unlinkSync(s.path("file")));
        as(who, () => pwrite(fd, "x".repeat(LIMIT / 2), 0));
        fsyncSync(fd);
        refused("EDQUOT", () => {
          as(who, () => pwrite(fd, "x".repeat(2 * LIMIT), LIMIT / 2));
          fsyncSync(fd);
        });
        // Whoever asks next for the whole file system is told as well, once: not another case.
        try {
          syncfs(fd);
        } catch (error) {
          assert.equal(codeOf(error), "EDQUOT");
        }
        assert.ok(lstatx(s.path("file")).blocks <= LIMIT / 512);
      }),
    ),
    "root writes beyond it": needing(
      Needs.quota,
      alone((s) => {
        const fd = openDirect(s, who);
        assert.equal(pwrite(fd, aligned(2 * LIMIT), 0), 2 * LIMIT);
        refused("EDQUOT", () => as(who, () => pwrite(fd, aligned(4096), 2 * LIMIT)));
      }),
    ),
    "EDQUOT for fallocate of more than is left, and what is there stays": needing(
      Needs.quota,
      alone((s) => {
        const fd = as(who, () => s.open(s.path("file"), O.RDWR | O.CREAT));
        s.defer(() => unlinkSync(s.path("file")));
        pwrite(fd, "kept", 0);
        fsyncSync(fd);
        refused("EDQUOT", () => as(who, () => fallocate(fd, 0, 0, 2 * LIMIT)));
        assert.equal(pread(fd, 4, 0).toString(), "kept");
      }),
    ),
    "EDQUOT for the block of a large attribute": needing(
      Needs.quota,
      alone((s) => {
        const fd = openDirect(s, who);
        as(who, () => pwrite(fd, aligned(LIMIT), 0));
        refused("EDQUOT", () => as(who, () => lsetxattr(s.path("file"), "user.a", new Uint8Array(900))));
      }),
    ),
  });
}

export const quota = [
  ...casesOf(LIMITED, "a user"),
  ...casesOf(MEMBER, "a group"),
  ...group("quota", {
    "a file that is given away counts for its new owner": needing(
      Needs.quota,
      alone((s) => {
        const path = s.file("file");
        for (let i = 0; i < LIMITS.inodes - 1; i++) chownSync(s.file(`file-${i}`), LIMITED.uid, LIMITED_GROUP);
        s.defer(() => {
          for (let i = 0; i < LIMITS.inodes - 1; i++) unlinkSync(s.path(`file-${i}`));
        });
        refused("EDQUOT", () => as(LIMITED, () => mknod(s.path("new"), S.REG)));
        refused("EDQUOT", () => as(MEMBER, () => mknod(s.path("new"), S.REG)));
        chownSync(path, LIMITED.uid, LIMITED_GROUP); // root's doing knows no limit
      }),
    ),
    "root's buffered writes to files of its own know no limit of their group": needing(
      Needs.quota,
      alone((s) => {
        const fd = s.opened("file");
        s.defer(() => unlinkSync(s.path("file")));
        fchownSync(fd, 0, LIMITED_GROUP);
        pwrite(fd, "x".repeat(2 * LIMIT), 0);
        fsyncSync(fd);
      }),
    ),
  }),
];
