// Oracles: e2fsck after every change, and the dump of the tree.
import assert from "node:assert/strict";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { CachedBlock } from "../../src/cache/block-cache.js";
import type { IoSequence } from "../../src/device/io-sequence.js";
import { CorruptionError, FileSystemError } from "../../src/errors.js";
import { cachedInode } from "../../src/inode/cached-inode.js";
import type { Handle } from "../../src/journal/handle.js";
import { NoJournal } from "../../src/journal/no-journal.js";
import { Transactions, transact } from "../../src/journal/transactions.js";
import { allocateRange, convertUnwritten } from "../../src/map/allocate-range.js";
import { extentTree } from "../../src/map/extent-tree.js";
import { BlockMapping, MAX_FILE_BLOCKS } from "../../src/map/mapping.js";
import { readFileBlock } from "../../src/map/read-data.js";
import { removeRange } from "../../src/map/remove-range.js";
import { shiftRange } from "../../src/map/shift-range.js";
import { appendBlock, getFileBlockForWrite } from "../../src/map/write-data.js";
import type { Volume } from "../../src/volume.js";
import { changeImage, checkImage } from "../writable.js";
import { FileModel } from "./file-model.js";
import { engineRuns, inodeNumber, noTools, randomFrom, run, withScratch } from "./images.js";

const mapping = new BlockMapping();

/** An image with an empty file, and that one's number. */
function makeImage(directory: string, size: string, ...options: string[]): { image: string; ino: number } {
  const image = join(directory, "image");
  run("mke2fs", "-q", "-F", "-t", "ext4", ...options, image, size);
  run("debugfs", "-w", "-R", "write /dev/null file", image);
  return { image, ino: inodeNumber(image, "file") };
}

function withFile(
  size: string,
  options: readonly string[],
  blocks: number,
  change: (file: FileModel, volume: Volume & { transactions: Transactions }, image: string) => void,
): void {
  withScratch((directory) => {
    const { image, ino } = makeImage(directory, size, ...options);
    changeImage(image, (volume) => change(new FileModel(volume, cachedInode(volume, ino), 0, blocks), volume, image));
  });
}

/** What must not have changed after an operation that failed. */
function stateOf(volume: Volume, file: FileModel): unknown {
  const { freeBlocksCountLo } = volume.superblock;
  const { size, blocks, flags } = file.inode;
  const raw = Buffer.from(file.inode.raw).toString("hex");
  return { size, blocks, flags, freeBlocksCountLo, raw, runs: engineRuns(volume, file.inode) };
}

describe("changes of extent trees", { skip: noTools }, () => {
  it("keep a tree of tens of thousands of extents right, and give all of it back", () => {
    withFile("128M", ["-b", "1024"], 64_000, (file, volume) => {
      const random = randomFrom(7);
      for (let n = 0; n < 20_000; n++) file.write(2 * n, 1); // in order
      for (let n = 31_999; n >= 28_000; n--) file.write(2 * n, 1); // backwards
      for (let n = 0; n < 10_000; n++) file.write(40_000 + 2 * random(8000), 1);
      const full = extentTree(volume, file.inode)!;
      assert.ok(full.depth >= 3, `depth ${full.depth}`);
      assert.ok(engineRuns(volume, file.inode).length > 27_000);
      const leaves = full.nodes.filter((node) => node.depth === 0);
      assert.ok(leaves.filter((leaf) => leaf.entries.length >= 83).length > 230, "sequential leaves are full");
      file.check();
      file.punch(1000, 60_000);
      file.check();
      file.truncate(3);
      assert.equal(extentTree(volume, file.inode)!.depth, 0);
      assert.equal(file.inode.blocks, 4);
      file.truncate(0);
      assert.equal(file.inode.blocks, 0);
    });
  });

  it("join what continues each other, up to the longest extent", () => {
    withFile("512M", ["-b", "4096", "-O", "^has_journal"], 90_000, (file, volume) => {
      file.preallocate(0, 80_000);
      for (const { entries } of extentTree(volume, file.inode)!.nodes) {
        for (const { unwritten, length } of entries) if (unwritten) assert.ok(length <= 32_767);
      }
      const before = engineRuns(volume, file.inode).length;
      for (let at = 0; at < 80_000; at += 160) file.write(at, 160);
      const after = engineRuns(volume, file.inode);
      assert.equal(after.length, before);
      assert.ok(after.every((each) => !each.unwritten));
      const { nodes } = extentTree(volume, file.inode)!;
      assert.ok(nodes.some(({ entries }) => entries.some(({ length }) => length === 32_768)));
      file.zero(0, 80_000);
      assert.ok(engineRuns(volume, file.inode).every((each) => each.unwritten));
    });
  });

  it("are undone whole when any step fails", () => {
    const operations: Record<string, (handle: Handle, file: FileModel) => void> = {
      "allocate until a node is split": (handle, { inode }) => {
        for (let at = 401; at < 413; at += 2) allocateRange(handle, inode, at, 1, false, mapping);
      },
      convert: (handle, { inode }) => convertUnwritten(handle, inode, 2010, 5),
      punch: (handle, { inode }) => removeRange(handle, inode, 100, 600),
      "punch in the middle": (handle, { inode }) => removeRange(handle, inode, 2050, 2051),
      collapse: (handle, { inode }) => {
        removeRange(handle, inode, 10, 20);
        shiftRange(handle, inode, 20, -10);
      },
      insert: (handle, { inode }) => shiftRange(handle, inode, 2060, 7),
      truncate: (handle, { inode }) => removeRange(handle, inode, 0, MAX_FILE_BLOCKS),
    };
    withFile("32M", ["-b", "1024", "-O", "^has_journal"], 3000, (file, volume) => {
      for (let n = 0; n < 420; n++) file.write(2 * n, 1); // five full leaves
      file.preallocate(2000, 100);
      volume.transactions.commit();
      for (const [name, operate] of Object.entries(operations)) {
        const before = stateOf(volume, file);
        let failed = 0;
        for (let step = 1; ; step++) {
          try {
            transact(volume, 500, (handle) => {
              handle.modifyInode(file.inode);
              failAt(handle, step);
              try {
                operate(handle, file);
              } finally {
                delete (handle as { modify?: unknown }).modify;
              }
              throw new Finished();
            });
          } catch (error) {
            if (error instanceof Finished) break;
            if (!(error instanceof Injected)) throw error;
            failed++;
          }
          assert.deepEqual(stateOf(volume, file), before, `${name}, step ${step}`);
        }
        assert.deepEqual(stateOf(volume, file), before, name);
        assert.ok(failed >= 1, `${name} has ${failed} steps`);
      }
      file.check();
    });
  });

  it("leave a full file system as it was", () => {
    withFile("4M", ["-b", "1024", "-O", "^has_journal", "-m", "0"], 4000, (file, volume) => {
      file.preallocate(0, 100);
      for (let n = 0; n < 4; n++) file.write(200 + 2 * n, 1);
      assert.throws(() => file.preallocate(300, 3700), { code: "ENOSPC" });
      for (let wanted = 1024; wanted >= 1; wanted >>= 1) {
        try {
          for (let at = 300; at < 6000; at += wanted) {
            transact(volume, 200, (handle) => {
              handle.modifyInode(file.inode);
              handle.asNeeded(() => allocateRange(handle, file.inode, at, wanted, true, mapping));
            });
          }
        } catch (error) {
          if (!(error instanceof FileSystemError && error.code === "ENOSPC")) throw error;
        }
      }
      const before = stateOf(volume, file);
      // No block is left for the nodes that so many parts need.
      assert.throws(
        () => {
          transact(volume, 500, (handle) => {
            for (let n = 0; n < 50; n++) {
              convertUnwritten(handle, file.inode, 2 * n, 1);
              if (volume.superblock.freeBlocksCountLo > 0) throw new Error("not full");
            }
            for (let n = 0; n < 1000; n++) convertUnwritten(handle, file.inode, 300 + 2 * n, 1);
          });
        },
        { code: "ENOSPC" },
      );
      assert.deepEqual(stateOf(volume, file), before);
    });
  });

  it("remove a fragmented file through a small journal, consistent at each commit", () => {
    withScratch((directory) => {
      const { image, ino } = makeImage(directory, "64M", "-b", "1024", "-O", "^has_journal");
      changeImage(image, (volume) => {
        const file = new FileModel(volume, cachedInode(volume, ino), 0, 20_000);
        for (let n = 0; n < 10_000; n++) file.write(2 * n, 1);
      });
      changeImage(image, (volume) => {
        const log: SmallLog = new SmallLog(volume, () => {
          copyFileSync(image, `${image}.copy`);
          checkImage(`${image}.copy`);
        });
        volume.transactions = new Transactions(volume, log);
        const file = new FileModel(volume, cachedInode(volume, ino), 0, 20_000);
        file.truncate(0);
        assert.ok(log.commits >= 3, `${log.commits} commits`);
        assert.equal(file.inode.blocks, 0);
      });
    });
  });

  it("refuse what extents cannot map", () => {
    withFile("16M", ["-b", "1024"], 10, (file, volume) => {
      transact(volume, 100, (handle) => {
        handle.modifyInode(file.inode);
        allocateRange(handle, file.inode, MAX_FILE_BLOCKS - 1, 9, true, mapping);
        assert.equal(mapping.length, 1);
        assert.throws(() => allocateRange(handle, file.inode, MAX_FILE_BLOCKS, 1, true, mapping), {
          code: "EFBIG",
        });
        assert.throws(() => shiftRange(handle, file.inode, 5, 1), { code: "EINVAL" });
        removeRange(handle, file.inode, 0, MAX_FILE_BLOCKS);
      });
    });
  });

  it("write blocks of the engine's own files", () => {
    withFile("16M", ["-b", "1024"], 10, (file, volume) => {
      transact(volume, 100, (handle) => {
        handle.modifyInode(file.inode);
        allocateRange(handle, file.inode, 0, 3, true, mapping);
        const first = getFileBlockForWrite(handle, file.inode, 1);
        assert.ok(first.data.every((byte) => byte === 0));
        first.data.fill(1);
        file.inode.size = 3072;
        removeRange(handle, file.inode, 2, 3);
        appendBlock(handle, file.inode).data.fill(2);
        assert.equal(file.inode.size, 4096);
        assert.equal(getFileBlockForWrite(handle, file.inode, 1), first);
      });
      const { inode } = file;
      assert.equal(readFileBlock(volume, inode, 0), undefined);
      assert.equal(readFileBlock(volume, inode, 1)!.data[5], 1);
      assert.equal(readFileBlock(volume, inode, 2), undefined);
      assert.equal(readFileBlock(volume, inode, 3)!.data[5], 2);
    });
  });

  it("meet a damaged node with a CorruptionError, and change nothing", () => {
    withScratch((directory) => {
      const { image, ino } = makeImage(directory, "16M", "-b", "1024", "-O", "^has_journal");
      changeImage(image, (volume) => {
        const file = new FileModel(volume, cachedInode(volume, ino), 0, 1000);
        for (let n = 0; n < 200; n++) file.write(2 * n, 1);
        volume.transactions.commit();
        const leaf = extentTree(volume, file.inode)!.nodes.at(-1)!.block;
        const node = volume.cache.read(leaf);
        node.verifiedAs = 0;
        node.data[100]! ^= 1;
        const raw = file.inode.raw.slice();
        for (const change of [
          () => file.punch(0, 1000),
          () => file.write(399, 1),
          () => file.insert(0, 2),
          () => file.zero(0, 900),
        ]) {
          assert.throws(change, (error) => error instanceof CorruptionError && error.kind === "extent-checksum");
          assert.deepEqual(file.inode.raw, raw);
        }
        node.data[100]! ^= 1;
        file.check();
      });
    });
  });
});

class Injected extends Error {}
class Finished extends Error {}

/** Lets the `step`-th announcement of a change fail. */
function failAt(handle: Handle, step: number): void {
  const modify = handle.modify.bind(handle);
  let calls = 0;
  handle.modify = (...parameters) => {
    if (++calls === step) throw new Injected();
    modify(...parameters);
  };
}

/** Transactions of no more blocks than one step of a change needs. */
class SmallLog extends NoJournal {
  override readonly mostBlocks = 100;
  commits = 0;
  readonly #home: () => void;

  constructor(volume: Volume, home: () => void) {
    super(volume);
    this.#home = home;
  }

  override append(io: IoSequence, blocks: readonly CachedBlock[]): void {
    assert.ok(blocks.length <= this.mostBlocks + 1, `${blocks.length} blocks`); // and the superblock
    this.commits++;
    super.append(io, blocks);
    this.#home();
  }
}
