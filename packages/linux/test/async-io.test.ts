// Oracle: what pread reads back.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { AsyncIo, addressOf, close, Errno, eventfd, Poll, PollSet } from "@bulkhead/linux";

const BLOCK = 4096;
const BLOCKS = 16;

function aligned(length: number): Uint8Array {
  const bytes = new Uint8Array(length + BLOCK);
  const start = (BLOCK - (addressOf(bytes, 0, 0) % BLOCK)) % BLOCK;
  return bytes.subarray(start, start + length);
}

test("writes and reads are under way at once, are signalled, and are what pread sees", () => {
  const directory = fs.mkdtempSync(join(tmpdir(), "bulkhead-aio-"));
  const event = eventfd();
  const io = new AsyncIo(BLOCKS, event);
  const fd = fs.openSync(join(directory, "file"), "w+");
  try {
    const finish = (expected: number) => {
      const ready = new PollSet(1);
      ready.set(0, event, Poll.IN);
      const slots = new Set<number>();
      while (io.inFlight > 0) {
        assert.ok(ready.poll(10_000) > 0, "signalled");
        io.harvest((slot, result) => {
          slots.add(slot);
          assert.equal(result, expected);
        });
      }
      return slots.size;
    };
    const bytes = aligned(BLOCKS * BLOCK);
    for (let i = 0; i < BLOCKS; i++) bytes.fill(i + 1, i * BLOCK, (i + 1) * BLOCK);
    for (let i = 0; i < BLOCKS; i++) {
      assert.ok(io.submit(true, fd, bytes, i * BLOCK, BLOCK, i * BLOCK) >= 0);
    }
    assert.equal(io.inFlight, BLOCKS);
    assert.equal(io.submit(true, fd, bytes, 0, BLOCK, 0), -Errno.EAGAIN, "all slots are taken");
    assert.equal(finish(BLOCK), BLOCKS);
    assert.deepEqual(fs.readFileSync(join(directory, "file")), Buffer.from(bytes));
    const back = aligned(BLOCKS * BLOCK);
    for (let i = 0; i < BLOCKS; i++) assert.ok(io.submit(false, fd, back, i * BLOCK, BLOCK, i * BLOCK) >= 0);
    assert.equal(finish(BLOCK), BLOCKS);
    assert.deepEqual(Buffer.from(back), Buffer.from(bytes));
    assert.ok(io.submit(false, fd, back, 0, BLOCK, BLOCKS * BLOCK) >= 0, "behind the end");
    assert.equal(finish(0), 1);
    assert.equal(io.submit(false, -1, back, 0, BLOCK, 0), -Errno.EBADF);
    assert.throws(() => io.submit(false, fd, back, 0, back.length + 1, 0), RangeError);
    assert.equal(
      io.harvest(() => assert.fail("nothing is under way")),
      0,
    );
  } finally {
    io.close();
    close(event);
    fs.closeSync(fd);
    fs.rmSync(directory, { recursive: true });
  }
});
