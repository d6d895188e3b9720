// Oracle: e2fsck after every change, and the reading side.
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { DeviceError } from "../../src/errors.js";
import { cachedInode } from "../../src/inode/cached-inode.js";
import type { Inode } from "../../src/inode/inode.js";
import { type IomapMapping, mapBytes, NULL_ADDR } from "../../src/iomap/begin.js";
import { endWrite, finishWrite, mapBytesForWrite } from "../../src/iomap/write.js";
import { transact } from "../../src/journal/transactions.js";
import { allocateRange } from "../../src/map/allocate-range.js";
import { BlockMapping, MAX_FILE_BLOCKS, MappingType } from "../../src/map/mapping.js";
import { truncateBlocks } from "../../src/map/remove-range.js";
import type { Volume } from "../../src/volume.js";
import { inodeNumber, noTools, run, withScratch } from "../map/images.js";
import { changeImage } from "../writable.js";

const KIB = 1024;
const WRITE = 0x1;
const ZERO = 0x2;
const NEW = 0x1;
const DEV = 7;

function newMapping(): IomapMapping {
  return { type: 0, flags: 0, offset: 0, length: 0, addr: 0, dev: 0 };
}

function withFile(options: readonly string[], use: (volume: Volume, inode: Inode) => void): void {
  withScratch((directory) => {
    const image = join(directory, "image");
    run("mke2fs", "-q", "-F", "-b", "1024", ...options, image, "16M");
    run("debugfs", "-w", "-R", "write /dev/null file", image);
    changeImage(image, (volume) => use(volume, cachedInode(volume, inodeNumber(image, "file"))));
  });
}

function begin(volume: Volume, inode: Inode, pos: number, count: number, operation = WRITE): IomapMapping {
  const out = newMapping();
  transact(volume, 100, (handle) => mapBytesForWrite(handle, inode, pos, count, operation, DEV, out));
  return out;
}

function read(volume: Volume, inode: Inode, pos: number, count: number): IomapMapping {
  const out = newMapping();
  mapBytes(volume, inode, pos, count, DEV, out);
  return out;
}

function setSize(volume: Volume, inode: Inode, size: number): void {
  transact(volume, 10, (handle) => {
    handle.modifyInode(inode);
    inode.size = size;
  });
}

describe("mappings to write to", { skip: noTools }, () => {
  for (const type of ["ext4", "ext2"]) {
    it(`of ${type} are allocated where there is a hole, and no more than is asked for`, () => {
      withFile(["-t", type], (volume, inode) => {
        const fresh = begin(volume, inode, 1500, 3000);
        assert.deepEqual(fresh, { ...fresh, type: MappingType.mapped, flags: NEW, offset: KIB, dev: DEV });
        assert.equal(fresh.length, 4 * KIB); // bytes 1500 to 4499 lie in blocks 1 to 4
        setSize(volume, inode, 4500);
        const again = begin(volume, inode, 0, 9 * KIB);
        assert.deepEqual([again.offset, again.length, again.flags], [0, KIB, NEW]);
        const there = begin(volume, inode, 2 * KIB, 100 * KIB);
        assert.deepEqual(there, { ...fresh, flags: 0, offset: 2 * KIB, length: 3 * KIB, addr: fresh.addr + KIB });
        assert.deepEqual(read(volume, inode, 2 * KIB, KIB), there);
      });
    });

    it(`of ${type} are taken back as far as nothing was written`, () => {
      withFile(["-t", type], (volume, inode) => {
        const { blocks } = inode;
        for (const [pos, written, left] of [
          [100, 0, 0],
          [100, 1, 1],
          [0, KIB, 1],
          [5, KIB, 2],
          [0, 4 * KIB, 4],
        ] as const) {
          const fresh = begin(volume, inode, pos, 4 * KIB - pos);
          transact(volume, 100, (handle) => endWrite(handle, inode, pos, written, fresh));
          assert.equal(inode.blocks - blocks, 2 * left, `${written} bytes from ${pos}`);
          transact(volume, 100, (handle) => truncateBlocks(handle, inode, 0));
        }
        const fresh = begin(volume, inode, 0, KIB);
        setSize(volume, inode, KIB);
        const { addr } = begin(volume, inode, 0, KIB);
        assert.equal(addr, fresh.addr);
        transact(volume, 100, (handle) => endWrite(handle, inode, 0, 0, read(volume, inode, 0, KIB)));
        assert.equal(read(volume, inode, 0, KIB).addr, addr, "what was there before stays");
      });
    });

    it(`of ${type} end where files end`, () => {
      withFile(["-t", type], (volume, inode) => {
        for (const pos of [MAX_FILE_BLOCKS * KIB, 2 ** 52]) {
          assert.throws(() => begin(volume, inode, pos, 1), { code: "EFBIG" });
        }
      });
    });
  }

  it("stay unwritten until the data is there", () => {
    withFile(["-t", "ext4"], (volume, inode) => {
      transact(volume, 100, (handle) => {
        allocateRange(handle, inode, 0, 8, true, new BlockMapping());
      });
      setSize(volume, inode, 8 * KIB);
      const mapping = begin(volume, inode, 2500, 1000);
      assert.deepEqual([mapping.type, mapping.flags, mapping.offset], [MappingType.unwritten, 0, 2 * KIB]);
      transact(volume, 100, (handle) => endWrite(handle, inode, 2500, 0, mapping));
      assert.equal(read(volume, inode, 0, 8 * KIB).length, 8 * KIB, "nothing is taken back");
      transact(volume, 100, (handle) => finishWrite(handle, inode, 2500, 1000));
      const types = Array.from({ length: 8 }, (_, n) => read(volume, inode, n * KIB, 1).type);
      const { mapped, unwritten } = MappingType;
      assert.deepEqual(types, [unwritten, unwritten, mapped, mapped, unwritten, unwritten, unwritten, unwritten]);
      transact(volume, 100, (handle) => finishWrite(handle, inode, 0, 100_000));
      assert.equal(read(volume, inode, 0, 8 * KIB).length, 8 * KIB);
    });
  });

  describe("that are unwritten, filled bit by bit", () => {
    const BLOCKS = 400;

    /** Allocates a file whose blocks hold something else, writes to it, and says where that had to be converted. */
    function fill(size: number, writes: readonly (readonly [pos: number, length: number])[]) {
      const conversions: number[] = [];
      let contents = Buffer.alloc(0);
      let types: number[] = [];
      withFile(["-t", "ext4"], (volume, inode) => {
        const space = new BlockMapping();
        transact(volume, 100, (handle) => allocateRange(handle, inode, 0, BLOCKS, true, space));
        assert.equal(space.length, BLOCKS);
        volume.device.write(space.block * KIB, Buffer.alloc(BLOCKS * KIB, 0xaa));
        setSize(volume, inode, size);
        for (const [pos, length] of writes) {
          const mapping = begin(volume, inode, pos, length);
          volume.device.write(mapping.addr + (pos - mapping.offset), Buffer.alloc(length, 0x11));
          if (mapping.type !== MappingType.unwritten) continue;
          conversions.push(pos);
          transact(volume, 100, (handle) => finishWrite(handle, inode, pos, length));
        }
        types = Array.from({ length: BLOCKS }, (_, n) => read(volume, inode, n * KIB, 1).type);
        contents = Buffer.alloc(BLOCKS * KIB);
        volume.device.read(space.block * KIB, contents);
      });
      const written = types.lastIndexOf(MappingType.mapped) + 1;
      return { conversions, contents, types, written };
    }

    const inRow = (count: number, from = 0, step = 1) =>
      Array.from({ length: count }, (_, n) => [from + n * step * KIB, KIB] as const);

    it("become written further and further ahead, as zeros", () => {
      const { conversions, contents, written } = fill(BLOCKS * KIB, inRow(300));
      assert.deepEqual(
        conversions.map((pos) => pos / KIB),
        [0, 1, 4, 9, 18, 35, 68, 133, 262],
      );
      assert.equal(written, 262 + 1 + 128);
      assert.ok(contents.subarray(0, 300 * KIB).equals(Buffer.alloc(300 * KIB, 0x11)));
      assert.ok(contents.subarray(300 * KIB, written * KIB).equals(Buffer.alloc((written - 300) * KIB)));
      assert.ok(
        contents.subarray(written * KIB).equals(Buffer.alloc((BLOCKS - written) * KIB, 0xaa)),
        "the rest is let alone",
      );
    });

    it("are written where the device takes no zeros behind them", () => {
      withFile(["-t", "ext4"], (volume, inode) => {
        const space = new BlockMapping();
        transact(volume, 100, (handle) => allocateRange(handle, inode, 0, BLOCKS, true, space));
        setSize(volume, inode, BLOCKS * KIB);
        const { device } = volume;
        const write = device.write.bind(device);
        const bad = (space.block + 4) * KIB;
        device.write = (offset, source) => {
          if (offset < bad + KIB && offset + source.length > bad) {
            throw new DeviceError("write", offset, source.length, "a bad sector");
          }
          write(offset, source);
        };
        for (let block = 0; block < 4; block++) {
          transact(volume, 100, (handle) => finishWrite(handle, inode, block * KIB, KIB));
        }
        assert.equal(read(volume, inode, 3 * KIB, 1).type, MappingType.mapped);
        assert.equal(read(volume, inode, 4 * KIB, 1).type, MappingType.unwritten);
        device.write = write;
      });
    });

    it("do not become written behind the end of the file", () => {
      const { written } = fill(20 * KIB + 5, inRow(19));
      assert.equal(written, 20);
    });

    it("do not become written ahead of what is written here and there, from the end, or much at once", () => {
      for (const writes of [
        inRow(50, 0, 3),
        inRow(50).reverse(),
        Array.from({ length: 4 }, (_, n) => [n * 80 * KIB, 80 * KIB] as const),
      ]) {
        const { conversions, types } = fill(BLOCKS * KIB, writes);
        assert.equal(conversions.length, writes.length);
        const blocks = writes.reduce((sum, [, length]) => sum + length / KIB, 0);
        assert.equal(types.filter((type) => type === MappingType.mapped).length, blocks);
      }
    });
  });

  it("allocate nothing for zeros", () => {
    withFile(["-t", "ext4"], (volume, inode) => {
      const { blocks } = inode;
      const mapping = begin(volume, inode, 0, 5000, ZERO);
      assert.deepEqual([mapping.type, mapping.addr], [MappingType.hole, NULL_ADDR]);
      assert.equal(inode.blocks, blocks);
    });
  });
});
