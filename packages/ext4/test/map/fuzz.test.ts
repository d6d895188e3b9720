import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CorruptionError } from "../../src/errors.js";
import { I_BLOCK_OFFSET } from "../../src/format/inode.js";
import { extentTree } from "../../src/map/extent-tree.js";
import { mapBlocks } from "../../src/map/map-blocks.js";
import { BlockMapping, MAX_FILE_BLOCKS, MappingType } from "../../src/map/mapping.js";
import { prefetchFileBlocks, readFileBlock } from "../../src/map/read-data.js";
import { forEachMapping } from "../../src/map/walk.js";
import { randomFrom } from "./images.js";
import { BLOCK_COUNT, type Entry, Synthetic, unwritten } from "./synthetic.js";

const { SEED: given } = process.env;
const SEED = Number(given ?? 20_261_121);
const ROUNDS = 4000;
/** Milliseconds that one hostile file may take. */
const PATIENCE = 2000;

const kinds = new Map<string, number>();

function survives(attempt: () => void): void {
  try {
    attempt();
    kinds.set("result", (kinds.get("result") ?? 0) + 1);
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    kinds.set(error.kind, (kinds.get(error.kind) ?? 0) + 1);
  }
}

/** Everything that reads a map, on a file that may be anything: a sane result, or a CorruptionError. */
function readEverything(made: Synthetic, random: (below: number) => number): void {
  const { volume, inode } = made;
  volume.cache.clear();
  inode.extentRootVerified = false;
  const out = new BlockMapping();
  for (const range of [300, 70_000, 70_000_000, MAX_FILE_BLOCKS + 2]) {
    const fileBlock = random(range);
    survives(() => {
      mapBlocks(volume, inode, fileBlock, out);
      assert.equal(out.fileBlock, fileBlock);
      assert.ok(Number.isSafeInteger(out.length) && out.length >= 1);
      if (out.type === MappingType.hole) assert.equal(out.block, 0);
      else assert.ok(out.block > 1 && out.block + out.length <= BLOCK_COUNT);
    });
    survives(() => readFileBlock(volume, inode, fileBlock));
    survives(() => prefetchFileBlocks(volume, inode, fileBlock, random(1000)));
  }
  survives(() => extentTree(volume, inode));
  survives(() => {
    let next = 0;
    forEachMapping(volume, inode, 0, MAX_FILE_BLOCKS, (mapping) => {
      assert.equal(mapping.fileBlock, next);
      next += mapping.length;
      return true;
    });
    assert.equal(next, MAX_FILE_BLOCKS);
  });
}

/** Damages bytes of `target` at `start`: a bit, a byte, or a field that becomes 0, all ones or a neighbour of what it was. */
function damage(target: Uint8Array, start: number, length: number, random: (below: number) => number): void {
  for (let times = 1 + random(3); times > 0; times--) {
    const at = start + random(length);
    switch (random(4)) {
      case 0:
        target[at]! ^= 1 << random(8);
        break;
      case 1:
        target[at] = random(256);
        break;
      case 2:
        target.fill(random(2) * 255, at & ~1, (at & ~1) + 2);
        break;
      default:
        target[at]! += random(2) * 2 - 1;
    }
  }
}

function fuzz(make: (random: (below: number) => number) => Synthetic, blocks: readonly number[], label: string): void {
  kinds.clear();
  for (let round = 0; round < ROUNDS; round++) {
    const random = randomFrom(SEED + round);
    const made = make(random);
    const { blockSize } = made.volume.geometry;
    const target = random(blocks.length + 1);
    // Where the values are: most of a node's bytes behind its entries mean nothing.
    if (target === blocks.length) damage(made.inode.raw, I_BLOCK_OFFSET, 60, random);
    else damage(made.bytes, blocks[target]! * blockSize, random(2) === 0 ? 64 : blockSize, random);
    const started = performance.now();
    try {
      readEverything(made, random);
    } catch (error) {
      throw new Error(`${label}: seed ${SEED + round}`, { cause: error });
    }
    assert.ok(performance.now() - started < PATIENCE, `${label}: seed ${SEED + round} took too long`);
  }
}

describe("damaged maps give a result or a CorruptionError", () => {
  it("extent trees", () => {
    const nodes = [100, 101, 102, 103];
    fuzz(
      () =>
        Synthetic.extents()
          .root(2, [
            [0, 0, 100],
            [70_000, 0, 101],
          ])
          .node(100, 1, [
            [0, 0, 102],
            [60, 0, 103],
          ])
          .node(101, 1, [[70_000, 0, 104]])
          .node(102, 0, [
            [0, 4, 10],
            [4, 2, 14],
            [20, unwritten(9), 30],
          ])
          .node(103, 0, [[60, 1, 50]])
          .node(104, 0, [[70_000, 3, 60]]),
      nodes,
      "extents",
    );
    for (const kind of ["result", "extent-header", "extent-order", "extent-range"]) {
      assert.ok((kinds.get(kind) ?? 0) > 0, `never: ${kind}`);
    }
  });

  it("nodes that point anywhere", () => {
    const anywhere = (random: (below: number) => number): Synthetic => {
      const made = Synthetic.extents();
      const entries = (depth: number, most: number): Entry[] => {
        let fileBlock = 0;
        return Array.from({ length: 1 + random(most) }, (): Entry => {
          const first = fileBlock;
          const length = depth === 0 ? 1 + random(3) : 0;
          fileBlock += length + random(50) + 1;
          return [first, length, depth === 0 ? 2 + random(90) : 100 + random(16)];
        });
      };
      for (let block = 100; block < 116; block++) {
        const depth = random(3);
        made.node(block, depth, entries(depth, 10));
      }
      const depth = 1 + random(5);
      return made.root(depth, entries(depth, 4));
    };
    fuzz(anywhere, [100], "anywhere");
    assert.ok((kinds.get("extent-cycle") ?? 0) > 0, "never: a cycle");
  });

  it("indirect blocks that point anywhere", () => {
    const pointers = (random: (below: number) => number): Synthetic => {
      const made = Synthetic.pointers();
      const density = 1 + random(100);
      for (let index = 0; index < 15; index++) if (random(2) === 0) made.iBlock(index, 2 + random(126));
      for (let block = 2; block < BLOCK_COUNT; block++) {
        for (let index = random(density); index < 256; index += 1 + random(density)) {
          made.pointer(block, index, 2 + random(126));
        }
      }
      return made;
    };
    fuzz(pointers, [2], "pointers");
    for (const kind of ["result", "indirect-range", "indirect-cycle"]) {
      assert.ok((kinds.get(kind) ?? 0) > 0, `never: ${kind}`);
    }
  });
});
