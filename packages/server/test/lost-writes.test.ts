import assert from "node:assert/strict";
import { test } from "node:test";
import { errno, type Inode } from "@bulkhead/ext4";
import { LostWrites } from "../src/lost-writes.js";

test("a file that is cut and written again and again on a full disk takes one timer", () => {
  const timers: (() => void)[] = [];
  const lost = new LostWrites((_milliseconds, run) => void timers.push(run));
  const inode = { ino: 12, generation: 1 } as Inode;
  for (let time = 0; time < 1000; time++) {
    assert.ok(lost.note(inode, -errno.ENOSPC));
    lost.forget(inode);
  }
  lost.note(inode, -errno.ENOSPC);
  assert.equal(timers.length, 1);
  assert.equal(lost.tell(inode), -errno.ENOSPC);
  timers.pop()?.();
  assert.equal(lost.has(inode), false);
  lost.note(inode, -errno.ENOSPC);
  assert.equal(timers.length, 1);
});
