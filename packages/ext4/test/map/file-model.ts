import assert from "node:assert/strict";
import type { Inode } from "../../src/inode/inode.js";
import type { Handle } from "../../src/journal/handle.js";
import { transact } from "../../src/journal/transactions.js";
import { ALLOCATE_CREDITS, allocateRange, convertToUnwritten, convertUnwritten } from "../../src/map/allocate-range.js";
import { mapBlocks } from "../../src/map/map-blocks.js";
import { BlockMapping, MappingType } from "../../src/map/mapping.js";
import { MAP_CREDITS, removeRange, truncateBlocks } from "../../src/map/remove-range.js";
import { shiftRange } from "../../src/map/shift-range.js";
import type { Volume } from "../../src/volume.js";

const mapping = new BlockMapping();
const CREDITS = 4 * (ALLOCATE_CREDITS + MAP_CREDITS);

/** Stamps that no two writes share: what a block holds says which write it comes from. */
let lastStamp = 0;

/** A file, and what its blocks from `base` on have to hold. */
export class FileModel {
  readonly volume: Volume;
  readonly inode: Inode;
  readonly base: number;
  readonly blocks: number;
  /** MappingType by block. */
  readonly state: Uint8Array;
  readonly stamp: Uint32Array;

  constructor(volume: Volume, inode: Inode, base: number, blocks: number) {
    this.volume = volume;
    this.inode = inode;
    this.base = base;
    this.blocks = blocks;
    this.state = new Uint8Array(blocks).fill(MappingType.hole);
    this.stamp = new Uint32Array(blocks);
  }

  change(body: (handle: Handle) => void): void {
    transact(this.volume, Math.min(CREDITS, this.volume.transactions!.mostCredits), (handle) => {
      handle.modifyInode(this.inode);
      body(handle);
      handle.modifyInode(this.inode); // it may have restarted
      this.#setSize();
    });
  }

  /** Writes blocks, counted from `base`, and data into them. */
  write(first: number, count: number): void {
    this.change((handle) => {
      for (let at = first; at < first + count; ) {
        const wanted = first + count - at;
        allocateRange(handle, this.inode, this.base + at, wanted, false, mapping);
        const { type, block, length, isNew } = mapping;
        assert.equal(mapping.fileBlock, this.base + at);
        assert.ok(length >= 1 && length <= wanted, `${length} blocks of ${wanted}`);
        if (isNew) assert.equal(type, MappingType.mapped);
        for (let n = 0; n < length; n++) {
          assert.equal(isNew, this.state[at + n] === MappingType.hole, `isNew of block ${at + n}`);
          this.stamp[at + n] = ++lastStamp;
          this.state[at + n] = MappingType.mapped;
          this.#put(block + n, lastStamp);
        }
        if (type === MappingType.unwritten) convertUnwritten(handle, this.inode, this.base + at, length);
        at += length;
      }
    });
  }

  /** Allocates blocks that read as zeros. */
  preallocate(first: number, count: number): void {
    this.change((handle) => {
      for (let at = first; at < first + count; at += mapping.length) {
        allocateRange(handle, this.inode, this.base + at, first + count - at, true, mapping);
        for (let n = at; n < at + mapping.length; n++) {
          if (this.state[n] === MappingType.hole) this.state[n] = MappingType.unwritten;
        }
      }
    });
  }

  zero(first: number, count: number): void {
    this.change((handle) => convertToUnwritten(handle, this.inode, this.base + first, count));
    for (let n = first; n < first + count; n++) {
      if (this.state[n] === MappingType.mapped) this.state[n] = MappingType.unwritten;
    }
    this.#shrinkSize();
  }

  punch(first: number, count: number): void {
    this.change((handle) => removeRange(handle, this.inode, this.base + first, this.base + first + count));
    this.state.fill(MappingType.hole, first, first + count);
    this.#shrinkSize();
  }

  truncate(count: number): void {
    this.change((handle) => truncateBlocks(handle, this.inode, this.base + count));
    this.state.fill(MappingType.hole, count);
    this.#shrinkSize();
  }

  collapse(first: number, count: number): void {
    this.change((handle) => {
      removeRange(handle, this.inode, this.base + first, this.base + first + count);
      shiftRange(handle, this.inode, this.base + first + count, -count);
    });
    this.state.copyWithin(first, first + count).fill(MappingType.hole, this.blocks - count);
    this.stamp.copyWithin(first, first + count);
    this.#shrinkSize();
  }

  /** Moves the rest of the window; what would leave it is removed before. */
  insert(first: number, count: number): void {
    this.truncate(this.blocks - count);
    this.change((handle) => shiftRange(handle, this.inode, this.base + first, count));
    this.state.copyWithin(first + count, first).fill(MappingType.hole, first, Math.min(first + count, this.blocks));
    this.stamp.copyWithin(first + count, first);
    this.#shrinkSize();
  }

  /** Every block is what it has to be, by the reading side, and on the device. */
  check(): void {
    const bytes = new Uint8Array(8);
    const view = new DataView(bytes.buffer);
    const { blockSize } = this.volume.geometry;
    for (let at = 0; at < this.blocks; at++) {
      mapBlocks(this.volume, this.inode, this.base + at, mapping);
      assert.equal(mapping.type, this.state[at], `state of block ${at} of inode ${this.inode.ino}`);
      if (mapping.type !== MappingType.mapped) continue;
      this.volume.device.read(mapping.block * blockSize, bytes);
      assert.equal(view.getUint32(0, true), this.stamp[at], `contents of block ${at} of inode ${this.inode.ino}`);
    }
  }

  /** The stamp that somebody who reads block `at` finds; 0 where there are zeros. */
  contentsAt(at: number): number {
    return this.state[at] === MappingType.mapped ? this.stamp[at]! : 0;
  }

  #put(block: number, stamp: number): void {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setUint32(0, stamp, true);
    this.volume.device.write(block * this.volume.geometry.blockSize, bytes);
  }

  /** What e2fsck demands: written blocks lie inside the file. */
  #setSize(): void {
    const last = this.state.lastIndexOf(MappingType.mapped);
    this.inode.size = last < 0 ? 0 : (this.base + last + 1) * this.volume.geometry.blockSize;
  }

  #shrinkSize(): void {
    this.change(() => {});
  }
}
