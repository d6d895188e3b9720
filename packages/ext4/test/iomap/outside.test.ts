// Oracle: e2fsck after every change and after every crash, and the rules of fuse-iomap's reference.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { MemoryDevice } from "../../src/device/memory.js";
import type { FileSystem } from "../../src/filesystem.js";
import type { Inode } from "../../src/inode/inode.js";
import { type IomapMapping, NULL_ADDR } from "../../src/iomap/begin.js";
import { BlockMapping, MAX_FILE_BLOCKS, MappingType } from "../../src/map/mapping.js";
import { bytesOf, mountForWriting, withWritable } from "../journal/writing.js";
import { noTools, run, withScratch } from "../map/images.js";

const KIB = 1024;
const Op = { write: 1, zero: 2, direct: 0x10, overwriteOnly: 0x40, swapfile: 0x4000_0000, writeback: 0x8000_0000 };
const UNWRITTEN = 2;
const APPEND = 0x10;
const SWAPOFF = 0x40;
const { hole, mapped, unwritten } = MappingType;

/** Options of mke2fs, whose own configuration is not read. */
const EXTENTS = [
  "-O",
  "none,has_journal,extent,filetype,sparse_super,large_file,metadata_csum,64bit,huge_file,extra_isize",
];
const POINTERS = ["-O", "none,has_journal,filetype,sparse_super,large_file,huge_file"];

function withFile(options: readonly string[], use: (mounted: FileSystem, inode: Inode, image: string) => void): void {
  withScratch((directory) => {
    const image = join(directory, "image");
    run("mke2fs", "-q", "-F", "-b", "1024", "-I", "256", ...options, image, "8M");
    withWritable(image, (mounted) => use(mounted, newFile(mounted, "file"), image));
    run("e2fsck", "-fn", image);
  });
}

function newFile(mounted: FileSystem, name: string): Inode {
  return mounted.create(mounted.root, bytesOf(name), { mode: 0o100644, uid: 0, gid: 0 });
}

function begin(mounted: FileSystem, inode: Inode, pos: number, count: number, operation = Op.write): IomapMapping {
  const out: IomapMapping = { type: 0, flags: 0, offset: 0, length: 0, addr: 0, dev: 0 };
  mounted.iomapBegin(inode, pos, count, operation, out, false, "outside");
  return out;
}

/** The states of a file's first blocks, a letter each: a hole, written, unwritten. */
function states(mounted: FileSystem, inode: Inode, blocks: number): string {
  const letters = new Map<number, string>([
    [hole, "."],
    [mapped, "w"],
    [unwritten, "u"],
  ]);
  const one = new BlockMapping();
  return Array.from({ length: blocks }, (_, block) => {
    mounted.mapBlocks(inode, block, one);
    return letters.get(one.type);
  }).join("");
}

/** What is on the device when power fails now, recovered by a mount. Bytes of the file, and its states. */
function afterCrash(image: string, blocks: number): { readonly size: number; readonly states: string } {
  const bytes = new Uint8Array(fs.readFileSync(image));
  const recovered = mountForWriting(new MemoryDevice(bytes, { readOnly: false }));
  const inode = recovered.inode(recovered.lookup(recovered.root, bytesOf("file")));
  const found = { size: inode.size, states: states(recovered, inode, blocks) };
  recovered.unmount();
  recovered.close();
  const copy = `${image}.crashed`;
  fs.writeFileSync(copy, bytes);
  run("e2fsck", "-fn", copy);
  return found;
}

describe("mappings for a host outside of this process", { skip: noTools }, () => {
  const conversions: readonly [string, readonly [number, number][], string][] = [
    ["the whole of it", [[0, 8 * KIB]], "wwwwwwww"],
    ["its beginning", [[0, 2 * KIB]], "wwuuuuuu"],
    ["its end", [[6 * KIB, 2 * KIB]], "uuuuuuww"],
    ["its middle", [[3 * KIB, 2 * KIB]], "uuuwwuuu"],
    ["parts of blocks", [[1500, 1000]], "uwwuuuuu"],
    ["a byte", [[5000, 1]], "uuuuwuuu"],
    [
      "the same twice",
      [
        [1024, 1024],
        [1024, 1024],
      ],
      "uwuuuuuu",
    ],
    [
      "pieces in the wrong order",
      [
        [6144, 2048],
        [0, 2048],
        [2048, 4096],
      ],
      "wwwwwwww",
    ],
    [
      "more and more of it",
      [
        [1024, 1024],
        [512, 2048],
        [0, 8192],
      ],
      "wwwwwwww",
    ],
  ];
  for (const [what, ranges, expected] of conversions) {
    it(`become written where the host says so: ${what}`, () => {
      withFile(EXTENTS, (mounted, inode) => {
        assert.equal(begin(mounted, inode, 0, 8 * KIB).type, unwritten);
        mounted.resize(inode, 8 * KIB);
        for (const [pos, written] of ranges) assert.equal(mounted.ioend(inode, UNWRITTEN, 0, pos, written), 8 * KIB);
        assert.equal(states(mounted, inode, 8), expected);
        if (!expected.includes("u"))
          assert.equal(begin(mounted, inode, 0, 8 * KIB, 4).length, 8 * KIB, "and are one again");
      });
    });
  }

  it("become written over several extents, of a tree that grows by it", () => {
    withFile(EXTENTS, (mounted, inode) => {
      const other = newFile(mounted, "other");
      // Two files that take turns have no two blocks side by side.
      for (let n = 0; n < 600; n++) {
        begin(mounted, inode, 2 * n * KIB, KIB);
        begin(mounted, other, 2 * n * KIB, KIB);
      }
      mounted.resize(inode, 1200 * KIB);
      for (let n = 0; n < 600; n++) mounted.ioend(inode, UNWRITTEN, 0, 2 * n * KIB + 7, 10);
      assert.equal(states(mounted, inode, 1200), "w.".repeat(600));
    });
  });

  it("grow a file when its data is there, never before, and never back", () => {
    withFile(EXTENTS, (mounted, inode, image) => {
      begin(mounted, inode, 0, 8 * KIB);
      mounted.sync();
      assert.deepEqual(afterCrash(image, 8), { size: 0, states: "uuuuuuuu" });
      assert.equal(mounted.ioend(inode, UNWRITTEN | APPEND, 0, 4096, 1000), 5096);
      assert.equal(mounted.ioend(inode, UNWRITTEN | APPEND, 0, 0, 4096), 5096);
      assert.equal(mounted.ioend(inode, UNWRITTEN | APPEND, -5, 5120, 1024), 5096, "what failed changes nothing");
      assert.equal(mounted.ioend(inode, UNWRITTEN, 0, 5120, 1024), 6144, "what is written must not lie behind the end");
      mounted.sync();
      assert.deepEqual(afterCrash(image, 8), { size: 6144, states: "wwwwwwuu" });
    });
  });

  it("are refused where the host cannot have written, and nothing changes", () => {
    withFile(EXTENTS, (mounted, inode) => {
      begin(mounted, inode, 0, 2 * KIB);
      begin(mounted, inode, 3 * KIB, KIB);
      assert.throws(() => mounted.ioend(inode, UNWRITTEN | APPEND, 0, 0, 4 * KIB), { code: "EUCLEAN" });
      assert.throws(() => mounted.ioend(inode, 1, 0, 0, KIB), { code: "EUCLEAN" });
      assert.equal(states(mounted, inode, 4), "uu.u");
      assert.equal(inode.size, 0);
      for (const pos of [2 ** 53 - 1, MAX_FILE_BLOCKS * KIB]) {
        assert.throws(() => mounted.ioend(inode, APPEND, 0, pos, 1), { code: "EFBIG" });
        assert.throws(() => begin(mounted, inode, pos, 1), { code: "EFBIG" });
        assert.throws(() => begin(mounted, inode, pos, 1, 0), { code: "EINVAL" });
      }
      for (const [pos, count] of [
        [-1, 1],
        [0, 0],
        [Number.NaN, 1],
      ] as const) {
        assert.throws(() => begin(mounted, inode, pos, count, 0), { code: "EINVAL" });
      }
      assert.throws(() => begin(mounted, mounted.root, 0, 1, 0), { code: "EISDIR" });
      const huge = begin(mounted, inode, 0, 2 ** 53 - 1, 0);
      assert.deepEqual([huge.type, huge.length], [unwritten, 2 * KIB]);
    });
  });

  it("of files with block pointers are zeros, and gone after a crash that came before the size", () => {
    withFile(POINTERS, (mounted, inode, image) => {
      const device = mounted.device;
      const { type, addr, length } = begin(mounted, inode, 0, 20 * KIB);
      assert.deepEqual([type, length], [mapped, 12 * KIB], "as far as the inode points");
      const bytes = new Uint8Array(length).fill(1);
      device.read(addr, bytes);
      assert.ok(bytes.every((byte) => byte === 0));
      mounted.sync();
      assert.deepEqual(afterCrash(image, 12), { size: 0, states: "............" });
      assert.equal(mounted.ioend(inode, APPEND, 0, 0, 5000), 5000);
      mounted.sync();
      assert.deepEqual(afterCrash(image, 12), { size: 5000, states: "wwwww......." });
      assert.equal(mounted.ioend(inode, APPEND, 0, 0, 12 * KIB), 12 * KIB);
      mounted.sync();
      assert.deepEqual(afterCrash(image, 12), { size: 12 * KIB, states: "wwwwwwwwwwww" });
      assert.throws(() => mounted.ioend(inode, UNWRITTEN, 0, 0, KIB), { code: "EUCLEAN" });
    });
  });

  for (const [what, change] of [
    ["let go of", (mounted: FileSystem, inode: Inode) => mounted.release(inode.ino)],
    ["truncated", (mounted: FileSystem, inode: Inode) => mounted.resize(inode, 0)],
    ["unlinked", (mounted: FileSystem) => mounted.unlink(mounted.root, bytesOf("file"))],
    [
      "unlinked and let go of",
      (mounted: FileSystem, inode: Inode) => {
        mounted.unlink(mounted.root, bytesOf("file"));
        mounted.release(inode.ino);
      },
    ],
    ["grown by a truncation", (mounted: FileSystem, inode: Inode) => mounted.resize(inode, 9 * KIB)],
    ["left as it is", () => {}],
  ] as const) {
    it(`of a growing file with block pointers are the file's or free when it is ${what}`, () => {
      withFile(POINTERS, (mounted, inode) => {
        begin(mounted, inode, 0, 8 * KIB);
        change(mounted, inode);
      });
    });
  }

  it("of a nameless file that grows are free after a crash, also when it gets a name", () => {
    withFile(POINTERS, (mounted, _inode, image) => {
      mounted.unlink(mounted.root, bytesOf("file"));
      const inode = mounted.tmpfile(mounted.root, { mode: 0o100644, uid: 0, gid: 0 });
      begin(mounted, inode, 0, 8 * KIB);
      mounted.link(inode, mounted.root, bytesOf("file"));
      mounted.sync();
      assert.deepEqual(afterCrash(image, 8), { size: 0, states: "........" });
    });
  });

  it("say what the device is full of: all that there was, and then ENOSPC", () => {
    for (const options of [EXTENTS, POINTERS]) {
      withFile(options, (mounted, inode) => {
        let got = 0;
        assert.throws(
          () => {
            for (let pos = 0; ; ) {
              const { length } = begin(mounted, inode, pos, 2 ** 40);
              pos += length;
              got += length;
            }
          },
          { code: "ENOSPC" },
        );
        assert.ok(got > 5 << 20, `${got} bytes`);
        const one = begin(mounted, inode, 0, KIB, 4);
        assert.notEqual(one.type, hole);
        mounted.resize(inode, 0);
        mounted.sync();
        assert.notEqual(begin(mounted, inode, 0, KIB).type, hole);
      });
    }
  });

  it("change nothing when they are only looked at", () => {
    withFile(EXTENTS, (mounted, inode) => {
      begin(mounted, inode, 0, 4 * KIB);
      mounted.sync();
      for (const operation of [0, 4, Op.direct, Op.zero, 0x81]) begin(mounted, inode, 3 * KIB, 9 * KIB, operation);
      begin(mounted, inode, 100 * KIB, KIB, Op.zero);
      assert.equal(mounted.volume.transactions?.isDirty, false);
    });
  });

  it("reach from a hole to what follows, or to the end", () => {
    for (const options of [EXTENTS, POINTERS]) {
      withFile(options, (mounted, inode) => {
        mounted.resize(inode, 5000 * KIB + 1);
        begin(mounted, inode, 3000 * KIB, KIB);
        const before = begin(mounted, inode, 500, 10, 0);
        assert.deepEqual(before, { type: hole, flags: 0, offset: 0, length: 3000 * KIB, addr: NULL_ADDR, dev: 0 });
        const after = begin(mounted, inode, 3001 * KIB, 1, 0);
        assert.equal(after.offset, 3001 * KIB);
        assert.ok(after.length >= 2000 * KIB, `${after.length}`);
      });
    }
  });

  it("of swap space stay until it is given back", () => {
    withFile(EXTENTS, (mounted, inode) => {
      begin(mounted, inode, 0, 4 * KIB);
      mounted.ioend(inode, UNWRITTEN | APPEND, 0, 0, 4 * KIB);
      assert.equal(begin(mounted, inode, 0, 4 * KIB, 4 | Op.swapfile).flags, 0);
      assert.throws(() => mounted.resize(inode, 0), { code: "ETXTBSY" });
      assert.throws(() => mounted.fallocate(inode, 3, 0, 4 * KIB), { code: "ETXTBSY" });
      assert.throws(() => begin(mounted, inode, 4 * KIB, KIB), { code: "ETXTBSY" });
      begin(mounted, inode, 0, KIB);
      mounted.ioend(inode, SWAPOFF, 0, 0, 0);
      mounted.resize(inode, 0);
    });
  });

  it("of what is immutable or append-only are refused, but not what was accepted before", () => {
    withFile(EXTENTS, (mounted, inode) => {
      mounted.resize(inode, 4 * KIB);
      mounted.setFlags(inode, (inode.flags | 0x20) >>> 0);
      assert.throws(() => begin(mounted, inode, 0, KIB), { code: "EPERM" });
      assert.equal(begin(mounted, inode, 4 * KIB, KIB).type, unwritten);
      mounted.setFlags(inode, ((inode.flags & ~0x20) | 0x10) >>> 0);
      assert.throws(() => begin(mounted, inode, 8 * KIB, KIB), { code: "EPERM" });
      assert.equal(begin(mounted, inode, 0, KIB, Op.writeback).type, unwritten);
    });
  });
});
