import { crc32c } from "../checksum/crc32c.js";
import type { BlockDevice } from "../device/device.js";
import { CorruptionError, UnsupportedFeatureError } from "../errors.js";
import { featureNames, incompatFeature, readableIncompat, roCompatFeature } from "../format/features.js";
import {
  SUPERBLOCK_MAGIC,
  SUPERBLOCK_OFFSET,
  SUPERBLOCK_SIZE,
  SuperblockLayout,
  type SuperblockView,
} from "../format/superblock.js";
import { blockBitsOf, featuresOf } from "./geometry.js";
import { otherFormat } from "./other-formats.js";

const CHECKSUM_CRC32C = 1;
const ALL_ONES = 0xffff_ffff;

/** A superblock and where it was found. */
export interface FoundSuperblock {
  readonly superblock: SuperblockView;
  /** Byte offset on the device. */
  readonly offset: number;
}

/**
 * Reads and verifies a superblock: magic number, features that can be read, checksum. Geometry is checked elsewhere.
 *
 * @param sb undefined for the primary one; else the place of a copy as mount's `sb=` option gives it, in units of 1 KiB:
 *   32768 is block 8192 of a file system with 4 KiB blocks. A plain block number is understood as well where only it fits.
 * @throws CorruptionError superblock-magic, superblock-checksum
 * @throws UnsupportedFeatureError, also for what is known to be something else
 */
export function readSuperblock(device: BlockDevice, sb?: number): FoundSuperblock {
  if (sb === undefined || sb === SUPERBLOCK_OFFSET / 1024) {
    const found = tryRead(device, SUPERBLOCK_OFFSET);
    if (found === undefined) throw notExt4(device);
    try {
      verify(found);
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error;
      throw new CorruptionError(error.kind, error.location, `${error.evidence}; ${whereCopiesMayBe(device)}`);
    }
    return { superblock: found, offset: SUPERBLOCK_OFFSET };
  }
  if (!(Number.isSafeInteger(sb) && sb >= 0))
    throw new CorruptionError("superblock-magic", {}, `place ${sb} is no place`);
  for (const unit of [1024, 4096, 2048, 8192, 16_384, 32_768, 65_536]) {
    const offset = sb * unit;
    const found = tryRead(device, offset);
    // In another unit than 1 KiB the number must be a block number of the file system that is found.
    if (found === undefined || (unit !== 1024 && found.logBlockSize !== Math.log2(unit / 1024))) continue;
    verify(found);
    return { superblock: found, offset };
  }
  throw new CorruptionError(
    "superblock-magic",
    { offset: sb * 1024 },
    `no superblock at ${sb} KiB; ${whereCopiesMayBe(device)}`,
  );
}

/** The superblock at a byte offset, or undefined where no magic number is. */
function tryRead(device: BlockDevice, offset: number): SuperblockView | undefined {
  if (offset + SUPERBLOCK_SIZE > device.size) return undefined;
  const bytes = new Uint8Array(SUPERBLOCK_SIZE);
  device.read(offset, bytes);
  const superblock = SuperblockLayout.at(new DataView(bytes.buffer), 0);
  return superblock.magic === SUPERBLOCK_MAGIC ? superblock : undefined;
}

function verify(superblock: SuperblockView): void {
  const features = featuresOf(superblock);
  if (features.metadataCsum) {
    if (superblock.checksumType !== CHECKSUM_CRC32C) {
      throw new CorruptionError(
        "superblock-checksum",
        {},
        `checksum type ${superblock.checksumType}; only 1, crc32c, exists`,
      );
    }
    const computed = crc32c(ALL_ONES, bytesOf(superblock), 0, SuperblockLayout.offset.checksum);
    if (superblock.checksum !== computed) {
      throw new CorruptionError(
        "superblock-checksum",
        {},
        `stored 0x${superblock.checksum.toString(16)}, computed 0x${computed.toString(16)}`,
      );
    }
  }
  refuseUnknownFeatures(superblock);
}

function refuseUnknownFeatures(superblock: SuperblockView): void {
  const incompat = superblock.featureIncompat;
  if (incompat & incompatFeature.journal_dev) {
    throw new UnsupportedFeatureError(["journal_dev"], "this is an external journal, not a file system");
  }
  const unknown = incompat & ~readableIncompat;
  if (unknown !== 0) {
    const names = featureNames("incompat", unknown);
    throw new UnsupportedFeatureError(names, `the file system uses features that cannot be read: ${names.join(", ")}`);
  }
  if (incompat & incompatFeature.encrypt && superblock.encryptionLevel !== 0) {
    throw new UnsupportedFeatureError(["encrypt"], `encryption level ${superblock.encryptionLevel}; only 0 is known`);
  }
}

/** The seed of all metadata checksums. */
export function checksumSeedOf(superblock: SuperblockView): number {
  if (superblock.featureIncompat & incompatFeature.metadata_csum_seed) return superblock.checksumSeed;
  if (
    superblock.featureRoCompat & roCompatFeature.metadata_csum ||
    superblock.featureIncompat & incompatFeature.ea_inode
  ) {
    return crc32c(ALL_ONES, superblock.uuid);
  }
  return 0;
}

/** The superblock's 1024 bytes. */
export function bytesOf(superblock: SuperblockView): Uint8Array {
  const { view, base } = superblock;
  return new Uint8Array(view.buffer, view.byteOffset + base, SUPERBLOCK_SIZE);
}

function notExt4(device: BlockDevice): Error {
  const other = otherFormat(device);
  if (other !== undefined) {
    return new UnsupportedFeatureError([], `this is no ext2, ext3 or ext4 file system, but ${other}`);
  }
  const evidence =
    device.size < SUPERBLOCK_OFFSET + SUPERBLOCK_SIZE
      ? `the device has only ${device.size} bytes`
      : `no ext2, ext3 or ext4 superblock at byte ${SUPERBLOCK_OFFSET}; ${whereCopiesMayBe(device)}`;
  return new CorruptionError("superblock-magic", { offset: SUPERBLOCK_OFFSET }, evidence);
}

/** Looks where mke2fs puts the first copies, and says what to try. */
function whereCopiesMayBe(device: BlockDevice): string {
  const found: number[] = [];
  // First block of group 1, 3 and 5 with the usual group size, for blocks of 1 KiB, 2 KiB, 4 KiB and larger ones.
  for (let bits = 10; bits <= 16; bits++) {
    for (const group of [1, 3, 5]) {
      const offset = group * 8 * 2 ** (2 * bits) + (bits === 10 ? 1024 : 0);
      let copy: SuperblockView | undefined;
      try {
        copy = tryRead(device, offset);
        if (copy !== undefined && blockBitsOf(copy) !== bits) copy = undefined;
      } catch {
        copy = undefined;
      }
      if (copy !== undefined) found.push(offset / 1024);
    }
  }
  return found.length > 0
    ? `there are copies of a superblock: try sb=${found.join(" or sb=")}`
    : "no copies of a superblock in the usual places either";
}
