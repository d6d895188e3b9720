// Damage that nothing but the engine's own errors may answer: by name where a rule is known to be needed, then seeded.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, before, describe, it } from "node:test";
import type { BlockDevice } from "../../src/device/device.js";
import { CorruptionError, DeviceError, FileSystemError, UnsupportedFeatureError } from "../../src/errors.js";
import { FileSystem } from "../../src/filesystem.js";
import { compatFeature, incompatFeature, roCompatFeature } from "../../src/format/features.js";
import { SUPERBLOCK_OFFSET, SuperblockLayout, type SuperblockView } from "../../src/format/superblock.js";
import { groupDescriptor } from "../../src/groups/group-table.js";
import { Ext4 } from "../../src/library/ext4.js";
import { orphans } from "../../src/orphan/orphans.js";
import { ImageDirectory, missingTool } from "../images.js";

const skip = missingTool("mke2fs") ?? false;
/** Most milliseconds for one image: a bound on work, loose enough for a busy machine. */
const MOST_TIME = 3000;
/** Bytes; a device as large as can be, which is no reason to believe an image. */
const ENDLESS = Number.MAX_SAFE_INTEGER;

/** The image at the start of a sparse device of any size. */
class Sparse implements BlockDevice {
  readonly readOnly = true;
  readonly size: number;
  readonly #bytes: Uint8Array;
  constructor(bytes: Uint8Array, size: number) {
    this.#bytes = bytes;
    this.size = size;
  }
  read(offset: number, target: Uint8Array): void {
    assert.ok(Number.isSafeInteger(offset) && offset >= 0, `read at ${offset}`);
    if (offset + target.length > this.size) throw new DeviceError("read", offset, target.length, "the end");
    target.fill(0);
    if (offset < this.#bytes.length) target.set(this.#bytes.subarray(offset, offset + target.length));
  }
  write(): void {
    assert.fail("the device is not written");
  }
  flush(): void {}
  close(): void {}
}

function isOurs(error: unknown): boolean {
  return (
    error instanceof CorruptionError ||
    error instanceof UnsupportedFeatureError ||
    error instanceof FileSystemError ||
    error instanceof DeviceError
  );
}

/** Does everything that reads superblock, groups, inodes and journal. Whether the image was mounted. */
function exercise(bytes: Uint8Array, size: number, what: string): boolean {
  const started = performance.now();
  const guarded = (work: () => void): boolean => {
    try {
      work();
      return true;
    } catch (error) {
      assert.ok(isOurs(error), `${what}: ${error instanceof Error ? error.stack : error}`);
      return false;
    }
  };
  const mounted = guarded(() => {
    const filesystem = FileSystem.mount(new Sparse(bytes, size));
    const { geometry, volume } = filesystem;
    const { groupCount, inodeCount } = geometry;
    for (const group of [0, 1, groupCount - 1, groupCount >> 1]) guarded(() => groupDescriptor(volume, group));
    for (const ino of [0, 1, 2, 7, 8, 11, 12, 13, inodeCount, inodeCount + 1]) guarded(() => filesystem.inode(ino));
    guarded(() => filesystem.readDirectory(filesystem.root, 0, 0, () => true));
    guarded(() => orphans(volume));
    guarded(() => filesystem.statfs());
  });
  guarded(() => JSON.stringify(Ext4.open(new Sparse(bytes, size), { loadJournal: false }).info()));
  const took = performance.now() - started;
  assert.ok(took < MOST_TIME, `${what} took ${took} ms`);
  return mounted;
}

describe("a hostile superblock", { skip }, () => {
  const images = new ImageDirectory();
  after(() => images.remove());
  let small: Buffer;
  let large: Buffer;

  before(() => {
    const plain = "^metadata_csum,^uninit_bg,^resize_inode";
    small = fs.readFileSync(images.make("small", "16M", ["-t", "ext4", "-b", "1024", "-N", "4096", "-O", plain]));
    large = fs.readFileSync(
      images.make("large", "96M", ["-t", "ext4", "-b", "65536", "-I", "1024", "-N", "512", "-O", `${plain},64bit`]),
    );
  });

  function view(bytes: Buffer): SuperblockView {
    return SuperblockLayout.at(new DataView(bytes.buffer, bytes.byteOffset), SUPERBLOCK_OFFSET);
  }

  it("with numbers that would cost memory, time or exactness is refused or read within bounds", () => {
    const cases: [name: string, image: Buffer, damage: (superblock: SuperblockView) => void][] = [
      [
        "inodes of 64 KiB in blocks of 64 KiB",
        large,
        (s) => {
          s.inodeSize = 32_768;
          s.inodesPerGroup = 8;
        },
      ],
      [
        "2^53 blocks",
        small,
        (s) => {
          s.featureIncompat |= incompatFeature["64bit"];
          s.blocksCountHi = 0x20_0000;
          s.descriptorSize = 64;
        },
      ],
      [
        "2^43 blocks in one-block groups",
        small,
        (s) => {
          s.featureIncompat |= incompatFeature["64bit"];
          s.blocksCountHi = 0x700;
          s.descriptorSize = 64;
          s.blocksPerGroup = 1;
          s.clustersPerGroup = 1;
        },
      ],
      [
        "2^29 groups",
        small,
        (s) => {
          s.blocksCountLo = 0xffff_fff9;
          s.blocksPerGroup = 8;
          s.clustersPerGroup = 8;
          s.inodesPerGroup = 8;
          s.inodesCount = 0xffff_fff8;
        },
      ],
      [
        "2^29 groups with bigalloc",
        small,
        (s) => {
          s.featureRoCompat |= roCompatFeature.bigalloc;
          s.logClusterSize = 1;
          s.blocksCountLo = 0xffff_fff9;
          s.blocksPerGroup = 8;
          s.clustersPerGroup = 4;
          s.inodesPerGroup = 8;
          s.inodesCount = 0xffff_fff8;
        },
      ],
      [
        "2^20 damaged groups with bigalloc",
        small,
        (s) => {
          s.featureRoCompat |= roCompatFeature.bigalloc;
          s.logClusterSize = 1;
          s.overheadClusters = 0;
          s.blocksCountLo = (2 ** 20 - 1) * 16;
          s.blocksPerGroup = 16;
          s.clustersPerGroup = 8;
          s.inodesPerGroup = 8;
          s.inodesCount = (2 ** 20 - 1) * 8;
        },
      ],
      [
        "first_meta_bg beyond the table",
        small,
        (s) => {
          s.featureIncompat |= incompatFeature.meta_bg;
          s.firstMetaBlockGroup = 0xffff_ffff;
        },
      ],
      [
        "first_meta_bg at the table's end",
        small,
        (s) => {
          s.featureIncompat |= incompatFeature.meta_bg;
          s.firstMetaBlockGroup = 1;
        },
      ],
      [
        "descriptors of 1 KiB",
        small,
        (s) => {
          s.featureIncompat |= incompatFeature["64bit"];
          s.descriptorSize = 1024;
        },
      ],
      [
        "descriptors of 32 KiB",
        large,
        (s) => {
          s.descriptorSize = 32_768;
        },
      ],
      [
        "reserved descriptor blocks",
        small,
        (s) => {
          s.reservedGdtBlocks = 256;
        },
      ],
      [
        "backup groups of sparse_super2",
        small,
        (s) => {
          s.featureCompat |= compatFeature.sparse_super2;
          s.backupGroup0 = 0xffff_ffff;
          s.backupGroup1 = 0xffff_fffe;
        },
      ],
      [
        "all groups' copies",
        small,
        (s) => {
          s.featureRoCompat &= ~roCompatFeature.sparse_super;
          s.reservedGdtBlocks = 256;
        },
      ],
      [
        "the journal in the root",
        small,
        (s) => {
          s.journalInode = 2;
          s.featureIncompat |= incompatFeature.needs_recovery;
        },
      ],
      [
        "the journal in inode 2^32-1",
        small,
        (s) => {
          s.journalInode = 0xffff_ffff;
          s.featureIncompat |= incompatFeature.needs_recovery;
        },
      ],
      [
        "an orphan file in the journal",
        small,
        (s) => {
          s.featureCompat |= compatFeature.orphan_file;
          s.orphanFileInode = 8;
        },
      ],
      [
        "the root as orphan",
        small,
        (s) => {
          s.lastOrphan = 2;
        },
      ],
      [
        "flex groups of 2^255",
        small,
        (s) => {
          s.logGroupsPerFlex = 255;
        },
      ],
      [
        "a future time",
        small,
        (s) => {
          s.mkfsTimeHi = 255;
          s.lastErrorTimeHi = 255;
          s.firstErrorTimeHi = 255;
        },
      ],
    ];
    const mounted = new Set<string>();
    for (const [name, image, damage] of cases) {
      const bytes = Buffer.from(image);
      damage(view(bytes));
      for (const size of [bytes.length, ENDLESS]) if (exercise(bytes, size, name)) mounted.add(name);
    }
    for (const name of [
      "2^29 groups",
      "2^29 groups with bigalloc",
      "2^20 damaged groups with bigalloc",
      "the root as orphan",
    ]) {
      assert.ok(mounted.has(name), `${name}: nothing was tried`);
    }
  });

  it("changed at random never makes anything but errors of ours", () => {
    const fields = Object.entries(SuperblockLayout.fields).filter(([name]) => name !== "magic");
    let mounted = 0;
    for (let seed = 1; seed <= 1500; seed++) {
      const next = random(seed);
      const image = seed % 3 === 0 ? large : small;
      const bytes = Buffer.from(image.subarray(0, 1 << 20));
      const superblock = view(bytes) as unknown as Record<string, number | Uint8Array>;
      for (let count = 1 + next(3); count > 0; count--) {
        const [name] = fields[next(fields.length)]!;
        const values = [
          0,
          1,
          2,
          8,
          255,
          0x8000,
          0xffff,
          0x7fff_ffff,
          0x8000_0000,
          0xffff_ffff,
          2 ** next(32),
          next(1000),
        ];
        const value = values[next(values.length)]!;
        if (typeof superblock[name] === "number") superblock[name] = value;
      }
      if (exercise(bytes, seed % 2 === 0 ? image.length : ENDLESS, `seed ${seed}`)) mounted++;
    }
    assert.ok(mounted > 400, `${mounted} of the images were mounted: else little was tried`);
  });

  it("with random group descriptors and inodes never makes anything but errors of ours", () => {
    const { geometry, volume } = FileSystem.mount(new Sparse(small, small.length));
    const table = groupDescriptor(volume, 0).inodeTable * geometry.blockSize;
    for (let seed = 1; seed <= 1500; seed++) {
      const next = random(seed);
      const bytes = Buffer.from(small.subarray(0, 1 << 20));
      for (let count = 1 + next(4); count > 0; count--) {
        const [start, length] =
          next(2) === 0 ? [2048, 128] : [table + geometry.inodeSize * [1, 6, 7, 10][next(4)]!, geometry.inodeSize];
        const values = [0, 1, 0xff, 0xffff, 0x7fff_ffff, 0xffff_ffff, next(20_000), next(2 ** 32 - 1)];
        bytes.writeUInt32LE(values[next(values.length)]!, start + next(length / 4) * 4);
      }
      if (next(2) === 0) view(bytes).featureIncompat |= incompatFeature.needs_recovery;
      exercise(bytes, small.length, `seed ${seed}`);
    }
  });
});

/** Small, fast, seeded: mulberry32. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}
