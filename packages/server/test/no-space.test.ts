// Oracle: what the kernel in front of a server goes on showing after a call that failed: what it showed before. e2fsck for the rest.
import assert from "node:assert/strict";
import { test } from "node:test";
import { BIG_SIZE, cannotMakeImages, pattern } from "./image.js";
import { Writer } from "./writer.js";

const skip = cannotMakeImages;
const ENOSPC = -28;
const KEEP_SIZE = 1;
const PUNCH_HOLE = 3;
const ZERO_RANGE = 0x10;
const BLOCK = 1024;
/** Bytes: more than the image has. */
const MUCH = 64 << 20;

/** A client of a mount that can be filled. */
class Filler extends Writer {
  fallocate(node: number, mode: number, offset: number, length: number): number {
    return this.ask("FALLOCATE", node, { request: { mode, offset, length } }).error;
  }

  /** Takes the last block. @returns the node that has it */
  fill(): number {
    const node = this.make("fill");
    for (let at = 0; this.write(node, at, pattern(BLOCK)) > 0; at += BLOCK);
    return node;
  }

  /** Leaves a thousand blocks free, no two of them together: so many steps does it take to find no space. */
  scatter(): void {
    const node = this.fill();
    for (let n = 0; n < 1000; n++) assert.equal(this.fallocate(node, PUNCH_HOLE, n * 2 * BLOCK, BLOCK), 0);
  }

  contents(node: number): Uint8Array {
    return this.read(node, 0, this.attributes(node).size);
  }
}

for (const mode of [0, ZERO_RANGE]) {
  test(`FALLOCATE 0x${mode.toString(16)} that finds no space leaves the size`, { skip }, () => {
    const client = new Filler();
    const node = client.make("f");
    assert.equal(client.write(node, 0, pattern(412)), 412);
    client.scatter();
    assert.equal(client.fallocate(node, mode, 100, MUCH), ENOSPC);
    assert.deepEqual(client.contents(node), pattern(412));
    client.closed();
  });
}

test("ZERO_RANGE that finds no space leaves every byte", { skip }, () => {
  const client = new Filler();
  const node = client.make("f");
  const bytes = pattern(20_000);
  assert.equal(client.write(node, 0, bytes), bytes.length);
  assert.equal(client.fallocate(node, ZERO_RANGE | KEEP_SIZE, 1500, MUCH), ENOSPC);
  assert.deepEqual(client.contents(node), bytes);
  client.closed();
});

test("ZERO_RANGE writes zeros where only the map has no room to grow", { skip }, () => {
  const client = new Filler();
  const node = client.make("f");
  const other = client.make("other");
  // Four extents in turns with another file's: what an inode holds.
  for (let turn = 0; turn < 4; turn++) {
    assert.equal(client.write(node, turn * 8 * BLOCK, pattern(4 * BLOCK)), 4 * BLOCK);
    assert.equal(client.write(other, turn * 4 * BLOCK, pattern(4 * BLOCK)), 4 * BLOCK);
  }
  client.fill();
  const expected = client.contents(node);
  assert.equal(client.fallocate(node, ZERO_RANGE | KEEP_SIZE, 9 * BLOCK + 10, 2 * BLOCK), 0);
  assert.deepEqual(client.contents(node), expected.fill(0, 9 * BLOCK + 10, 11 * BLOCK + 10));
  client.closed();
});

test("a punched hole that the map has no room for leaves every byte", { skip }, () => {
  const client = new Filler();
  const big = client.node("big");
  for (let at = 0; at < BIG_SIZE; at += 16 * BLOCK) client.fallocate(big, PUNCH_HOLE, at, BLOCK);
  client.fill();
  const before = client.contents(big);
  for (let at = 4 * BLOCK + 7; at < BIG_SIZE; at += 16 * BLOCK) {
    const error = client.fallocate(big, PUNCH_HOLE, at, 3 * BLOCK);
    assert.ok(error === 0 || error === ENOSPC, String(error));
    if (error === 0) before.fill(0, at, Math.min(at + 3 * BLOCK, BIG_SIZE));
    assert.deepEqual(client.contents(big), before, `at ${at}`);
  }
  client.closed();
});
