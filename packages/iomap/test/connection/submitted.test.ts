// Oracle: the block server, which complains of what a host must not do, and a copy of the file.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { HostDevice } from "@bulkhead/iomap";
import { type Bench, BLOCK, bench, STALE } from "./block-server.js";
import { pattern } from "./data.js";

const EIO = 5;
const EBUSY = 16;
const EFBIG = 27;
const DEPTH = 16;

/** I/O that is done when the test says so. */
class SlowDevice {
  readonly under: { readonly finish: (error?: unknown) => void }[] = [];
  most = 0;

  /** What it adds to the bench's device. */
  parts(at: () => Bench): Partial<HostDevice> {
    const start = (move: () => void, landed: (error?: unknown) => void): boolean => {
      const finish = (error?: unknown) => {
        if (error === undefined) move();
        landed(error);
      };
      this.under.push({ finish });
      this.most = Math.max(this.most, this.under.length);
      return false;
    };
    return {
      readLater: (offset, target, landed) =>
        start(() => target.set(at().bytes.subarray(offset, offset + target.length)), landed),
      writeLater: (offset, source, landed) => start(() => at().bytes.set(source, offset), landed),
    };
  }

  /** Finishes one, in any order. */
  async finish(index = 0, error?: unknown): Promise<void> {
    this.under.splice(index, 1)[0]?.finish(error);
    await new Promise(setImmediate);
  }

  /** All that is under way lands before anybody hears of it. */
  async finishAll(): Promise<void> {
    while (this.under.length > 0) {
      for (const one of this.under.splice(0)) one.finish();
      await new Promise(setImmediate);
    }
  }
}

/** A file of so many blocks of data, on a slow device. */
function slow(
  blocks: number,
  options: Parameters<typeof bench>[0] = {},
): { readonly at: Bench; readonly device: SlowDevice } {
  const device = new SlowDevice();
  const at: Bench = bench({ ...options, device: device.parts(() => at) });
  if (blocks > 0) assert.equal(at.file.writeDirect(0, pattern(blocks * BLOCK)), blocks * BLOCK);
  return { at, device };
}

/** Results in the order in which they come. */
function results(): { readonly list: number[]; readonly done: (result: number) => void } {
  const list: number[] = [];
  return { list, done: (result) => void list.push(result) };
}

test("sixteen reads are under way at once, and each gets its bytes", async () => {
  const { at, device } = slow(64);
  const { list, done } = results();
  const targets = Array.from({ length: DEPTH }, () => new Uint8Array(BLOCK));
  for (const [i, target] of targets.entries()) assert.equal(at.file.submitRead(i * 3 * BLOCK, target, done), undefined);
  assert.equal(device.most, DEPTH);
  await device.finishAll();
  assert.deepEqual(list, new Array(DEPTH).fill(BLOCK));
  for (const [i, target] of targets.entries()) {
    assert.deepEqual(target, pattern(64 * BLOCK).subarray(i * 3 * BLOCK, (i * 3 + 1) * BLOCK));
  }
});

test("what needs no device is answered at once: holes, unwritten space, the end of the file", async () => {
  const { at, device } = slow(2);
  assert.equal(at.file.truncate(8 * BLOCK), 0);
  const target = new Uint8Array(4 * BLOCK).fill(STALE);
  const never = () => assert.fail("answered twice");
  assert.equal(at.file.submitRead(4 * BLOCK, target, never), 4 * BLOCK);
  assert.ok(target.every((byte) => byte === 0));
  assert.equal(at.file.submitRead(8 * BLOCK, target, never), 0);
  assert.equal(at.file.submitRead(7 * BLOCK, target, never), BLOCK, "short at the end");
  assert.equal(device.most, 0);
});

test("sixteen writes into unwritten space are under way at once; the server hears of each when it has landed", async () => {
  const { at, device } = slow(0, { caches: true });
  assert.equal(at.file.fallocate(0, 0, 64 * BLOCK), 0);
  const { list, done } = results();
  for (let i = 0; i < DEPTH; i++) {
    assert.equal(at.file.submitWrite(i * 4 * BLOCK, pattern(BLOCK, i), done), undefined);
  }
  assert.equal(device.most, DEPTH);
  const ioends = () => at.server.calls.filter(({ what }) => what === "ioend").length;
  assert.equal(ioends(), 0, "no data, no ioend");
  await device.finish(3);
  assert.equal(ioends(), 1);
  await device.finishAll();
  assert.equal(ioends(), DEPTH, "none of them are neighbours");
  assert.deepEqual(list, new Array(DEPTH).fill(BLOCK));
  const whole = at.server.contents(at.inode);
  for (let i = 0; i < DEPTH; i++) {
    assert.deepEqual(whole.subarray(i * 4 * BLOCK, (i * 4 + 1) * BLOCK), pattern(BLOCK, i));
    assert.ok(whole.subarray((i * 4 + 1) * BLOCK, (i * 4 + 4) * BLOCK).every((byte) => byte === 0));
  }
  assert.deepEqual(at.server.complaints, []);
});

test("neighbours that have landed are told of as one", async () => {
  const { at, device } = slow(0, { caches: true, run: 64 });
  assert.equal(at.file.fallocate(0, 0, 64 * BLOCK), 0);
  const { list, done } = results();
  for (const i of [3, 0, 2, 1, 8]) assert.equal(at.file.submitWrite(i * BLOCK, pattern(BLOCK, i), done), undefined);
  await device.finishAll();
  const told = at.server.calls
    .filter(({ what }) => what === "ioend")
    .map(({ pos, count, written }) => [pos, count || written]);
  assert.deepEqual(told, [
    [0, 4 * BLOCK],
    [8 * BLOCK, BLOCK],
  ]);
  assert.deepEqual(list, new Array(5).fill(BLOCK));
  for (const i of [0, 1, 2, 3, 8]) {
    assert.deepEqual(at.server.contents(at.inode).subarray(i * BLOCK, (i + 1) * BLOCK), pattern(BLOCK, i));
  }
});

test("parts of blocks, and what extends the file, wait until they are alone, and those after them wait as well", async () => {
  const { at, device } = slow(8);
  const { list, done } = results();
  assert.equal(at.file.submitWrite(0, pattern(BLOCK, 1), done), undefined);
  assert.equal(at.file.submitWrite(100, pattern(10, 2), done), undefined, "a part of a block");
  assert.equal(at.file.submitWrite(8 * BLOCK, pattern(BLOCK, 3), done), undefined, "past the end");
  assert.equal(at.file.submitWrite(4 * BLOCK, pattern(BLOCK, 4), done), undefined, "after them");
  const target = new Uint8Array(BLOCK);
  assert.equal(at.file.submitRead(0, target, done), undefined, "so do reads");
  assert.equal(device.under.length, 1);
  await device.finish();
  assert.deepEqual(list.slice(0, 2), [10, BLOCK]);
  assert.equal(at.file.size, 9 * BLOCK);
  assert.equal(device.under.length, 2);
  await device.finishAll();
  assert.equal(list.length, 5);
  const first = pattern(BLOCK, 1);
  first.set(pattern(10, 2), 100);
  assert.deepEqual(target, first);
  assert.deepEqual(at.server.complaints, []);
});

test("while something is under way, what would free its blocks is EBUSY, and reading goes on", async () => {
  const { at, device } = slow(8);
  const { list, done } = results();
  assert.equal(at.file.submitRead(0, new Uint8Array(BLOCK), done), undefined);
  assert.equal(at.file.isBusy, true);
  let idle = false;
  at.file.whenIdle(() => {
    idle = true;
  });
  assert.equal(at.file.truncate(0), -EBUSY);
  assert.equal(at.file.fallocate(3, 0, BLOCK), -EBUSY);
  assert.equal(at.file.writeDirect(0, pattern(BLOCK)), -EBUSY);
  assert.equal(at.file.evict(), -EBUSY);
  assert.equal(at.file.readDirect(0, new Uint8Array(BLOCK)), BLOCK);
  assert.equal(idle, false);
  await device.finish();
  assert.deepEqual([list, idle, at.file.isBusy], [[BLOCK], true, false]);
  assert.equal(at.file.truncate(0), 0);
});

test("a file is idle when nothing is under way and nothing waits, whatever came after who waits for that", async () => {
  const { at, device } = slow(8);
  const { list, done } = results();
  assert.equal(at.file.submitWrite(0, pattern(BLOCK), done), undefined);
  const seen: unknown[] = [];
  for (let n = 0; n < 2; n++) at.file.whenIdle(() => seen.push(at.file.isBusy));
  assert.equal(at.file.submitWrite(8 * BLOCK, pattern(10), done), undefined, "waits for the first");
  assert.equal(at.file.submitRead(0, new Uint8Array(BLOCK), done), undefined, "waits for the second");
  await device.finish();
  assert.deepEqual(seen, []);
  await device.finishAll();
  assert.equal(list.length, 3);
  assert.deepEqual(seen, [false, false]);
});

test("a write that fails is EIO, and what it should have written reads as before", async () => {
  const { at, device } = slow(0);
  assert.equal(at.file.fallocate(0, 0, 8 * BLOCK), 0);
  const { list, done } = results();
  assert.equal(at.file.submitWrite(0, pattern(BLOCK), done), undefined);
  assert.equal(at.file.submitRead(BLOCK, new Uint8Array(BLOCK), done), BLOCK);
  await device.finish(0, new Error("worn out"));
  assert.deepEqual(list, [-EIO]);
  const target = new Uint8Array(BLOCK).fill(STALE);
  assert.equal(at.file.readDirect(0, target), BLOCK);
  assert.ok(target.every((byte) => byte === 0));
  assert.equal(at.errors.length, 1);
  assert.equal(at.file.isBusy, false);
});

test("copies of blocks and fresh ones are written alone: their blocks move", async () => {
  for (const allocation of ["copy", "new"] as const) {
    const { at, device } = slow(4, { allocation });
    const { list, done } = results();
    const now = at.file.submitWrite(0, pattern(BLOCK, 7), done);
    if (now === undefined) await device.finishAll();
    assert.equal(now ?? list[0], BLOCK);
    assert.deepEqual(at.server.contents(at.inode).subarray(0, BLOCK), pattern(BLOCK, 7));
    assert.deepEqual(at.server.complaints, []);
  }
});

test("a device that cannot go on meanwhile is waited for", async () => {
  const at = bench();
  assert.equal(at.file.writeDirect(0, pattern(4 * BLOCK)), 4 * BLOCK);
  const never = () => assert.fail("answered twice");
  const target = new Uint8Array(BLOCK);
  assert.equal(at.file.submitWrite(BLOCK, pattern(BLOCK, 5), never), BLOCK);
  assert.equal(at.file.submitRead(BLOCK, target, never), BLOCK);
  assert.deepEqual(target, pattern(BLOCK, 5));
  assert.equal(at.file.submitWrite(2 ** 24, pattern(BLOCK), never), -EFBIG);
});
