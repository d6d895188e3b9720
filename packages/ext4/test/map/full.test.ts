// Oracle: e2fsck. The kernel's ext4 (6.18) refuses nothing of this either.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { freeBlockCount } from "../../src/alloc/free-counts.js";
import { FileSystemError } from "../../src/errors.js";
import type { FileSystem } from "../../src/filesystem.js";
import type { Inode } from "../../src/inode/inode.js";
import type { IomapMapping } from "../../src/iomap/begin.js";
import { transact } from "../../src/journal/transactions.js";
import { Ext4 } from "../../src/library/ext4.js";
import { allocateRange } from "../../src/map/allocate-range.js";
import { BlockMapping } from "../../src/map/mapping.js";
import { bytesOf, memoryOf, withWritable } from "../journal/writing.js";
import { checkImage } from "../writable.js";
import { engineRuns, noTools, run, withScratch } from "./images.js";

const KIB = 1024;
const FILE = { mode: 0o100644, uid: 0, gid: 0 };

/** Calls `take` with less and less, until nothing is left. */
function takeAll(take: (count: number) => void): void {
  for (let count = 4096; count >= 1; ) {
    try {
      take(count);
    } catch (error) {
      if (!(error instanceof FileSystemError && error.code === "ENOSPC")) throw error;
      count >>= 1;
    }
  }
}

/** Writes one block, as a host does. */
function write(mounted: FileSystem, inode: Inode, block: number, byte: number): void {
  const mapping: IomapMapping = { type: 0, flags: 0, offset: 0, length: 0, addr: 0, dev: 0 };
  mounted.iomapBegin(inode, block * KIB, KIB, 1, mapping);
  mounted.device.write(mapping.addr + block * KIB - mapping.offset, new Uint8Array(KIB).fill(byte));
  mounted.iomapEnd(inode, block * KIB, KIB, KIB, 1, mapping);
}

/** Gives all space to a file, none of which is written, changes it, and looks at what it holds. */
function withFull(change: (mounted: FileSystem, file: Inode) => Uint8Array): void {
  withScratch((directory) => {
    const image = `${directory}/image`;
    run("mke2fs", "-q", "-F", "-t", "ext4", "-b", "1024", "-J", "size=1", "-m", "0", image, "16M");
    const contents = withWritable(image, (mounted) => {
      // What nobody has written must not be seen.
      const { device } = mounted;
      const old = new Uint8Array(KIB).fill(0xaa);
      const file = mounted.create(mounted.root, bytesOf("file"), FILE);
      takeAll((count) => mounted.fallocate(file, 0, file.size, count * KIB));
      for (const { block, length } of engineRuns(mounted.volume, file)) {
        for (let n = 0; n < length; n++) device.write((block + n) * KIB, old);
      }
      return change(mounted, file);
    });
    checkImage(image);
    const ext4 = Ext4.open(memoryOf(image));
    assert.deepEqual(ext4.readFile("/file"), contents);
    ext4.close();
  });
}

describe("a full file system", { skip: noTools }, () => {
  it("takes what is written into allocated space, block by block", () => {
    withFull((mounted, file) => {
      const contents = new Uint8Array(file.size);
      for (let block = 0; block < file.size / KIB; block += 2) {
        write(mounted, file, block, block % 251);
        contents.fill(block % 251, block * KIB, (block + 1) * KIB);
      }
      assert.ok(engineRuns(mounted.volume, file).length > 10_000);
      return contents;
    });
  });

  it("takes it where nothing at all is free, with zeros around it", () => {
    withFull((mounted, file) => {
      const { volume } = mounted;
      const rest = mounted.create(mounted.root, bytesOf("rest"), FILE);
      const mapping = new BlockMapping();
      let at = 0;
      takeAll((count) => {
        transact(volume, 200, (handle) => {
          handle.modifyInode(rest);
          handle.asNeeded(() => allocateRange(handle, rest, at, count, true, mapping));
        });
        at += mapping.length;
      });
      assert.equal(freeBlockCount(volume), 0);
      const contents = new Uint8Array(file.size);
      for (const block of [100, 200, 300, 400, 5000, 5002, 5004, 9000, file.size / KIB - 1]) {
        write(mounted, file, block, 7);
        contents.fill(7, block * KIB, (block + 1) * KIB);
      }
      return contents;
    });
  });
});
