import assert from "node:assert/strict";
import { test } from "node:test";
import { DirentType } from "@bulkhead/fuse";
import { answer, ready } from "./session-fixture.js";
import { bytesOf, reply, request, text, type WireValues } from "./wire.js";

const readdir = (size: number) => request(28, {}, bytesOf("fuse_read_in", { size }));
const readdirplus = (size: number) => request(44, {}, bytesOf("fuse_read_in", { size }));
const pad = (part: Buffer) => Buffer.concat([part, Buffer.alloc(-part.length & 7)]);
const dirent = (values: WireValues, name: string) =>
  Buffer.concat([bytesOf("fuse_dirent", { namelen: text(name).length, ...values }), text(name)]);

test("READDIR packs records of 24 bytes and a name, padded to 8 with zeros", () => {
  const session = ready({
    READDIR: (_context, _request, entries) => {
      assert.equal(entries.add(text("."), 2, DirentType.DIR, 1), true);
      assert.equal(entries.add(text("eightbyt"), 2 ** 40, DirentType.REG, 2 ** 50), true);
      assert.equal(entries.add(text("ninebytes"), 11, DirentType.LNK, 3), true);
      return 0;
    },
  });
  session.reply.fill(0xee);
  const golden = [
    pad(dirent({ ino: 2, off: 1, type: 4 }, ".")),
    pad(dirent({ ino: 2 ** 40, off: 2 ** 50, type: 8 }, "eightbyt")),
    pad(dirent({ ino: 11, off: 3, type: 10 }, "ninebytes")),
  ];
  assert.deepEqual(answer(session, readdir(4096)), reply(2n, 0, ...golden));
});

test("an entry that does not fit is not begun", () => {
  for (const [size, fits] of [
    [31, 0],
    [32, 1],
    [63, 1],
    [64, 2],
  ] as const) {
    const accepted: boolean[] = [];
    const session = ready({
      READDIR: (_context, _request, entries) => {
        for (const name of ["a", "b", "c"]) accepted.push(entries.add(text(name), 5, DirentType.REG, 1));
        return 0;
      },
    });
    assert.equal(answer(session, readdir(size)).length, 16 + 32 * fits);
    assert.deepEqual(accepted, [fits > 0, fits > 1, fits > 2]);
  }
});

test("READDIRPLUS packs an entry before each record, zeroed until filled", () => {
  const session = ready({
    READDIRPLUS: (_context, _request, entries) => {
      assert.equal(entries.add(text("file"), 12, DirentType.REG, 1), true);
      entries.entry.nodeid = 12;
      entries.entry.attr.mode = 0o100644;
      assert.equal(entries.add(text(".."), 2, DirentType.DIR, 2), true);
      assert.equal(entries.add(text("more"), 13, DirentType.REG, 3), false);
      return 0;
    },
  });
  session.reply.fill(0xee);
  const golden = [
    bytesOf("fuse_entry_out", { nodeid: 12, "attr.mode": 0o100644 }),
    pad(dirent({ ino: 12, off: 1, type: 8 }, "file")),
    bytesOf("fuse_entry_out"),
    pad(dirent({ ino: 2, off: 2, type: 4 }, "..")),
  ];
  assert.deepEqual(answer(session, readdirplus(400)), reply(2n, 0, ...golden));
});

test("numbers of 64 bits travel in halves", () => {
  const session = ready({
    READDIR(_context, _request, entries) {
      assert.ok(entries.add(text("file"), 2, DirentType.REG, 3, 0x7000_0000, 0x8000_0000));
      return 0;
    },
  });
  const exact = { ino: 0x8000_0000_0000_0002n, off: 0x7000_0000_0000_0003n, type: 8 };
  assert.deepEqual(answer(session, readdir(4096)), reply(2n, 0, pad(dirent(exact, "file"))));
});

test("the end of a directory is an empty reply", () => {
  assert.deepEqual(answer(ready({ READDIR: () => 0 }), readdir(4096)), reply(2n, 0));
});

test("a directory buffer larger than ours is filled as far as ours goes", () => {
  const session = ready({
    READDIR: (_context, _request, entries) => {
      while (entries.add(new Uint8Array(200), 1, DirentType.REG, 1));
      return 0;
    },
  });
  const { length } = answer(session, readdir(0xffff_ffff));
  assert.ok(length > 1 << 20 && length <= session.reply.length, `${length}`);
});
