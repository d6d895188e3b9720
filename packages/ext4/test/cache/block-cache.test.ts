import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { BlockCache } from "../../src/cache/block-cache.js";
import type { BlockDevice } from "../../src/device/device.js";

const MIB = 2 ** 20;

/** Each block's first four bytes are its number. */
function numbered(blockSize: number): BlockDevice {
  return {
    size: 2 ** 40,
    readOnly: true,
    read(offset: number, into: Uint8Array) {
      for (let at = 0; at < into.length; at += blockSize)
        new DataView(into.buffer, into.byteOffset + at).setUint32(0, (offset + at) / blockSize, true);
    },
    write() {
      throw new Error("only read");
    },
    flush() {},
    close() {},
  };
}

function cacheOf(blockSize: number, bytes: number): BlockCache {
  return new BlockCache(numbered(blockSize), blockSize, 2 ** 30, bytes);
}

/** What lives, in bytes. V8 gives buffers back a while after it has found that they are garbage. */
async function live(collect: () => void): Promise<number> {
  for (let round = 0; round < 3; round++) {
    collect();
    await setTimeout(20);
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

suite("the cache of blocks", () => {
  for (const blockSize of [1024, 2048, 4096, 65536]) {
    test(`takes the memory that it may, and no more: blocks of ${blockSize} bytes`, async () => {
      setFlagsFromString("--expose-gc");
      const collect = runInNewContext("gc") as () => void;
      const before = await live(collect);
      const cache = cacheOf(blockSize, 32 * MIB);
      for (let block = 0; block < cache.capacity; block++) cache.read(3 * block);
      const taken = ((await live(collect)) - before) / MIB;
      assert.equal(cache.size, cache.capacity);
      assert.ok(taken > 28 && taken < 33, `${taken} MiB`);
    });
  }

  test("evicts what was used least recently, and nothing that is pinned", () => {
    const cache = cacheOf(4096, 0);
    assert.equal(cache.capacity, 64);
    const pinned = cache.read(1000);
    cache.pin(pinned);
    for (let block = 0; block < 63; block++) cache.read(block);
    cache.read(0);
    cache.read(2000);
    assert.equal(cache.peek(1), undefined);
    assert.equal(cache.peek(0)?.view.getUint32(0, true), 0);
    for (let block = 0; block < 200; block++) cache.read(block);
    assert.equal(cache.peek(1000), pinned);
    assert.equal(cache.size, 64);
    cache.unpin(pinned);
    for (let block = 0; block < 64; block++) cache.read(block);
    assert.equal(cache.peek(1000), undefined);
  });

  test("reads a run of blocks at once, and none that it has", () => {
    const cache = cacheOf(4096, MIB);
    const held = cache.read(12);
    held.view.setUint32(4, 1, true);
    cache.prefetch(10, 8);
    for (let block = 10; block < 18; block++) assert.equal(cache.peek(block)?.view.getUint32(0, true), block);
    assert.equal(cache.peek(12), held);
    assert.equal(cache.misses, 1);
  });
});
