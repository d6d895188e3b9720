import { Verified } from "../cache/block-cache.js";
import { crc32c, crc32cLe32 } from "../checksum/crc32c.js";
import { CorruptionError } from "../errors.js";
import { compatFeature } from "../format/features.js";
import { InodeLayout } from "../format/inode.js";
import { ORPHAN_BLOCK_MAGIC, OrphanBlockTail } from "../format/orphan.js";
import type { Inode } from "../inode/inode.js";
import { readInode, readRawInode } from "../inode/inode-table.js";
import { mapBlocks } from "../map/map-blocks.js";
import { BlockMapping, MappingType } from "../map/mapping.js";
import { checkBlockRange, type Volume } from "../volume.js";

/** The kernel refuses a bigger orphan file. */
const MAX_ORPHAN_FILE = 8 * 1024 * 1024;
/** More orphans than this on the list are taken for damage; each was open, or being truncated, when the system stopped. */
const MAX_ORPHANS = 2 ** 20;

/**
 * Inode numbers of the orphans: files that had no name left but were open, and files whose truncation was not finished.
 * Whoever mounts the file system for writing frees the former and ends the latter.
 *
 * Reading needs neither. What a user of the read-only view sees:
 * - An orphan without a name is in no directory. Its inode and blocks count as used in statfs.
 * - A file whose truncation was in progress has its new, shorter size: the size is in the first transaction of a truncation,
 *   the blocks go in that one and in later ones. Its contents end at the new size. Some of the blocks behind may still be
 *   mapped: they count in st_blocks and statfs, and no read reaches them. The last block behind the end of the file is zero
 *   or not; nobody reads it either.
 * A kernel's mount for writing, or e2fsck, frees all that: then the free counts are higher. The kernel's own read-only mount of
 * a device that cannot be written shows what is shown here.
 *
 * Orphans stand on a list that starts in the superblock and goes on in i_dtime, or in the orphan file, or on both.
 *
 * @throws CorruptionError orphan-list when the list does not end, or names what is no inode, or the file is damaged
 */
export function orphans(volume: Volume): number[] {
  const found = [...listedOrphans(volume)];
  if ((volume.features.compat & compatFeature.orphan_file) !== 0) addFromFile(volume, found);
  return found;
}

function listedOrphans(volume: Volume): Set<number> {
  const found = new Set<number>();
  let previous = 0;
  for (let ino = volume.superblock.lastOrphan; ino !== 0; ) {
    check(volume, ino, { inode: previous });
    if (found.has(ino)) throw new CorruptionError("orphan-list", { inode: previous }, `it leads back to inode ${ino}`);
    if (found.size === MAX_ORPHANS) throw new CorruptionError("orphan-list", {}, `more than ${MAX_ORPHANS} inodes`);
    found.add(ino);
    previous = ino;
    ino = readRawInode(volume, ino).view.getUint32(InodeLayout.offset.dtime, true);
  }
  return found;
}

function addFromFile(volume: Volume, found: number[]): void {
  const file = readInode(volume, volume.superblock.orphanFileInode);
  const { blockSize } = volume.geometry;
  if (!file.isRegular || file.size > MAX_ORPHAN_FILE) {
    throw new CorruptionError(
      "orphan-list",
      { inode: file.ino },
      `the orphan file has mode 0${file.mode.toString(8)} and ${file.size} bytes`,
    );
  }
  const mapping = new BlockMapping();
  for (let fileBlock = 0; fileBlock < Math.ceil(file.size / blockSize); fileBlock++) {
    mapBlocks(volume, file, fileBlock, mapping);
    const location = { inode: file.ino, fileBlock };
    if (mapping.type !== MappingType.mapped) {
      throw new CorruptionError("orphan-list", location, "the orphan file has a hole");
    }
    const view = verifiedBlock(volume, file, fileBlock, mapping.block);
    for (let at = 0; at + 4 <= blockSize - OrphanBlockTail.size; at += 4) {
      const ino = view.getUint32(at, true);
      if (ino === 0) continue;
      check(volume, ino, location);
      found.push(ino);
    }
  }
}

/** A block of the orphan file. Its checksum covers its own number and the inode numbers, seeded by the file's inode. */
function verifiedBlock(volume: Volume, file: Inode, fileBlock: number, block: number): DataView {
  const location = { inode: file.ino, fileBlock, block };
  checkBlockRange(volume, block, 1, "orphan-list", location);
  const cached = volume.cache.read(block);
  if (cached.verifiedAs === Verified.orphans && cached.verifiedFor === file.ino) return cached.view;
  const end = volume.geometry.blockSize - OrphanBlockTail.size;
  const tail = OrphanBlockTail.at(cached.view, end);
  if (tail.magic !== ORPHAN_BLOCK_MAGIC) {
    throw new CorruptionError("orphan-list", location, `magic number 0x${tail.magic.toString(16)}`);
  }
  if (volume.features.metadataCsum) {
    const low = crc32cLe32(file.checksumSeed, block % 2 ** 32);
    const seed = crc32cLe32(low, Math.floor(block / 2 ** 32));
    const computed = crc32c(seed, cached.data, 0, end);
    if (tail.checksum !== computed) {
      throw new CorruptionError(
        "orphan-list",
        location,
        `checksum 0x${tail.checksum.toString(16)}, computed 0x${computed.toString(16)}`,
      );
    }
  }
  cached.verifiedAs = Verified.orphans;
  cached.verifiedFor = file.ino;
  return cached.view;
}

/** An orphan is an ordinary inode. */
function check(volume: Volume, ino: number, location: { inode: number; fileBlock?: number }): void {
  const { firstInode, inodeCount } = volume.geometry;
  if (ino < firstInode || ino > inodeCount) {
    throw new CorruptionError(
      "orphan-list",
      location,
      `it names inode ${ino}; orphans lie from ${firstInode} to ${inodeCount}`,
    );
  }
}
