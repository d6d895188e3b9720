/** A file system that is full, of blocks or of inodes: ENOSPC, and everything is as before. */
import assert from "node:assert/strict";
import {
  fstatSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { fallocate, lgetxattr, lsetxattr, mknod, rename, statfs, syncfs } from "@bulkhead/linux";
import { aligned, O, pread, preadInto, pwrite, S, write } from "../calls.js";
import { alone, group, needing } from "../case.js";
import { allBytes, codeOf, refused } from "../expect.js";
import { Needs } from "../facts.js";
import { ALICE, as } from "../identities.js";
import type { Subject } from "../subject.js";

/** Does `step` until it is refused, which is due with ENOSPC; how often it was not. */
function untilFull(step: (i: number) => void, limit = 100_000): number {
  for (let i = 0; i < limit; i++) {
    try {
      step(i);
    } catch (error) {
      assert.equal(codeOf(error), "ENOSPC");
      return i;
    }
  }
  assert.fail(`not full after ${limit} steps`);
}

/**
 * Writes to a file until nothing more goes in, directly: what goes into the page cache is only a promise, and whoever made
 * it learns at fsync that it cannot be kept. The file's descriptor.
 */
function fillBlocks(s: Subject, name = "filler"): number {
  const fd = s.open(s.path(name), O.RDWR | O.CREAT | O.DIRECT);
  let position = 0;
  for (const length of [1 << 16, s.facts.blockSize]) {
    const bytes = aligned(length, 0x66);
    untilFull(() => {
      position += pwrite(fd, bytes, position);
    });
  }
  return fd;
}

/** Makes empty files until there is no inode left; their names. */
function fillInodes(s: Subject): string[] {
  const names: string[] = [];
  untilFull((i) => {
    mknod(s.path(`inode-${i}`), S.REG | 0o644);
    names.push(`inode-${i}`);
  });
  return names;
}

function emptied(s: Subject, fd: number, name = "filler"): void {
  s.close(fd);
  unlinkSync(s.path(name));
}

export const full = group(
  "full",
  {
    "ENOSPC for a direct write, and what was written stays": alone((s) => {
      const fd = fillBlocks(s);
      const { size } = fstatSync(fd);
      refused("ENOSPC", () => pwrite(fd, aligned(1 << 16, 0x66), size));
      assert.equal(fstatSync(fd).size, size);
      const bytes = aligned(4096);
      for (let at = 0; at + 4096 <= size; at += 1 << 18) {
        preadInto(fd, bytes, at);
        allBytes(bytes, 0x66);
      }
    }),
    "ENOSPC for a write or the fsync behind it, and what was synced stays": alone((s) => {
      const fd = s.opened("file");
      let synced = 0;
      untilFull((i) => {
        pwrite(fd, Buffer.alloc(1 << 16, 0x66), i << 16);
        fsyncSync(fd);
        synced = (i + 1) << 16;
      });
      assert.ok(synced > 1 << 18);
      try {
        syncfs(fd); // may tell the same once more; untold, it would be told to the next who asks
      } catch (error) {
        assert.equal(codeOf(error), "ENOSPC");
      }
      allBytes(readFileSync(s.path("file")).subarray(0, synced), 0x66);
    }),
    "what is there is overwritten": alone((s) => {
      const file = s.opened("file", Buffer.alloc(20_000, 0x61));
      fsyncSync(file);
      fillBlocks(s);
      pwrite(file, Buffer.alloc(20_000, 0x62), 0);
      fsyncSync(file);
      allBytes(readFileSync(s.path("file")), 0x62);
    }),
    "all of it is free again when the file is gone": alone(async (s) => {
      const before = statfs(s.mountPoint);
      for (let i = 0; i < 2; i++) {
        const fd = fillBlocks(s);
        assert.ok(statfs(s.mountPoint).bfree < before.bfree / 4);
        emptied(s, fd);
        syncfs(s.open(s.directory, O.RDONLY));
        await s.soon(() => {
          const after = statfs(s.mountPoint);
          assert.deepEqual([after.bfree, after.ffree], [before.bfree, before.ffree]);
        });
      }
    }),
    "the reserved blocks are root's": alone((s) => {
      const { bfree, bavail } = statfs(s.mountPoint);
      assert.ok(bavail < bfree);
      as(ALICE, () => fillBlocks(s));
      const left = statfs(s.mountPoint);
      assert.ok(left.bavail <= 1 && left.bfree > 1, `${left.bavail} of ${left.bfree} left`);
      const bytes = aligned(4 * 4096, 1);
      const hers = as(ALICE, () => s.open(s.path("hers"), O.RDWR | O.CREAT | O.DIRECT));
      refused("ENOSPC", () => as(ALICE, () => pwrite(hers, bytes, 0)));
      assert.equal(pwrite(s.open(s.path("roots"), O.RDWR | O.CREAT | O.DIRECT), bytes, 0), bytes.length);
    }),
    "ENOSPC for mkdir, a long symbolic link, a large attribute, and nothing is left of them": alone((s) => {
      s.file("file");
      fillBlocks(s);
      const before = statfs(s.mountPoint).ffree;
      if (!s.facts.features.includes("inline_data")) {
        refused("ENOSPC", () => mkdirSync(s.path("folder")));
        refused("ENOSPC", () => symlinkSync("t".repeat(900), s.path("link")));
      }
      refused("ENOSPC", () => lsetxattr(s.path("file"), "user.a", new Uint8Array(900)));
      assert.equal(lgetxattr(s.path("file"), "user.a"), undefined);
      assert.deepEqual(readdirSync(s.directory).sort(), ["file", "filler"]);
      assert.equal(statfs(s.mountPoint).ffree, before);
    }),
    "ENOSPC for a name that needs a new directory block; those that do not go on": alone((s) => {
      s.file("file");
      fillBlocks(s);
      const count = untilFull((i) => linkSync(s.path("file"), s.path(`${"n".repeat(200)}${i}`)), 10_000);
      assert.equal(readdirSync(s.directory).length, count + 2);
      assert.equal(fstatSync(s.open(s.path("file"), O.RDONLY)).nlink, count + 1);
      unlinkSync(s.path(`${"n".repeat(200)}0`));
      linkSync(s.path("file"), s.path(`${"n".repeat(200)}0`)); // there is room again, for what hashes to the same block
    }),
    "renaming and removing need no space": alone((s) => {
      for (const name of ["a", "b", "c"]) fsyncSync(s.opened(name, Buffer.alloc(3 * s.facts.blockSize, 1)));
      s.folder("folder");
      fillBlocks(s);
      rename(s.path("a"), s.path("d"));
      rename(s.path("b"), s.path("c"));
      unlinkSync(s.path("d"));
      ftruncateSync(s.open(s.path("c"), O.WRONLY), 10);
    }),
    "ENOSPC for fallocate of more than there is": needing(
      Needs.extents,
      alone(async (s) => {
        const before = statfs(s.mountPoint);
        const fd = s.opened("file", "kept");
        fsyncSync(fd);
        refused("ENOSPC", () => fallocate(fd, 0, 0, 1 << 30));
        assert.equal(pread(fd, 4, 0).toString(), "kept");
        emptied(s, fd, "file");
        syncfs(s.open(s.directory, O.RDONLY));
        await s.soon(() => assert.equal(statfs(s.mountPoint).bfree, before.bfree));
      }),
    ),
    "ENOSPC for an inode too many, of any type, and nothing is left of it": alone(async (s) => {
      const names = fillInodes(s);
      assert.equal(statfs(s.mountPoint).ffree, 0);
      refused("ENOSPC", () => mkdirSync(s.path("folder")));
      refused("ENOSPC", () => symlinkSync("x", s.path("link")));
      refused("ENOSPC", () => mknod(s.path("fifo"), S.FIFO));
      refused("ENOSPC", () => s.open(s.directory, O.TMPFILE | O.RDWR));
      assert.deepEqual(readdirSync(s.directory).sort(), [...names].sort());
      linkSync(s.path(names[0]!), s.path("link"));
      unlinkSync(s.path(names[1]!));
      await s.soon(() => s.file("again"));
    }),
    "an unlinked open file's inode is not given to another": alone((s) => {
      const names = fillInodes(s);
      const fd = s.open(s.path(names[0]!), O.RDWR);
      write(fd, "mine");
      unlinkSync(s.path(names[0]!));
      refused("ENOSPC", () => s.open(s.path("new"), O.WRONLY | O.CREAT));
      assert.equal(pread(fd, 4, 0).toString(), "mine");
    }),
  },
  "full",
);
