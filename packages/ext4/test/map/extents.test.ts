import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CorruptionError, type CorruptionKind } from "../../src/errors.js";
import { InodeFlag } from "../../src/format/inode.js";
import { Inode } from "../../src/inode/inode.js";
import { mapBlocks } from "../../src/map/map-blocks.js";
import { BlockMapping, MAX_FILE_BLOCKS, MappingType } from "../../src/map/mapping.js";
import { BLOCK_COUNT, CAPACITY, type Entry, INO, Synthetic, unwritten } from "./synthetic.js";

const { hole, mapped } = MappingType;

function map(made: Synthetic, fileBlock: number): [type: number, fileBlock: number, length: number, block: number] {
  const out = new BlockMapping();
  mapBlocks(made.volume, made.inode, fileBlock, out);
  return [out.type, out.fileBlock, out.length, out.block];
}

function assertCorrupt(made: Synthetic, fileBlock: number, kind: CorruptionKind, block?: number): void {
  for (let time = 0; time < 2; time++) {
    assert.throws(
      () => map(made, fileBlock),
      (error) => {
        assert.ok(error instanceof CorruptionError, String(error));
        assert.equal(error.kind, kind, error.message);
        assert.equal(error.location.inode, INO);
        if (block !== undefined) assert.equal(error.location.block, block);
        return true;
      },
      "refused, the second time as well",
    );
  }
}

describe("a lookup in an extent tree", () => {
  it("gives the rest of an extent, holes up to the next, and the end of all", () => {
    const made = Synthetic.extents().root(0, [
      [2, 3, 10],
      [8, unwritten(2), 20],
    ]);
    assert.deepEqual(map(made, 0), [hole, 0, 2, 0]);
    assert.deepEqual(map(made, 2), [mapped, 2, 3, 10]);
    assert.deepEqual(map(made, 4), [mapped, 4, 1, 12]);
    assert.deepEqual(map(made, 5), [hole, 5, 3, 0]);
    assert.deepEqual(map(made, 9), [MappingType.unwritten, 9, 1, 21]);
    assert.deepEqual(map(made, 10), [hole, 10, MAX_FILE_BLOCKS - 10, 0]);
    assert.deepEqual(map(made, MAX_FILE_BLOCKS + 5), [hole, MAX_FILE_BLOCKS + 5, 1, 0]);
  });

  it("joins extents that continue each other in the same state", () => {
    const made = Synthetic.extents().root(0, [
      [0, 2, 10],
      [2, 2, 12],
      [4, unwritten(2), 14],
      [6, unwritten(1), 16],
    ]);
    assert.deepEqual(map(made, 1), [mapped, 1, 3, 11]);
    assert.deepEqual(map(made, 4), [MappingType.unwritten, 4, 3, 14]);
  });

  it("takes 32,768 for written and more for unwritten", () => {
    const made = Synthetic.extents().root(0, [[0, 32_768, 10]]);
    assertCorrupt(made, 0, "extent-range"); // as many blocks as that are not in the file system
    assert.deepEqual(map(Synthetic.extents().root(0, [[0, 32_769, 10]]), 0), [MappingType.unwritten, 0, 1, 10]);
  });

  it("sees past the end of a leaf through its parents", () => {
    const made = Synthetic.extents()
      .root(2, [
        [5, 0, 100],
        [1000, 0, 101],
      ])
      .node(100, 1, [
        [5, 0, 102],
        [50, 0, 103],
      ])
      .node(101, 1, [[1000, 0, 104]])
      .node(102, 0, [[5, 1, 10]])
      .node(103, 0, [[50, 1, 11]])
      .node(104, 0, [[1000, 1, 12]]);
    assert.deepEqual(map(made, 0), [hole, 0, 5, 0]);
    assert.deepEqual(map(made, 6), [hole, 6, 44, 0]);
    assert.deepEqual(map(made, 51), [hole, 51, 949, 0]);
    assert.deepEqual(map(made, 1000), [mapped, 1000, 1, 12]);
    assert.deepEqual(map(made, 1001), [hole, 1001, MAX_FILE_BLOCKS - 1001, 0]);
  });

  it("finds nothing in an empty root", () => {
    assert.deepEqual(map(Synthetic.extents().root(0, []), 7), [hole, 7, MAX_FILE_BLOCKS - 7, 0]);
  });

  it("verifies a node once while it is cached, and again for another inode", () => {
    const made = Synthetic.extents(true)
      .root(1, [[0, 0, 100]])
      .node(100, 0, [[0, 2, 10]]);
    assert.deepEqual(map(made, 0), [mapped, 0, 2, 10]);
    const node = made.volume.cache.read(100);
    assert.equal(node.verifiedFor, INO);
    node.data[500]! ^= 1; // not noticed: the cache is trusted
    assert.deepEqual(map(made, 0), [mapped, 0, 2, 10]);
    const other = new Inode(INO + 1, made.inode.raw);
    other.flags = made.inode.flags;
    other.checksumSeed = made.inode.checksumSeed + 1;
    assert.throws(() => mapBlocks(made.volume, other, 0, new BlockMapping()), { kind: "extent-checksum" });
  });

  it("answers for inline data", () => {
    const made = new Synthetic(InodeFlag.inlineData);
    assert.deepEqual(map(made, 0), [MappingType.inline, 0, 1, 0]);
    assert.deepEqual(map(made, 1), [hole, 1, MAX_FILE_BLOCKS - 1, 0]);
  });
});

describe("a hostile extent tree", () => {
  const good: Entry = [0, 1, 10];
  const leaf: Entry = [0, 0, 100];
  const made = () => Synthetic.extents();

  it("root header", () => {
    assertCorrupt(made().root(0, [good], { magic: 0xf30b }), 0, "extent-header");
    assertCorrupt(made().root(0, [good], { max: 0 }), 0, "extent-header");
    assertCorrupt(made().root(0, [good], { max: 5 }), 0, "extent-header");
    assertCorrupt(made().root(0, [good], { count: 5 }), 0, "extent-header");
    const deep = made().root(6, [leaf]);
    for (let depth = 5; depth > 0; depth--) deep.node(105 - depth, depth, [[0, 0, 106 - depth]]);
    assertCorrupt(deep.node(105, 0, [good]), 0, "extent-header");
    deep.root(5, [[0, 0, 101]]).inode.extentRootVerified = false;
    assert.deepEqual(map(deep, 0), [mapped, 0, 1, 10]);
    assertCorrupt(made().root(0xffff, [leaf]), 0, "extent-header");
    assertCorrupt(made().root(1, []), 0, "extent-header");
    assertCorrupt(made(), 0, "extent-header");
  });

  it("header of a node below", () => {
    const parent = () => made().root(1, [leaf]);
    assertCorrupt(parent(), 0, "extent-header", 100);
    assertCorrupt(parent().node(100, 0, [good], { magic: 0 }), 0, "extent-header", 100);
    assertCorrupt(parent().node(100, 0, [good], { max: 0 }), 0, "extent-header", 100);
    assertCorrupt(parent().node(100, 0, [good], { max: CAPACITY + 1 }), 0, "extent-header", 100);
    assertCorrupt(parent().node(100, 0, [good], { max: 0xffff, count: 0xffff }), 0, "extent-header", 100);
    assertCorrupt(parent().node(100, 0, [good], { max: 3, count: 4 }), 0, "extent-header", 100);
    assertCorrupt(parent().node(100, 0, []), 0, "extent-header", 100);
    assertCorrupt(parent().node(100, 1, [leaf]), 0, "extent-header", 100);
    assertCorrupt(parent().node(100, 9, [leaf]), 0, "extent-header", 100);
  });

  it("checksum", () => {
    const sum = () => Synthetic.extents(true).root(1, [leaf]).node(100, 0, [good]);
    assert.deepEqual(map(sum(), 0), [mapped, 0, 1, 10]);
    for (const at of [12, 500, 1019, 1020, 1023]) {
      const broken = sum();
      broken.bytes[100 * 1024 + at]! ^= 0x40;
      assertCorrupt(broken, 0, "extent-checksum", 100);
    }
    // The tail follows the entries that the header has room for, not those that would fit.
    const small = Synthetic.extents(true).root(1, [leaf]).node(100, 0, [good], { max: 3 });
    assert.deepEqual(map(small, 0), [mapped, 0, 1, 10]);
    small.volume.cache.clear();
    small.bytes[100 * 1024 + 1023]! ^= 1;
    assert.deepEqual(map(small, 0), [mapped, 0, 1, 10]);
  });

  it("order of extents", () => {
    for (const entries of [
      [
        [5, 2, 10],
        [6, 1, 20],
      ],
      [
        [5, 2, 10],
        [5, 2, 10],
      ],
      [
        [5, 2, 10],
        [3, 1, 20],
      ],
      [[0xffff_ffff, 1, 10]],
      [[0xffff_fffe, 2, 10]],
    ] as const) {
      assertCorrupt(made().root(0, entries), 0, "extent-order");
    }
    assert.deepEqual(map(made().root(0, [[0xffff_fffe, 1, 10]]), 0xffff_fffe), [mapped, 0xffff_fffe, 1, 10]);
  });

  it("order of index entries", () => {
    for (const second of [0, 5]) {
      assertCorrupt(
        made().root(1, [
          [5, 0, 100],
          [second, 0, 101],
        ]),
        9,
        "extent-order",
      );
    }
  });

  it("a node that does not fit where its parent has it", () => {
    const parent = () =>
      made()
        .root(1, [
          [5, 0, 100],
          [20, 0, 101],
        ])
        .node(101, 0, [[20, 1, 30]]);
    assertCorrupt(parent().node(100, 0, [[4, 1, 10]]), 5, "extent-order", 100);
    assertCorrupt(parent().node(100, 0, [[6, 1, 10]]), 5, "extent-order", 100);
    assertCorrupt(parent().node(100, 0, [[5, 16, 10]]), 5, "extent-order", 100);
    const fits = parent().node(100, 0, [[5, 15, 10]]);
    assert.deepEqual(map(fits, 5), [mapped, 5, 15, 10]);
    const twice = made()
      .root(1, [
        [5, 0, 100],
        [20, 0, 100],
      ])
      .node(100, 0, [[5, 1, 10]]);
    assert.deepEqual(map(twice, 5), [mapped, 5, 1, 10]);
    assertCorrupt(twice, 20, "extent-order", 100);
  });

  it("blocks outside the file system", () => {
    for (const [length, block] of [
      [0, 10],
      [1, 0],
      [1, 1],
      [1, BLOCK_COUNT],
      [2, BLOCK_COUNT - 1],
      [unwritten(2), BLOCK_COUNT - 1],
      [1, 2 ** 32 + 10],
      [1, 2 ** 48 - 1],
      [32_768, 10],
    ] as const) {
      assertCorrupt(made().root(0, [[0, length, block]]), 0, "extent-range");
      assertCorrupt(
        made()
          .root(1, [leaf])
          .node(100, 0, [[0, length, block]]),
        0,
        "extent-range",
        100,
      );
    }
    assert.deepEqual(map(made().root(0, [[0, 1, BLOCK_COUNT - 1]]), 0), [mapped, 0, 1, BLOCK_COUNT - 1]);
    for (const block of [0, 1, BLOCK_COUNT, 2 ** 40]) assertCorrupt(made().root(1, [[0, 0, block]]), 0, "extent-range");
  });

  it("an ancestor as a child", () => {
    const cycle = made()
      .root(3, [[0, 0, 100]])
      .node(100, 2, [[0, 0, 101]])
      .node(101, 1, [[0, 0, 100]]);
    assertCorrupt(cycle, 0, "extent-cycle", 100);
    assertCorrupt(
      made()
        .root(2, [[0, 0, 100]])
        .node(100, 1, [[0, 0, 100]]),
      0,
      "extent-cycle",
      100,
    );
  });
});
