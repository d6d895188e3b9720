// Oracle: whether the kernel mounts an image whose superblock has the same field changed.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, before, describe, it } from "node:test";
import { MemoryDevice } from "../../src/device/memory.js";
import { CorruptionError, UnsupportedFeatureError } from "../../src/errors.js";
import { FileSystem } from "../../src/filesystem.js";
import { SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE, SuperblockLayout } from "../../src/format/superblock.js";
import { groupDescriptor } from "../../src/groups/group-table.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import { ImageDirectory, missingLoopMount } from "../images.js";

type FieldName = keyof typeof SuperblockLayout.fields;
type FieldChanges = readonly [field: FieldName, values: readonly number[]];
const skip = missingLoopMount() ?? false;

/** The image that is changed: 1 KiB blocks, 8 groups, no checksums. */
const options = ["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,^uninit_bg", "-N", "16384"];

/**
 * Fields that the kernel checks before it mounts, with values around its bounds. (Left out: values that the kernel refuses
 * later, for overlaps of the metadata of groups.)
 */
const changes: readonly FieldChanges[] = [
  ["inodesCount", [0, 1, 16_383, 16_385, 0xffff_ffff]],
  ["blocksCountLo", [0, 1, 2, 65_535, 65_537, 0xffff_ffff]],
  ["firstDataBlock", [0, 65_536, 0xffff_ffff]],
  ["logBlockSize", [1, 2, 6, 7, 31, 0xffff_ffff]],
  ["logClusterSize", [1, 20, 21, 0xffff_ffff]],
  ["blocksPerGroup", [0, 1, 8, 8184, 8193, 0xffff_ffff]],
  ["clustersPerGroup", [0, 1, 8184, 8193, 0xffff_ffff]],
  ["inodesPerGroup", [0, 1, 8, 2040, 8193, 0xffff_ffff]],
  ["magic", [0, 0xef52]],
  ["creatorOs", [1, 3]],
  ["revLevel", [0]],
  ["firstInode", [0, 10, 11, 12]],
  ["inodeSize", [0, 1, 64, 100, 2048, 0xffff]],
  ["reservedGdtBlocks", [256, 257, 0xffff]],
  ["descriptorSize", [0, 32, 63, 96, 128, 2048]],
  ["encryptionLevel", [1]],
  ["checksumType", [0, 2]],
  ["featureIncompat", [0x1, 0x8, 0x20, 0x800, 0x1000, 0x4_0000, 0x8000_0000]],
  ["featureRoCompat", [0x2_0000, 0x8000_0000]],
];

/** Whether we mount it. The kernel looks at all group descriptors first, which we check when they are needed: here, at once. */
function mounts(image: Uint8Array): true | unknown {
  try {
    const filesystem = FileSystem.mount(new MemoryDevice(image, { readOnly: true }), { loadJournal: false });
    for (let group = 0; group < filesystem.geometry.groupCount; group++) groupDescriptor(filesystem.volume, group);
    return true;
  } catch (error) {
    return error;
  }
}

/** Compares with the kernel what each value of a field leads to. The image at `path` holds `pristine`, and does again at the end. */
function assertAsKernel(images: ImageDirectory, path: string, pristine: Buffer, [field, values]: FieldChanges): void {
  const before = Buffer.from(pristine.subarray(SUPERBLOCK_OFFSET, SUPERBLOCK_OFFSET + SUPERBLOCK_SIZE));
  const superblock = SuperblockLayout.at(new DataView(pristine.buffer, pristine.byteOffset), SUPERBLOCK_OFFSET);
  for (const value of values) {
    const old = superblock[field] as number;
    (superblock as unknown as Record<string, number>)[field] = field.startsWith("feature") ? old | value : value;
    try {
      writeSuperblock(path, pristine.subarray(SUPERBLOCK_OFFSET, SUPERBLOCK_OFFSET + SUPERBLOCK_SIZE));
      const kernel = images.kernelAccepts(path);
      const ours = mounts(pristine);
      if (ours !== true) {
        const clean = ours instanceof CorruptionError || ours instanceof UnsupportedFeatureError;
        assert.ok(clean, `${field} = ${value}: ${ours}`);
      }
      assert.equal(ours === true, kernel, `${field} = ${value}: ${ours}`);
    } finally {
      pristine.set(before, SUPERBLOCK_OFFSET);
      writeSuperblock(path, before);
    }
  }
}

function writeSuperblock(path: string, bytes: Uint8Array): void {
  const fd = fs.openSync(path, "r+");
  fs.writeSync(fd, bytes, 0, bytes.length, SUPERBLOCK_OFFSET);
  fs.closeSync(fd);
}

describe("superblock geometry", { skip }, () => {
  const images = new ImageDirectory();
  let pristine: Buffer;
  let path: string;

  before(() => {
    path = images.make("image", "64M", options);
    pristine = fs.readFileSync(path);
  });
  after(() => images.remove());

  for (const change of changes) {
    it(`with another ${change[0]} is accepted when the kernel accepts it`, () => {
      assertAsKernel(images, path, pristine, change);
    });
  }

  it("that is longer than the device is refused, and says that the image is cut short", () => {
    assert.throws(
      () => openVolume(new MemoryDevice(pristine.subarray(0, pristine.length - 1024))),
      (error: unknown) => error instanceof CorruptionError && /cut short/.test(error.message),
    );
    const longer = new Uint8Array(pristine.length + 5000);
    longer.set(pristine);
    assert.equal(openVolume(new MemoryDevice(longer)).geometry.blockCount, 65_536);
  });

  it("truncated anywhere in the first groups gives an error of ours", () => {
    for (let length = 0; length < 3_000_000; length += length < 4096 ? 512 : 102_400) {
      const result = mounts(pristine.subarray(0, length));
      assert.ok(result instanceof CorruptionError, `${length}: ${result}`);
    }
  });
});
