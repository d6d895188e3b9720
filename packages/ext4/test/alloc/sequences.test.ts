// Oracles: a set of the blocks in use, and e2fsck after everything was freed.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { allocateBlocks } from "../../src/alloc/allocate-blocks.js";
import { allocateInode } from "../../src/alloc/allocate-inode.js";
import { freeBlocks } from "../../src/alloc/free-blocks.js";
import { freeBlockCount } from "../../src/alloc/free-counts.js";
import { freeInode } from "../../src/alloc/free-inode.js";
import { FileSystemError } from "../../src/errors.js";
import { FileType } from "../../src/format/inode.js";
import { groupDescriptor } from "../../src/groups/group-table.js";
import { cachedInode } from "../../src/inode/cached-inode.js";
import type { Inode } from "../../src/inode/inode.js";
import type { Handle } from "../../src/journal/handle.js";
import { transact } from "../../src/journal/transactions.js";
import { ImageDirectory, missingTool } from "../images.js";
import { checkImage } from "../writable.js";
import { dumpe2fsCounts, type WritableVolume, withVolume } from "./images.js";
import { SeededRandom } from "./random.js";

const skip = missingTool("mke2fs", "dumpe2fs", "e2fsck") ?? false;

class Undone extends Error {}

/** What is in use, as the caller sees it. */
interface Model {
  /** Clusters in use by their first blocks. */
  readonly clusters: Set<number>;
  readonly inodes: Map<number, Inode>;
}

/** Random operations, some undone, with the model kept beside. */
class Sequence {
  readonly #volume: WritableVolume;
  readonly #random: SeededRandom;
  readonly #ratio: number;
  model: Model = { clusters: new Set(), inodes: new Map() };
  /** The transaction that a cluster was freed in last. */
  #freed = new Map<number, number>();
  readonly #freeAtFirst: number;

  constructor(volume: WritableVolume, random: SeededRandom, freeBlocksAtFirst: number) {
    this.#volume = volume;
    this.#random = random;
    this.#ratio = volume.geometry.clusterSize / volume.geometry.blockSize;
    this.#freeAtFirst = freeBlocksAtFirst;
  }

  step(): void {
    if (this.#random.below(40) === 0) this.#volume.transactions.commit();
    const saved: Model = { clusters: new Set(this.model.clusters), inodes: new Map(this.model.inodes) };
    const savedFreed = new Map(this.#freed);
    const undo = this.#random.below(4) === 0;
    try {
      transact(this.#volume, 64, (handle) => {
        // A retry begins from the start.
        this.model = { clusters: new Set(saved.clusters), inodes: new Map(saved.inodes) };
        this.#freed = new Map(savedFreed);
        const operations = 1 + this.#random.below(5);
        for (let n = 0; n < operations; n++) {
          switch (this.#random.below(5)) {
            case 0:
            case 1:
              this.#allocate(handle);
              break;
            case 2:
              this.#free(handle);
              break;
            case 3:
              this.#create(handle);
              break;
            default:
              this.#delete(handle);
          }
        }
        if (undo) throw new Undone();
      });
    } catch (error) {
      if (!(error instanceof Undone || (error instanceof FileSystemError && error.code === "ENOSPC"))) throw error;
      this.model = saved;
      this.#freed = savedFreed;
    }
    this.#check();
  }

  #check(): void {
    const { geometry, superblock } = this.#volume;
    const seed = `seed ${this.#random.seed}`;
    assert.equal(freeBlockCount(this.#volume), this.#freeAtFirst - this.model.clusters.size * this.#ratio, seed);
    let clusters = 0;
    let inodes = 0;
    for (let group = 0; group < geometry.groupCount; group++) {
      clusters += groupDescriptor(this.#volume, group).freeClusters;
      inodes += groupDescriptor(this.#volume, group).freeInodes;
    }
    assert.equal(clusters * this.#ratio, freeBlockCount(this.#volume), seed);
    assert.equal(inodes, superblock.freeInodesCount, seed);
  }

  #allocate(handle: Handle): void {
    const random = this.#random;
    const { blockCount } = this.#volume.geometry;
    const count = 1 + random.below(random.below(8) === 0 ? 6000 : 40);
    const minimum = random.below(3) === 0 ? 1 + random.below(count) : 1;
    const inode = [...this.model.inodes.values()].at(random.below(8));
    const run = { block: 0, count: 0 };
    const request = { goal: random.below(blockCount), count, minimum, inode, metadata: random.below(4) === 0 };
    handle.privileged = true;
    allocateBlocks(handle, request, run);
    const seed = `seed ${random.seed}`;
    assert.ok(run.count >= Math.min(minimum, count) && run.count <= count, `${seed}: ${run.count} of ${count}`);
    for (let block = run.block; block < run.block + run.count; block += this.#ratio) {
      assert.ok(block < blockCount, seed);
      assert.ok(!this.model.clusters.has(block), `${seed}: ${block} is in use`);
      assert.ok(
        this.#freed.get(block) !== this.#volume.transactions.tid,
        `${seed}: ${block} was freed in this transaction`,
      );
      this.model.clusters.add(block);
    }
  }

  #free(handle: Handle): void {
    const clusters = [...this.model.clusters];
    if (clusters.length === 0) return;
    const first = clusters[this.#random.below(clusters.length)]!;
    let end = first;
    while (this.model.clusters.has(end) && this.#random.below(200) !== 0) {
      this.model.clusters.delete(end);
      this.#freed.set(end, this.#volume.transactions.tid);
      end += this.#ratio;
    }
    if (end > first) freeBlocks(handle, undefined, first, end - first);
  }

  #create(handle: Handle): void {
    const type = this.#random.below(3) === 0 ? FileType.directory : FileType.regular;
    const root = cachedInode(this.#volume, 2);
    const inode = allocateInode(handle, { parent: root, mode: type | 0o644, uid: 0, gid: 0 });
    assert.ok(!this.model.inodes.has(inode.ino), `seed ${this.#random.seed}: inode ${inode.ino} is in use`);
    this.model.inodes.set(inode.ino, inode);
  }

  #delete(handle: Handle): void {
    const inodes = [...this.model.inodes.values()];
    const inode = inodes[this.#random.below(inodes.length)];
    if (inode === undefined) return;
    handle.modifyInode(inode);
    inode.dtime = 1_700_000_000;
    freeInode(handle, inode);
    this.model.inodes.delete(inode.ino);
  }

  /** Frees all that is in use. */
  end(): void {
    for (const block of this.model.clusters) {
      transact(this.#volume, 64, (handle) => freeBlocks(handle, undefined, block, this.#ratio));
    }
    for (const inode of this.model.inodes.values()) {
      transact(this.#volume, 64, (handle) => {
        handle.modifyInode(inode);
        inode.dtime = 1_700_000_000;
        freeInode(handle, inode);
      });
    }
  }
}

describe("random sequences of allocations, frees, commits and undone operations", { skip }, () => {
  const images = new ImageDirectory();
  after(() => images.remove());

  const layouts: ReadonlyArray<readonly [name: string, size: string, options: readonly string[]]> = [
    ["small groups", "12M", ["-t", "ext4", "-b", "1024", "-g", "1024", "-N", "400"]],
    ["gdt_csum", "12M", ["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,uninit_bg"]],
    ["no flex_bg", "20M", ["-t", "ext4", "-b", "1024", "-O", "^flex_bg"]],
    ["bigalloc", "60M", ["-t", "ext4", "-b", "1024", "-O", "bigalloc", "-C", "8192"]],
  ];
  for (const [name, size, options] of layouts) {
    it(`agree with a set: ${name}`, (context) => {
      const random = new SeededRandom(Date.now());
      context.diagnostic(`seed ${random.seed}`);
      const image = images.make("image", size, options);
      const before = dumpe2fsCounts(image);
      withVolume(image, (volume) => {
        const sequence = new Sequence(volume, random, before.freeBlocks);
        for (let n = 0; n < 500; n++) sequence.step();
        sequence.end();
      });
      checkImage(image);
      assert.deepEqual(dumpe2fsCounts(image), before, `seed ${random.seed}`);
    });
  }
});
