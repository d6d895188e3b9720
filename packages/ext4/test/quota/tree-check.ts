import assert from "node:assert/strict";
import { cachedInode } from "../../src/inode/cached-inode.js";
import { readFileBlock } from "../../src/map/read-data.js";
import type { Volume } from "../../src/volume.js";

const BLOCK = 1024;
const ENTRY = 72;
const ENTRIES = 14;

/** The bytes of a quota file as they are in the cache. */
export function quotaFileBytes(volume: Volume, ino: number): Uint8Array {
  const inode = cachedInode(volume, ino);
  const { blockSize } = volume.geometry;
  const blocks = Math.ceil(inode.size / blockSize);
  const bytes = new Uint8Array(blocks * blockSize);
  for (let n = 0; n < blocks; n++) bytes.set(readFileBlock(volume, inode, n)!.data, n * blockSize);
  return bytes.subarray(0, inode.size);
}

/** What the entries of a quota file say, by id. */
export type Entries = Map<number, { space: number; inodes: number }>;

/**
 * Reads a quota file by the format's description alone, and checks that each of its blocks is in one place: the tree, which leads to
 * every entry once, the list of those with room, or the list of unused ones.
 */
export function checkQuotaFile(bytes: Uint8Array): Entries {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const word = (block: number, offset: number) => view.getUint32(block * BLOCK + offset, true);
  const blocks = word(0, 20);
  assert.ok(blocks * BLOCK <= bytes.length, `${blocks} blocks in ${bytes.length} bytes`);
  const kinds = new Map<number, string>([[0, "header"]]);
  const used = new Map<number, Set<number>>();
  const entries: Entries = new Map();

  const claim = (block: number, kind: string) => {
    assert.ok(block > 0 && block < blocks, `block ${block} of ${blocks}`);
    assert.equal(kinds.get(block), undefined, `block ${block} is ${kind}`);
    kinds.set(block, kind);
  };
  const walk = (block: number, level: number, prefix: number) => {
    claim(block, "tree");
    let children = 0;
    for (let n = 0; n < 256; n++) {
      const child = word(block, 4 * n);
      if (child === 0) continue;
      children++;
      if (level < 3) walk(child, level + 1, prefix * 256 + n);
      else readEntry(child, prefix * 256 + n);
    }
    assert.ok(children > 0 || level === 0, `an empty block ${block} in the tree`);
  };
  const readEntry = (block: number, id: number) => {
    if (!used.has(block)) {
      claim(block, "entries");
      used.set(block, new Set());
    }
    for (let n = 0; n < ENTRIES; n++) {
      const at = block * BLOCK + 16 + n * ENTRY;
      if (view.getUint32(at, true) !== id || bytes.subarray(at, at + ENTRY).every((byte) => byte === 0)) continue;
      assert.ok(!used.get(block)!.has(n));
      used.get(block)!.add(n);
      entries.set(id, {
        inodes: Number(view.getBigUint64(at + 24, true)),
        space: Number(view.getBigUint64(at + 48, true)),
      });
      return;
    }
    assert.fail(`no entry of id ${id} in block ${block}`);
  };
  walk(1, 0, 0);
  const withRoom: number[] = [];
  for (const [block, places] of used) {
    assert.equal(view.getUint16(block * BLOCK + 8, true), places.size, `entries in block ${block}`);
    if (places.size < ENTRIES) withRoom.push(block);
    for (let n = 0; n < ENTRIES; n++) {
      if (places.has(n)) continue;
      const at = block * BLOCK + 16 + n * ENTRY;
      assert.ok(
        bytes.subarray(at, at + ENTRY).every((byte) => byte === 0),
        `an entry in block ${block} that the tree does not lead to`,
      );
    }
  }
  const listed: number[] = [];
  for (let block = word(0, 28), previous = 0; block !== 0; previous = block, block = word(block, 0)) {
    assert.ok(!listed.includes(block), "the list of blocks with room ends");
    assert.equal(word(block, 4), previous);
    listed.push(block);
  }
  assert.deepEqual(
    listed.toSorted((a, b) => a - b),
    withRoom.toSorted((a, b) => a - b),
  );
  for (let block = word(0, 24); block !== 0; block = word(block, 0)) claim(block, "unused");
  assert.equal(kinds.size, blocks, "every block is somewhere");
  return entries;
}
