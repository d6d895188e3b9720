// Oracle: the rules that the kernel's allocators follow (mballoc, Orlov), stated as bounds.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { allocateBlocks, type BlockRun } from "../../src/alloc/allocate-blocks.js";
import { allocateInode } from "../../src/alloc/allocate-inode.js";
import { freeBlocks } from "../../src/alloc/free-blocks.js";
import { freeBlockCount, reservedBlockCount } from "../../src/alloc/free-counts.js";
import { goalOfInode } from "../../src/alloc/goal.js";
import { trim } from "../../src/alloc/trim.js";
import { FileSystemError } from "../../src/errors.js";
import { FileType, InodeFlag } from "../../src/format/inode.js";
import { groupOfBlock } from "../../src/groups/group-table.js";
import { cachedInode } from "../../src/inode/cached-inode.js";
import type { Inode } from "../../src/inode/inode.js";
import { transact } from "../../src/journal/transactions.js";
import type { Volume } from "../../src/volume.js";
import { ImageDirectory, missingTool } from "../images.js";
import { withVolume } from "./images.js";

const skip = missingTool("mke2fs") ?? false;

/** A file that is written from its beginning to its end; what is allocated for it is kept as extents. */
class Writer {
  readonly extents: BlockRun[] = [];
  readonly inode: Inode;
  readonly #volume: Volume;
  #goal: number;

  constructor(volume: Volume, parent: Inode) {
    this.#volume = volume;
    this.inode = create(volume, parent, FileType.regular);
    this.#goal = goalOfInode(volume, this.inode);
  }

  append(blocks: number): void {
    for (let left = blocks; left > 0; ) {
      const run = { block: 0, count: 0 };
      transact(this.#volume, 16, (handle) => {
        const request = { goal: this.#goal, count: left, metadata: false };
        allocateBlocks(handle, { ...request, inode: this.inode }, run);
        handle.modifyInode(this.inode);
        this.inode.blocks += run.count * 8;
      });
      const last = this.extents.at(-1);
      if (last !== undefined && last.block + last.count === run.block) last.count += run.count;
      else this.extents.push(run);
      this.#goal = run.block + run.count;
      left -= run.count;
    }
  }
}

function create(volume: Volume, parent: Inode, type: number): Inode {
  return transact(volume, 16, (handle) => allocateInode(handle, { parent, mode: type | 0o755, uid: 3, gid: 4 }));
}

function flexOf(volume: Volume, inode: Inode): number {
  return Math.floor((inode.ino - 1) / volume.geometry.inodesPerGroup / 2 ** volume.superblock.logGroupsPerFlex);
}

describe("blocks are placed", { skip }, () => {
  const images = new ImageDirectory();
  let image = "";
  after(() => images.remove());
  before(() => {
    image = images.make("image", "8G", ["-t", "ext4"]);
  });

  it("in few extents when 1 GiB is written in pieces of 1 MiB", () => {
    withVolume(image, (volume) => {
      const writer = new Writer(volume, cachedInode(volume, 2));
      for (let n = 0; n < 1024; n++) writer.append(256);
      // Superblock copies in groups 3, 5, 7 and 9 are in the way.
      assert.ok(writer.extents.length <= 5, `${writer.extents.length} extents`);
    });
  });

  it("in few extents when four files are written in turn", () => {
    withVolume(image, (volume) => {
      const root = cachedInode(volume, 2);
      const writers = [1, 2, 3, 4].map(() => new Writer(volume, root));
      for (let n = 0; n < 128; n++) for (const writer of writers) writer.append(256);
      for (const { extents } of writers) assert.ok(extents.length <= 24, `${extents.length} extents of 128 MiB`);
    });
  });

  it("one behind the other for a file that grows by a block at a time, beside others that do", () => {
    withVolume(image, (volume) => {
      const root = cachedInode(volume, 2);
      const writers = [1, 2, 3].map(() => new Writer(volume, root));
      for (let n = 0; n < 1000; n++) for (const writer of writers) writer.append(1);
      for (const { extents } of writers) assert.ok(extents.length <= 16, `${extents.length} extents of 1000 blocks`);
    });
  });

  it("side by side for small files of one directory", () => {
    withVolume(image, (volume) => {
      const root = cachedInode(volume, 2);
      const blocks: number[] = [];
      for (let n = 0; n < 500; n++) {
        const writer = new Writer(volume, root);
        writer.append(2);
        blocks.push(writer.extents[0]!.block);
      }
      const span = Math.max(...blocks) - Math.min(...blocks);
      assert.ok(span < 6000, `500 files of 2 blocks over ${span} blocks`);
    });
  });

  it("in a far group of a full file system without looking at the full ones again", () => {
    const manyGroups = images.make("many-groups", "128M", ["-t", "ext4", "-b", "1024", "-g", "256", "-N", "4096"]);
    withVolume(manyGroups, (volume) => {
      const { groupCount } = volume.geometry;
      assert.equal(groupCount, 512);
      const allocate = (count: number): BlockRun => {
        const run = { block: 0, count: 0 };
        const request = { goal: 0, count, inode: undefined, metadata: false };
        transact(volume, 16, (handle) => handle.asNeeded(() => allocateBlocks(handle, request, run)));
        return run;
      };
      const last = new Map<number, number>();
      while (freeBlockCount(volume) > 0) {
        const { block, count } = allocate(256);
        last.set(groupOfBlock(volume, block), block + count - 1);
      }
      const free = (block: number) => transact(volume, 16, (handle) => freeBlocks(handle, undefined, block, 1));
      const [one, other] = [last.get(200)!, last.get(400)!];
      free(one);
      free(other);
      volume.transactions.commit();
      assert.equal(allocate(1).block, one);
      let looks = 0;
      const { descriptors } = volume;
      const get = descriptors.get;
      descriptors.get = (group) => {
        looks++;
        return get.call(descriptors, group);
      };
      assert.equal(allocate(1).block, other);
      assert.ok(looks < 50, `${looks} descriptors of ${groupCount}`);
      // What is freed is found again, in a group that was passed over.
      free(one);
      volume.transactions.commit();
      assert.equal(allocate(1).block, one);
    });
  });

  it("in the group behind the directories' for files, and there for directories", () => {
    withVolume(image, (volume) => {
      const directory = create(volume, cachedInode(volume, 2), FileType.directory);
      const flex = flexOf(volume, directory);
      assert.equal(groupOfBlock(volume, goalOfInode(volume, directory)), flex * 16);
      const file = create(volume, directory, FileType.regular);
      assert.equal(groupOfBlock(volume, goalOfInode(volume, file)), flex * 16 + 1);
    });
  });

  it("to the last, though files that grow have room kept for them", () => {
    const small = images.make("small", "20M", ["-t", "ext4", "-b", "1024", "-N", "64", "-m", "0"]);
    withVolume(small, (volume) => {
      const root = cachedInode(volume, 2);
      const writers = [1, 2, 3].map(() => new Writer(volume, root));
      for (let n = 0; n < 20; n++) for (const writer of writers) writer.append(20);
      const run = { block: 0, count: 0 };
      const request = { goal: 0, count: 7, inode: undefined, metadata: false };
      while (freeBlockCount(volume) > 0) {
        transact(volume, 16, (handle) => handle.asNeeded(() => allocateBlocks(handle, request, run)));
      }
    });
  });

  it("in whole groups for one large request", () => {
    withVolume(image, (volume) => {
      const writer = new Writer(volume, cachedInode(volume, 2));
      writer.append(262_144);
      assert.ok(writer.extents.length <= 10, `${writer.extents.length} extents`);
    });
  });

  it("as a run of the least length that was asked for", () => {
    const small = images.make("small", "20M", [
      "-t",
      "ext4",
      "-b",
      "1024",
      "-N",
      "64",
      "-O",
      "^has_journal",
      "-m",
      "0",
    ]);
    withVolume(small, (volume) => {
      const request = { inode: undefined, metadata: false };
      const run = { block: 0, count: 0 };
      const take = (goal: number, count: number, minimum: number) =>
        transact(volume, 16, (handle) =>
          handle.asNeeded(() => allocateBlocks(handle, { ...request, goal, count, minimum }, run)),
        );
      while (freeBlockCount(volume) > 0) take(0, 9000, 1);
      for (let block = 2000; block < 4000; block += 4) {
        transact(volume, 16, (handle) => freeBlocks(handle, undefined, block, 2));
      }
      transact(volume, 16, (handle) => freeBlocks(handle, undefined, 5001, 9));
      volume.transactions.commit();
      take(0, 100, 5);
      assert.deepEqual(run, { block: 5001, count: 9 });
      const noSpace = (error: unknown) => error instanceof FileSystemError && error.code === "ENOSPC";
      assert.throws(() => take(0, 100, 3), noSpace);
      take(3000, 100, 2);
      assert.deepEqual(run, { block: 3000, count: 2 });
    });
  });
});

describe("reserved blocks", { skip }, () => {
  const images = new ImageDirectory();
  after(() => images.remove());

  it("are left for those who may use them", () => {
    const image = images.make("image", "20M", ["-t", "ext4", "-b", "1024", "-m", "10"]);
    withVolume(image, (volume) => {
      const reserved = reservedBlockCount(volume);
      assert.ok(reserved > 1000);
      const kept = Math.floor(20_480 / 50); // ext4_set_resv_clusters
      const run = { block: 0, count: 0 };
      const request = { goal: 0, count: 9000, inode: undefined, metadata: false };
      const takeAll = (privileged: boolean) => {
        for (;;) {
          transact(volume, 16, (handle) => {
            handle.privileged = privileged;
            allocateBlocks(handle, request, run);
          });
        }
      };
      assert.throws(() => takeAll(false), /reserved/);
      assert.equal(freeBlockCount(volume), reserved + kept);
      assert.throws(() => takeAll(true), /reserved/);
      assert.equal(freeBlockCount(volume), kept);
      transact(volume, 16, (handle) => handle.asNeeded(() => allocateBlocks(handle, request, run)));
      assert.ok(freeBlockCount(volume) < kept);
    });
  });
});

describe("inodes are placed", { skip }, () => {
  const images = new ImageDirectory();
  let image = "";
  after(() => images.remove());
  before(() => {
    image = images.make("image", "600M", ["-t", "ext4", "-b", "1024", "-G", "4", "-N", "100000"]);
  });

  it("apart for directories at the top, in their directory's flex group for the rest", () => {
    withVolume(image, (volume) => {
      const root = cachedInode(volume, 2);
      const tops = Array.from({ length: 12 }, () => create(volume, root, FileType.directory));
      assert.ok(new Set(tops.map((top) => flexOf(volume, top))).size >= 10);
      const [top] = tops;
      for (let n = 0; n < 50; n++) {
        const below = create(volume, top!, FileType.directory);
        assert.equal(flexOf(volume, below), flexOf(volume, top!));
        assert.equal(flexOf(volume, create(volume, below, FileType.regular)), flexOf(volume, top!));
      }
    });
  });

  it("elsewhere when a flex group has too many directories", () => {
    withVolume(image, (volume) => {
      const top = create(volume, cachedInode(volume, 2), FileType.directory);
      const places = new Set<number>();
      for (let n = 0; n < 400; n++) places.add(flexOf(volume, create(volume, top, FileType.directory)));
      assert.ok(places.size > 1);
    });
  });
});

describe("new inodes", { skip }, () => {
  const images = new ImageDirectory();
  after(() => images.remove());

  it("have what the kernel gives them", () => {
    const options = ["-t", "ext4", "-b", "1024", "-O", "project,quota", "-I", "256"];
    withVolume(images.make("image", "20M", options), (volume) => {
      const root = cachedInode(volume, 2);
      const make = (parent: Inode, mode: number) =>
        transact(volume, 16, (handle) => allocateInode(handle, { parent, mode, uid: 70_000, gid: 80_000 }));
      root.flags |= InodeFlag.sync | InodeFlag.dirSync | InodeFlag.noDump | InodeFlag.immutable | InodeFlag.index;
      root.flags |= InodeFlag.projectInherit;
      root.projectId = 42;
      const file = make(root, FileType.regular | 0o640);
      const directory = make(root, FileType.directory | 0o750);
      const fifo = make(root, FileType.fifo | 0o600);
      assert.equal(file.flags, InodeFlag.sync | InodeFlag.noDump | InodeFlag.extents);
      const inherited = InodeFlag.sync | InodeFlag.noDump | InodeFlag.dirSync | InodeFlag.projectInherit;
      assert.equal(directory.flags, inherited | InodeFlag.extents);
      assert.equal(fifo.flags, InodeFlag.noDump);
      for (const inode of [file, directory, fifo]) {
        assert.equal(inode.projectId, 42);
        assert.equal(inode.extraSize, 32);
        assert.equal(inode.uid, 70_000);
        assert.equal(inode.gid, 80_000);
        assert.ok(inode.hasCrtime && inode.crtime > 1_500_000_000 && inode.crtime === inode.mtime);
        assert.equal(cachedInode(volume, inode.ino), inode);
      }
      assert.notEqual(file.generation, directory.generation);
      assert.deepEqual([...file.block.subarray(0, 12)], [0x0a, 0xf3, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]);
      assert.ok(fifo.block.every((byte) => byte === 0));
    });
  });
});

describe("trim", { skip }, () => {
  const images = new ImageDirectory();
  after(() => images.remove());

  for (const [name, options] of [
    ["1 KiB blocks", ["-b", "1024"]],
    ["bigalloc", ["-b", "1024", "-O", "bigalloc"]],
  ] as const) {
    it(`discards what is free, and only that: ${name}`, () => {
      const image = images.make("image", "40M", ["-t", "ext4", ...options]);
      withVolume(image, (volume) => {
        const run = { block: 0, count: 0 };
        const request = { goal: 9000, count: 64, inode: undefined, metadata: false };
        transact(volume, 16, (handle) => handle.asNeeded(() => allocateBlocks(handle, request, run)));
        transact(volume, 16, (handle) => freeBlocks(handle, undefined, run.block, run.count));
        const { blockCount } = volume.geometry;
        const discarded = (minimum = 1, start = 0, length = blockCount) => {
          let sum = 0;
          const reported = trim(volume, start, length, minimum, (block, count) => {
            assert.equal(volume.systemZone?.firstInside(volume, block, count, 0), -1);
            assert.ok(count >= minimum && block >= start && block + count <= start + length);
            sum += count;
          });
          assert.equal(reported, sum);
          return sum;
        };
        // What waits for the commit may still be needed after a crash.
        assert.equal(discarded(), freeBlockCount(volume) - run.count);
        volume.transactions.commit();
        assert.equal(discarded(), freeBlockCount(volume));
        assert.equal(discarded(blockCount), 0);
        assert.equal(discarded(1, run.block, run.count), run.count);
        assert.equal(discarded(1, blockCount + 5, 1e9), 0);
        assert.equal(discarded(1, run.block + 32, 16), 16);
      });
    });
  }
});
