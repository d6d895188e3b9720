import { type CachedBlock, Verified } from "../cache/block-cache.js";
import { crc32c, crc32cLe32 } from "../checksum/crc32c.js";
import { CorruptionError } from "../errors.js";
import { ORPHAN_BLOCK_MAGIC, OrphanBlockTail } from "../format/orphan.js";
import type { Inode } from "../inode/inode.js";
import { readInode } from "../inode/inode-table.js";
import type { Handle } from "../journal/handle.js";
import { mapBlocks } from "../map/map-blocks.js";
import { BlockMapping, MappingType } from "../map/mapping.js";
import { checkBlockRange, type Volume } from "../volume.js";

/** The kernel refuses a bigger orphan file. */
const MAX_ORPHAN_FILE = 8 * 1024 * 1024;

/** The orphan file: an array of inode numbers, 0 where a slot is free, in blocks that each end in a tail. */
export class OrphanFile {
  readonly inode: Inode;
  /** Slots of a block. */
  readonly slotsPerBlock: number;
  readonly #blocks: readonly number[];
  /** 1 for each block in which no free slot was found, and none has become free since. */
  readonly #full: Uint8Array;
  /** Block of the file in which a free slot was found last. */
  #recent = 0;

  /** @throws CorruptionError orphan-list for a file that is none, or has holes */
  constructor(volume: Volume) {
    const { blockSize } = volume.geometry;
    const file = readInode(volume, volume.superblock.orphanFileInode);
    if (!file.isRegular || file.size > MAX_ORPHAN_FILE) {
      throw new CorruptionError(
        "orphan-list",
        { inode: file.ino },
        `the orphan file has mode 0${file.mode.toString(8)} and ${file.size} bytes`,
      );
    }
    const blocks: number[] = [];
    const mapping = new BlockMapping();
    for (let fileBlock = 0; fileBlock < Math.ceil(file.size / blockSize); fileBlock++) {
      mapBlocks(volume, file, fileBlock, mapping);
      const location = { inode: file.ino, fileBlock };
      if (mapping.type !== MappingType.mapped) {
        throw new CorruptionError("orphan-list", location, "the orphan file has a hole");
      }
      blocks.push(checkBlockRange(volume, mapping.block, 1, "orphan-list", location));
    }
    this.inode = file;
    this.#blocks = blocks;
    this.#full = new Uint8Array(blocks.length);
    this.slotsPerBlock = (blockSize - OrphanBlockTail.size) / 4;
  }

  /** Visits the inode numbers in the slots that are not free. @throws CorruptionError orphan-list */
  forEach(volume: Volume, visit: (ino: number, slot: number, fileBlock: number) => void): void {
    for (let fileBlock = 0; fileBlock < this.#blocks.length; fileBlock++) {
      const { view } = this.#block(volume, fileBlock);
      for (let n = 0; n < this.slotsPerBlock; n++) {
        const ino = view.getUint32(n * 4, true);
        if (ino !== 0) visit(ino, fileBlock * this.slotsPerBlock + n, fileBlock);
      }
    }
  }

  /** Puts an inode number into a free slot and returns the slot's number, -1 when there is none. */
  add(handle: Handle, ino: number): number {
    for (;;) {
      let fileBlock = this.#full.indexOf(0, this.#recent);
      if (fileBlock < 0) fileBlock = this.#full.indexOf(0);
      if (fileBlock < 0) return -1;
      const block = this.#block(handle.volume, fileBlock);
      for (let n = 0; n < this.slotsPerBlock; n++) {
        if (block.view.getUint32(n * 4, true) !== 0) continue;
        this.#recent = fileBlock;
        this.#put(handle, block, n, ino);
        return fileBlock * this.slotsPerBlock + n;
      }
      this.#full[fileBlock] = 1;
    }
  }

  /** Says that a slot which `add` took is free again, since that was undone. */
  undoAdd(slot: number): void {
    this.#full[Math.floor(slot / this.slotsPerBlock)] = 0;
  }

  /** Frees a slot. */
  remove(handle: Handle, slot: number): void {
    const fileBlock = Math.floor(slot / this.slotsPerBlock);
    this.#put(handle, this.#block(handle.volume, fileBlock), slot % this.slotsPerBlock, 0);
    this.#full[fileBlock] = 0;
    this.#recent = fileBlock;
  }

  #put(handle: Handle, block: CachedBlock, index: number, ino: number): void {
    handle.modify(block, sealOrphanBlock, this.inode.checksumSeed);
    block.view.setUint32(index * 4, ino, true);
  }

  #block(volume: Volume, fileBlock: number): CachedBlock {
    const block = volume.cache.read(this.#blocks[fileBlock]!);
    verify(volume, this.inode, fileBlock, block);
    return block;
  }
}

/** The checksum of a block covers its own number and the inode numbers, seeded by the file's inode. */
function checksumOf(volume: Volume, seed: number, block: CachedBlock): number {
  const low = crc32cLe32(seed, block.block % 2 ** 32);
  const start = crc32cLe32(low, Math.floor(block.block / 2 ** 32));
  return crc32c(start, block.data, 0, volume.geometry.blockSize - OrphanBlockTail.size);
}

/** The seal of a block of the orphan file. */
export function sealOrphanBlock(volume: Volume, block: CachedBlock): void {
  if (!volume.features.metadataCsum) return;
  const tail = OrphanBlockTail.at(block.view, volume.geometry.blockSize - OrphanBlockTail.size);
  tail.checksum = checksumOf(volume, block.sealSeed, block);
}

function verify(volume: Volume, file: Inode, fileBlock: number, cached: CachedBlock): void {
  if (cached.verifiedAs === Verified.orphans && cached.verifiedFor === file.ino) return;
  const location = { inode: file.ino, fileBlock, block: cached.block };
  const tail = OrphanBlockTail.at(cached.view, volume.geometry.blockSize - OrphanBlockTail.size);
  if (tail.magic !== ORPHAN_BLOCK_MAGIC) {
    throw new CorruptionError("orphan-list", location, `magic number 0x${tail.magic.toString(16)}`);
  }
  if (volume.features.metadataCsum) {
    const computed = checksumOf(volume, file.checksumSeed, cached);
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
}
