import type { CachedBlock } from "../cache/block-cache.js";
import { crc32c } from "../checksum/crc32c.js";
import {
  SUPERBLOCK_MAGIC,
  SUPERBLOCK_OFFSET,
  SUPERBLOCK_SIZE,
  SuperblockLayout,
  type SuperblockView,
} from "../format/superblock.js";
import { groupFirstBlock } from "../groups/group-table.js";
import { hasSuperblock } from "../groups/superblock-copies.js";
import type { Volume } from "../volume.js";
import { copyErrors } from "./error-record.js";
import { bytesOf } from "./read-superblock.js";

/** The cached block that holds the primary superblock. */
export function superblockHome(volume: Volume): CachedBlock {
  return volume.cache.read(Math.floor(SUPERBLOCK_OFFSET / volume.geometry.blockSize));
}

/** The seal of that block: puts the superblock's bytes in memory into it, checksum and time of writing included. */
export function sealSuperblock(volume: Volume, block: CachedBlock): void {
  prepare(volume);
  block.data.set(bytesOf(volume.superblock), SUPERBLOCK_OFFSET % volume.geometry.blockSize);
}

/** Writes the superblock in memory straight to the device: at mount and unmount, when nothing is in the journal. */
export function writeSuperblock(volume: Volume): void {
  prepare(volume);
  const home = superblockHome(volume);
  home.data.set(bytesOf(volume.superblock), SUPERBLOCK_OFFSET % volume.geometry.blockSize);
  volume.device.write(SUPERBLOCK_OFFSET, bytesOf(volume.superblock));
}

/**
 * Writes the record of errors to the device at once, and nothing else of the superblock in memory: what that says of a running
 * transaction must not be there before its commit.
 */
export function writeErrors(volume: Volume): void {
  rewrite(volume, SUPERBLOCK_OFFSET, (superblock) => copyErrors(volume.superblock, superblock));
  volume.device.flush();
}

/** Changes the copies of the superblock, straight on the device: no transaction has them. */
export function rewriteCopies(volume: Volume, change: (copy: SuperblockView) => void): void {
  const { groupCount, blockSize } = volume.geometry;
  for (let group = 1; group < groupCount; group++) {
    if (hasSuperblock(volume, group)) rewrite(volume, groupFirstBlock(volume, group) * blockSize, change);
  }
  volume.device.flush();
}

function rewrite({ device, features }: Volume, offset: number, change: (superblock: SuperblockView) => void): void {
  const bytes = new Uint8Array(SUPERBLOCK_SIZE);
  device.read(offset, bytes);
  const superblock = SuperblockLayout.at(new DataView(bytes.buffer), 0);
  if (superblock.magic !== SUPERBLOCK_MAGIC) return;
  change(superblock);
  if (features.metadataCsum) superblock.checksum = checksumOf(superblock);
  device.write(offset, bytes);
}

function checksumOf(superblock: SuperblockView): number {
  return crc32c(0xffff_ffff, bytesOf(superblock), 0, SuperblockLayout.offset.checksum);
}

/** Adds to the superblock in memory what was written to the device. */
export function countWritten({ device, superblock }: Volume): void {
  const written = device.takeWritten?.() ?? 0;
  if (written > 0) superblock.kbytesWritten += Math.ceil(written / 1024);
}

function prepare(volume: Volume): void {
  const { superblock } = volume;
  countWritten(volume);
  const now = volume.environment.clock.now().seconds;
  superblock.writeTime = now % 0x1_0000_0000;
  superblock.writeTimeHi = Math.floor(now / 0x1_0000_0000) & 0xff;
  if (volume.features.metadataCsum) superblock.checksum = checksumOf(superblock);
}
