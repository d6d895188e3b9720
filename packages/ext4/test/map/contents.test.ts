import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InodeFlag } from "../../src/format/inode.js";
import { inlineData } from "../../src/map/inline-data.js";
import { MappingType } from "../../src/map/mapping.js";
import { readFileBlock } from "../../src/map/read-data.js";
import { forEachMapping } from "../../src/map/walk.js";
import { Synthetic, unwritten } from "./synthetic.js";

describe("blocks of a file that the engine reads", () => {
  const made = Synthetic.extents().root(0, [
    [0, 2, 10],
    [2, unwritten(2), 12],
  ]);
  made.bytes.fill(7, 11 * 1024, 12 * 1024);
  made.bytes.fill(9, 12 * 1024, 13 * 1024);

  it("are there where data is, and nowhere else", () => {
    assert.deepEqual(readFileBlock(made.volume, made.inode, 1)!.data, new Uint8Array(1024).fill(7));
    assert.equal(readFileBlock(made.volume, made.inode, 2), undefined, "unwritten");
    assert.equal(readFileBlock(made.volume, made.inode, 4), undefined, "a hole");
  });
});

describe("a walk over mappings", () => {
  function walk(made: Synthetic, from: number, to: number): number[][] {
    const found: number[][] = [];
    forEachMapping(made.volume, made.inode, from, to, ({ type, fileBlock, length, block }) => {
      found.push([type, fileBlock, length, block]);
      return true;
    });
    return found;
  }

  it("joins what continues across leaves, keeps apart what does not, and cuts to the range", () => {
    const made = Synthetic.extents()
      .root(1, [
        [0, 0, 100],
        [4, 0, 101],
        [20, 0, 102],
      ])
      .node(100, 0, [[0, 4, 10]])
      .node(101, 0, [
        [4, 2, 14],
        [6, 2, 30],
        [8, unwritten(1), 32],
      ])
      .node(102, 0, [[20, 1, 50]]);
    assert.deepEqual(walk(made, 1, 21), [
      [MappingType.mapped, 1, 5, 11],
      [MappingType.mapped, 6, 2, 30],
      [MappingType.unwritten, 8, 1, 32],
      [MappingType.hole, 9, 11, 0],
      [MappingType.mapped, 20, 1, 50],
    ]);
    assert.deepEqual(walk(made, 1, 3), [[MappingType.mapped, 1, 2, 11]]);
    assert.deepEqual(walk(made, 5, 5), []);
  });

  it("joins the pieces of a hole between missing subtrees", () => {
    const made = Synthetic.pointers().iBlock(0, 20).iBlock(13, 80).pointer(80, 1, 81).iBlock(14, 82);
    assert.deepEqual(walk(made, 0, 100_000), [
      [MappingType.mapped, 0, 1, 20],
      [MappingType.hole, 1, 99_999, 0],
    ]);
  });
});

describe("hostile inline data", () => {
  it("that claims more than the inode holds is refused", () => {
    const made = new Synthetic(InodeFlag.inlineData);
    made.inode.block.fill(3);
    made.inode.size = 60;
    assert.deepEqual(inlineData(made.volume, made.inode), new Uint8Array(60).fill(3));
    made.inode.size = 0;
    assert.equal(inlineData(made.volume, made.inode).length, 0);
    for (const size of [61, 2 ** 31, 2 ** 48]) {
      made.inode.size = size;
      assert.throws(() => inlineData(made.volume, made.inode), { kind: "inline-data" });
    }
  });
});
