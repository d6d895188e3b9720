// Oracle: a copy-on-write server that keeps old blocks until its ioend, and a snapshot of the file taken before.
import assert from "node:assert/strict";
import { test } from "node:test";
import { IoendFlag, IoFlag } from "@bulkhead/iomap";
import { BLOCK, bench } from "./block-server.js";
import { pattern } from "./data.js";

for (const how of ["write", "writeDirect"] as const) {
  test(`${how}: parts of shared blocks are merged with the old data, at a new address`, () => {
    const { file, server, inode, bytes } = bench({ allocation: "copy" });
    const old = pattern(4 * BLOCK, 1);
    assert.equal(file.writeDirect(0, old), old.length);
    const before = [...inode.blocks.entries()].map(([n, block]) => [n, block.at] as const);
    const snapshot = before.map(([, at]) => bytes.slice(at * BLOCK, (at + 1) * BLOCK));
    let checked = false;
    const ioend = server.ioend.bind(server);
    server.ioend = (of, request) => {
      checked = true;
      assert.equal(request.flags & IoendFlag.shared, IoendFlag.shared);
      for (const [n, [, at]] of before.entries()) {
        assert.deepEqual(bytes.subarray(at * BLOCK, (at + 1) * BLOCK), snapshot[n], "the old block is as it was");
      }
      return ioend(of, request);
    };
    const data = pattern(2 * BLOCK, 5);
    assert.equal(file[how](BLOCK / 2, data, IoFlag.sync), data.length);
    assert.ok(checked);
    const want = old.slice();
    want.set(data, BLOCK / 2);
    assert.deepEqual(server.contents(inode), want);
    const moved = before.map(([n, at]) => inode.blocks.get(n)?.at !== at);
    assert.deepEqual(moved, [true, true, true, false], "only what was written to is elsewhere");
    assert.deepEqual(server.complaints, []);
  });
}

test("a copy that fails leaves the file as it was", () => {
  const made = bench({ allocation: "copy" });
  const old = pattern(2 * BLOCK, 1);
  assert.equal(made.file.writeDirect(0, old), old.length);
  made.failWritesAt = 0;
  assert.equal(made.file.writeDirect(100, pattern(50, 3)), -5);
  assert.equal(made.file.write(100, pattern(50, 3)), 50);
  assert.equal(made.file.fsync(), -5);
  assert.deepEqual(made.server.contents(made.inode), old);
});

test("unshare gives blocks of their own, with the same data", () => {
  const { file, server, inode } = bench({ allocation: "copy" });
  const data = pattern(4 * BLOCK, 2);
  assert.equal(file.writeDirect(0, data), data.length);
  const before = inode.blocks.get(1)?.at;
  assert.equal(file.unshare(BLOCK, BLOCK), 0);
  assert.equal(file.fsync(), 0);
  assert.notEqual(inode.blocks.get(1)?.at, before);
  assert.deepEqual(server.contents(inode), data);
});
