import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { CorruptionKind } from "../../src/errors.js";
import { indirectLimit } from "../../src/map/indirect.js";
import { mapBlocks } from "../../src/map/map-blocks.js";
import { BlockMapping, MAX_FILE_BLOCKS, MappingType } from "../../src/map/mapping.js";
import { forEachMapping } from "../../src/map/walk.js";
import { BLOCK_COUNT, Synthetic } from "./synthetic.js";

const { hole, mapped } = MappingType;

function map(made: Synthetic, fileBlock: number): [type: number, fileBlock: number, length: number, block: number] {
  const out = new BlockMapping();
  mapBlocks(made.volume, made.inode, fileBlock, out);
  return [out.type, out.fileBlock, out.length, out.block];
}

function assertCorrupt(made: Synthetic, fileBlock: number, kind: CorruptionKind): void {
  for (let time = 0; time < 2; time++) {
    assert.throws(() => map(made, fileBlock), { name: "CorruptionError", kind });
  }
}

/** With 1 KiB blocks: 256 pointers in a block. */
const DOUBLE = 12 + 256;
const TRIPLE = DOUBLE + 256 * 256;
const END = TRIPLE + 256 ** 3;

describe("a lookup by block pointers", () => {
  it("joins pointers that continue each other", () => {
    const made = Synthetic.pointers();
    for (let n = 0; n < 12; n++) made.iBlock(n, n === 5 ? 0 : 20 + n);
    made.iBlock(12, 90).pointer(90, 0, 32).pointer(90, 1, 33).pointer(90, 255, 40);
    assert.deepEqual(map(made, 0), [mapped, 0, 5, 20]);
    assert.deepEqual(map(made, 5), [hole, 5, 1, 0]);
    assert.deepEqual(map(made, 6), [mapped, 6, 6, 26]);
    assert.deepEqual(map(made, 12), [mapped, 12, 2, 32]);
    assert.deepEqual(map(made, 14), [hole, 14, 253, 0]);
    assert.deepEqual(map(made, 267), [mapped, 267, 1, 40]);
    assert.deepEqual(map(made, 268), [hole, 268, MAX_FILE_BLOCKS - 268, 0]);
  });

  it("finds all levels, and holes as long as whole subtrees", () => {
    const made = Synthetic.pointers().iBlock(14, 80);
    made.pointer(80, 3, 81).pointer(81, 4, 82).pointer(82, 5, 50).pointer(80, 255, 83).pointer(83, 255, 84);
    made.pointer(84, 255, 51);
    const at = TRIPLE + 3 * 65_536 + 4 * 256 + 5;
    assert.deepEqual(map(made, 0), [hole, 0, TRIPLE, 0], "up to the first subtree that is there");
    assert.deepEqual(map(made, TRIPLE), [hole, TRIPLE, 3 * 65_536, 0]);
    assert.deepEqual(map(made, TRIPLE + 3 * 65_536 + 7), [hole, TRIPLE + 3 * 65_536 + 7, 4 * 256 - 7, 0]);
    assert.deepEqual(map(made, at - 5), [hole, at - 5, 5, 0]);
    assert.deepEqual(map(made, at), [mapped, at, 1, 50]);
    const next = TRIPLE + 255 * 65_536;
    assert.deepEqual(map(made, at + 1), [hole, at + 1, next - at - 1, 0]);
    assert.deepEqual(map(made, END - 1), [mapped, END - 1, 1, 51]);
  });

  it("goes over a missing single and double indirect block", () => {
    const made = Synthetic.pointers().iBlock(3, 20).iBlock(13, 80).pointer(80, 0, 81).pointer(81, 0, 21);
    assert.deepEqual(map(made, 4), [hole, 4, DOUBLE - 4, 0]);
    assert.deepEqual(map(made, 100), [hole, 100, DOUBLE - 100, 0]);
    assert.deepEqual(map(made, DOUBLE + 1), [hole, DOUBLE + 1, MAX_FILE_BLOCKS - DOUBLE - 1, 0]);
  });

  it("ends where the pointers end: a hole behind the file, corrupt inside it", () => {
    const made = Synthetic.pointers();
    assert.equal(indirectLimit(1024), END);
    assert.equal(indirectLimit(4096), 12 + 1024 + 1024 ** 2 + 1024 ** 3);
    assert.equal(indirectLimit(8192), MAX_FILE_BLOCKS);
    assert.deepEqual(map(made, END), [hole, END, MAX_FILE_BLOCKS - END, 0]);
    made.inode.size = END * 1024;
    assert.deepEqual(map(made, END), [hole, END, MAX_FILE_BLOCKS - END, 0]);
    made.inode.size++;
    assertCorrupt(made, END, "inode-geometry");
  });

  it("maps the highest blocks of 64 KiB blocks", () => {
    const made = Synthetic.pointers(65_536).iBlock(14, 80);
    const n = 16_384;
    const within = MAX_FILE_BLOCKS - 1 - 12 - n - n * n;
    made.pointer(80, Math.floor(within / (n * n)), 81).pointer(81, Math.floor(within / n) % n, 82);
    made.pointer(82, within % n, 50).pointer(82, (within % n) + 1, 51);
    assert.deepEqual(map(made, MAX_FILE_BLOCKS - 1), [mapped, MAX_FILE_BLOCKS - 1, 1, 50]);
    assert.deepEqual(map(made, MAX_FILE_BLOCKS - 2)[0], hole);
  });
});

describe("hostile block pointers", () => {
  it("outside the file system", () => {
    for (const pointer of [1, BLOCK_COUNT, 0xffff_ffff]) {
      assertCorrupt(Synthetic.pointers().iBlock(0, pointer), 0, "indirect-range");
      assertCorrupt(Synthetic.pointers().iBlock(12, pointer), 12, "indirect-range");
      assertCorrupt(Synthetic.pointers().iBlock(12, 80).pointer(80, 4, pointer), 16, "indirect-range");
      assertCorrupt(Synthetic.pointers().iBlock(13, 80).pointer(80, 0, pointer), DOUBLE, "indirect-range");
    }
    // A bad pointer behind good ones is the business of whoever asks for it.
    const made = Synthetic.pointers()
      .iBlock(0, BLOCK_COUNT - 1)
      .iBlock(1, BLOCK_COUNT);
    assert.deepEqual(map(made, 0), [mapped, 0, 1, BLOCK_COUNT - 1]);
    assertCorrupt(made, 1, "indirect-range");
  });

  it("an indirect block in its own chain", () => {
    const made = Synthetic.pointers().iBlock(14, 80).pointer(80, 0, 81).pointer(80, 1, 80).pointer(81, 1, 80);
    assertCorrupt(made, TRIPLE + 65_536, "indirect-cycle");
    assertCorrupt(made, TRIPLE + 256, "indirect-cycle");
    assert.deepEqual(map(made, TRIPLE)[0], hole);
  });

  it("one indirect block in many places ends a walk, not the process", () => {
    const made = Synthetic.pointers().iBlock(14, 80);
    for (let n = 0; n < 256; n++)
      made
        .pointer(80, n, 81)
        .pointer(81, n, 82)
        .pointer(82, n, n % 2 === 0 ? 20 : 0);
    assert.throws(() => forEachMapping(made.volume, made.inode, 0, MAX_FILE_BLOCKS, () => true), {
      kind: "indirect-cycle",
    });
    let visited = 0;
    forEachMapping(made.volume, made.inode, 0, MAX_FILE_BLOCKS, () => ++visited < 5);
    assert.equal(visited, 5);
  });
});
