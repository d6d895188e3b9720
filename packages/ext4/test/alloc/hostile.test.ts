// Images with wrong bitmaps, counts and flags: allocation goes elsewhere or fails with a named error, and always ends.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, describe, it } from "node:test";
import { allocateBlocks, type BlockRun } from "../../src/alloc/allocate-blocks.js";
import { allocateInode } from "../../src/alloc/allocate-inode.js";
import { allocatorOf } from "../../src/alloc/allocator.js";
import { claimInode, isInodeUsed } from "../../src/alloc/claim.js";
import { freeBlocks } from "../../src/alloc/free-blocks.js";
import { trim } from "../../src/alloc/trim.js";
import { CachedBlock } from "../../src/cache/block-cache.js";
import { MemoryDevice } from "../../src/device/memory.js";
import { CorruptionError, FileSystemError, isEngineError } from "../../src/errors.js";
import { FileType } from "../../src/format/inode.js";
import { groupDescriptor, groupFirstBlock, groupOfBlock, sealDescriptors } from "../../src/groups/group-table.js";
import { cachedInode } from "../../src/inode/cached-inode.js";
import { NoJournal } from "../../src/journal/no-journal.js";
import { Transactions, transact } from "../../src/journal/transactions.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import type { Volume } from "../../src/volume.js";
import { ImageDirectory, missingTool } from "../images.js";
import { SeededRandom } from "./random.js";

const skip = missingTool("mke2fs") ?? false;

/** A volume over bytes in memory, and what it puts on record. */
function open(bytes: Uint8Array): { volume: Volume; reported: unknown[] } {
  const volume = openVolume(new MemoryDevice(bytes));
  volume.transactions = new Transactions(volume, new NoJournal(volume));
  const reported: unknown[] = [];
  volume.report = (error) => reported.push(error);
  return { volume, reported };
}

function take(volume: Volume, goal: number, count = 10): BlockRun {
  const run = { block: 0, count: 0 };
  const request = { goal, count, inode: undefined, metadata: false };
  transact(volume, 64, (handle) => handle.asNeeded(() => allocateBlocks(handle, request, run)));
  return run;
}

function create(volume: Volume, goal?: number): number {
  const request = { parent: cachedInode(volume, 2), mode: FileType.regular | 0o600, uid: 0, gid: 0 };
  return transact(volume, 64, (handle) => allocateInode(handle, goal === undefined ? request : { ...request, goal }))
    .ino;
}

describe("damaged groups", { skip }, () => {
  const images = new ImageDirectory();
  after(() => images.remove());
  const make = (features: string) =>
    new Uint8Array(fs.readFileSync(images.make("image", "40M", ["-t", "ext4", "-b", "1024", "-O", features])));

  const damages: ReadonlyArray<
    readonly [
      name: string,
      features: string,
      damage: (volume: Volume, bytes: Uint8Array) => void,
      block: string,
      inode: string,
    ]
  > = [
    [
      "wrong checksums",
      "metadata_csum",
      (volume, bytes) => {
        for (const group of [0, 1, 2]) {
          const { blockBitmap, inodeBitmap, flags } = groupDescriptor(volume, group);
          // What was never used is not read: it has to look as if it had been.
          bytes[2048 + group * 64 + 0x12]! = flags & ~3;
          bytes[blockBitmap * 1024 + 900]! ^= 1;
          bytes[inodeBitmap * 1024 + 100]! ^= 1;
        }
        sealDescriptors(volume, Object.assign(new CachedBlock(2, bytes.subarray(2048, 3072)), { sealSeed: 0 }));
      },
      "block-bitmap",
      "inode-bitmap",
    ],
    [
      "bitmaps that have free what the descriptors do not count",
      "^metadata_csum,^uninit_bg",
      (volume, bytes) => {
        for (const group of [0, 1, 2]) {
          const { blockBitmap, inodeBitmap } = groupDescriptor(volume, group);
          bytes.fill(0, blockBitmap * 1024, blockBitmap * 1024 + 1024);
          bytes.fill(0xff, inodeBitmap * 1024, inodeBitmap * 1024 + 1024);
        }
      },
      "block-bitmap",
      "inode-bitmap",
    ],
    [
      "metadata of their own that is free",
      "^metadata_csum,^uninit_bg,^flex_bg",
      (volume, bytes) => {
        for (const group of [0, 1, 2]) {
          const { blockBitmap, inodeBitmap } = groupDescriptor(volume, group);
          const bit = blockBitmap - groupFirstBlock(volume, group);
          bytes[blockBitmap * 1024 + (bit >> 3)]! &= ~(1 << (bit & 7));
          bytes[blockBitmap * 1024 + 1023]! |= 0x80; // the count stays
          bytes.fill(0xff, inodeBitmap * 1024, inodeBitmap * 1024 + 1024);
        }
      },
      "block-bitmap",
      "inode-bitmap",
    ],
    [
      "checksums of descriptors that are wrong",
      "metadata_csum",
      (_volume, bytes) => {
        for (const group of [0, 1, 2]) bytes[2048 + group * 64 + 0x1e]! ^= 1;
      },
      "group-descriptor-checksum",
      "group-descriptor-checksum",
    ],
  ];

  for (const [name, features, damage, blockKind, inodeKind] of damages) {
    it(`are passed over: ${name}`, () => {
      const bytes = make(features);
      const pristine = openVolume(new MemoryDevice(bytes));
      const { blocksPerGroup, inodesPerGroup } = pristine.geometry;
      damage(pristine, bytes);
      const { volume, reported } = open(bytes);
      for (let n = 0; n < 50; n++) assert.ok(groupOfBlock(volume, take(volume, 5000 + blocksPerGroup).block) > 2);
      const kinds = () => reported.map((error) => (error instanceof CorruptionError ? error.kind : error));
      assert.ok(kinds().includes(blockKind as never), String(kinds()));
      assert.ok(kinds().length <= 3, "each group is reported once");
      if (inodeKind === blockKind) return; // the root's inode lies in a damaged group
      for (let n = 0; n < 50; n++) assert.ok(create(volume, 20) > 3 * inodesPerGroup);
      assert.ok(kinds().includes(inodeKind as never), String(kinds()));
      assert.ok(kinds().length <= 6);
    });
  }

  it("are an error when there are no others", () => {
    const bytes = new Uint8Array(fs.readFileSync(images.make("image", "4M", ["-t", "ext4", "-b", "1024"])));
    const { blockBitmap, inodeBitmap } = groupDescriptor(openVolume(new MemoryDevice(bytes)), 0);
    bytes[blockBitmap * 1024 + 400]! ^= 1;
    bytes[inodeBitmap * 1024 + 100]! ^= 1;
    const { volume } = open(bytes);
    assert.throws(() => take(volume, 0), { kind: "block-bitmap" });
    assert.throws(() => create(volume), { kind: "inode-bitmap" });
    assert.throws(
      () => take(volume, 0),
      (error: unknown) => error instanceof FileSystemError && error.code === "ENOSPC",
    );
  });

  it("do not have metadata of other groups handed out", () => {
    const bytes = make("^metadata_csum,^uninit_bg");
    const pristine = openVolume(new MemoryDevice(bytes));
    // All of group 0's bitmaps and tables lie in its flex group's first blocks: those of group 1 are made free.
    const { inodeTable } = groupDescriptor(pristine, 1);
    const { blockBitmap } = groupDescriptor(pristine, 0);
    const bit = inodeTable - 1;
    bytes[blockBitmap * 1024 + (bit >> 3)]! &= ~(1 << (bit & 7));
    const view = new DataView(bytes.buffer);
    view.setUint16(2048 + 0xc, view.getUint16(2048 + 0xc, true) + 1, true);
    const { volume, reported } = open(bytes);
    const run = take(volume, inodeTable, 1);
    assert.notEqual(run.block, inodeTable);
    assert.equal(reported.length, 1);
    assert.match(String(reported[0]), /metadata of the file system/);
  });

  it("are reported once, and no more of them than are remembered", () => {
    const { volume, reported } = open(make("^metadata_csum,^uninit_bg"));
    const allocator = allocatorOf(volume);
    for (const isBad of ["blockBitmapIsBad", "inodeBitmapIsBad"] as const) {
      reported.length = 0;
      for (let n = 0; n < 3; n++) allocator[isBad](5, new CorruptionError("block-bitmap", { group: 5 }, "a test"));
      assert.equal(reported.length, 1);
      for (let group = 0; group < 70_000; group++) allocator[isBad](group, undefined);
      assert.equal(reported.length, 65_536);
    }
  });

  it("are not all looked at when one flex group has thousands of them", () => {
    const options = ["-t", "ext4", "-b", "1024", "-g", "256", "-N", "9280", "-O", "none,filetype,extents,flex_bg"];
    const bytes = new Uint8Array(fs.readFileSync(images.make("image", "290M", options)));
    bytes[1024 + 0x174] = 31; // s_log_groups_per_flex
    bytes.fill(0, 2048 + 32, 2048 + 1100 * 32);
    new DataView(bytes.buffer).setUint16(2048 + 0xe, 0, true); // none is free in the first, which is good
    const { volume, reported } = open(bytes);
    const parent = cachedInode(volume, 2);
    const request = { parent, mode: FileType.directory | 0o700, uid: 0, gid: 0 };
    const attempt = () => transact(volume, 64, (handle) => allocateInode(handle, request));
    assert.throws(attempt, { code: "ENOSPC" });
    assert.ok(reported.length > 64 && reported.length < 1100, `${reported.length} were reported`);
    attempt(); // those are known now
  });

  it("have no inode claimed that the descriptor does not count as free", () => {
    const bytes = make("^metadata_csum,^uninit_bg");
    new DataView(bytes.buffer).setUint16(2048 + 0xe, 0, true);
    const { volume } = open(bytes);
    const claim = () => transact(volume, 64, (handle) => claimInode(handle, 100, FileType.regular));
    assert.throws(claim, { kind: "inode-bitmap" });
    assert.equal(groupDescriptor(volume, 0).freeInodes, 0);
    assert.equal(isInodeUsed(volume, 100), false);
  });

  it("the first of which is marked as never used are refused", () => {
    const bytes = new Uint8Array(
      fs.readFileSync(images.make("image", "4M", ["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,uninit_bg"])),
    );
    const { volume } = open(bytes);
    const descriptor = groupDescriptor(volume, 0);
    descriptor.flags |= 3;
    assert.throws(() => take(volume, 0), { kind: "block-bitmap" });
    assert.throws(() => create(volume), { kind: "inode-bitmap" });
  });
});

describe("random damage to descriptors, bitmaps and the superblock's counts", { skip }, () => {
  const images = new ImageDirectory();
  after(() => images.remove());

  it("ends in allocations or in the engine's errors", (context) => {
    const random = new SeededRandom(Date.now());
    context.diagnostic(`seed ${random.seed}`);
    for (const features of [
      "^metadata_csum,^uninit_bg",
      "^metadata_csum,uninit_bg,^64bit",
      "^metadata_csum,bigalloc",
    ]) {
      const pristine = fs.readFileSync(
        images.make("image", "24M", ["-t", "ext4", "-b", "1024", "-N", "256", "-O", features]),
      );
      const { geometry } = openVolume(new MemoryDevice(new Uint8Array(pristine)));
      for (let round = 0; round < 150; round++) {
        const bytes = new Uint8Array(pristine);
        // Counts of the superblock, and the descriptors and bitmaps that follow it.
        for (let n = random.below(12); n >= 0; n--) {
          const at = [1024 + 0xc + random.below(8), 2048 + random.below(geometry.groupCount * geometry.descriptorSize)];
          at.push(2048 + 1024 + random.below(400 * 1024));
          bytes[at[random.below(3)]!] = random.below(256);
        }
        exercise(bytes, random);
      }
    }
  });
});

/** Anything that is not an error of the engine fails the test. */
function exercise(bytes: Uint8Array, random: SeededRandom): void {
  const attempt = (what: () => void) => {
    try {
      what();
    } catch (error) {
      if (!isEngineError(error)) throw new Error(`seed ${random.seed}`, { cause: error });
    }
  };
  attempt(() => {
    const { volume } = open(bytes);
    const runs: BlockRun[] = [];
    for (let n = 0; n < 20; n++) {
      attempt(() => runs.push(take(volume, random.below(30_000), 1 + random.below(9000))));
      attempt(() => void create(volume, 1 + random.below(300)));
      attempt(() =>
        transact(volume, 64, (handle) => freeBlocks(handle, undefined, random.below(30_000), random.below(500))),
      );
      const run = runs.pop();
      if (run !== undefined && random.below(2) === 0) {
        attempt(() => transact(volume, 64, (handle) => freeBlocks(handle, undefined, run.block, run.count)));
      }
    }
    attempt(() => void trim(volume, 0, 1e9, 1, () => {}));
    volume.transactions?.commit();
  });
}
