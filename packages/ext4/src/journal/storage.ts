import { crc32c } from "../checksum/crc32c.js";
import type { BlockDevice } from "../device/device.js";
import { CorruptionError, UnsupportedFeatureError } from "../errors.js";
import { incompatFeature, roCompatFeature } from "../format/features.js";
import { SUPERBLOCK_MAGIC, SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE, SuperblockLayout } from "../format/superblock.js";
import type { Inode } from "../inode/inode.js";
import { mapBlocks } from "../map/map-blocks.js";
import { BlockMapping, MappingType } from "../map/mapping.js";
import { bytesOf } from "../superblock/read-superblock.js";
import { checkBlockRange, type Volume } from "../volume.js";
import { uuidText } from "./uuid.js";

/** Where a journal lies: its blocks by their place in it. */
export interface JournalStorage {
  readonly device: BlockDevice;
  /** Inode of the journal; 0 when it is on a device of its own. */
  readonly ino: number;
  /** Bytes of a block: the file system's. */
  readonly blockSize: number;
  /** Blocks: places are below it. */
  readonly length: number;
  /** Place of the journal's superblock. */
  readonly superblockPlace: number;
  /** Block of the device that is at `place`. */
  locate(place: number): number;
}

/** A journal in a file. Of the map only the run last used is kept, so that a journal of any size costs nothing. */
export class JournalFile implements JournalStorage {
  readonly device: BlockDevice;
  readonly ino: number;
  readonly blockSize: number;
  readonly length: number;
  readonly superblockPlace = 0;
  readonly #volume: Volume;
  readonly #inode: Inode;
  readonly #mapping = new BlockMapping();

  constructor(volume: Volume, inode: Inode) {
    this.device = volume.device;
    this.ino = inode.ino;
    this.blockSize = volume.geometry.blockSize;
    this.length = Math.floor(inode.size / this.blockSize);
    this.#volume = volume;
    this.#inode = inode;
  }

  locate(place: number): number {
    const mapping = this.#mapping;
    if (!(place >= mapping.fileBlock && place < mapping.fileBlock + mapping.length)) {
      mapBlocks(this.#volume, this.#inode, place, mapping);
    }
    const location = { inode: this.ino, fileBlock: place };
    if (mapping.type !== MappingType.mapped) {
      mapping.length = 0;
      throw new CorruptionError("journal-inode", location, "the journal has a hole");
    }
    return checkBlockRange(this.#volume, mapping.block + (place - mapping.fileBlock), 1, "journal-inode", location);
  }
}

/** A journal on a device of its own: places are block numbers, and the journal's superblock follows an ext4 superblock. */
export class JournalDevice implements JournalStorage {
  readonly device: BlockDevice;
  readonly ino = 0;
  readonly blockSize: number;
  readonly length: number;
  readonly superblockPlace: number;

  /** @throws CorruptionError journal-superblock, UnsupportedFeatureError when it is no journal, or another file system's */
  constructor(volume: Volume, device: BlockDevice) {
    this.device = device;
    this.blockSize = volume.geometry.blockSize;
    this.superblockPlace = Math.floor(SUPERBLOCK_OFFSET / this.blockSize) + 1;
    this.length = Math.floor(device.size / this.blockSize);
    this.#check(volume);
  }

  locate(place: number): number {
    return place;
  }

  #check(volume: Volume): void {
    const wrong = (evidence: string) =>
      new CorruptionError("journal-superblock", { offset: SUPERBLOCK_OFFSET }, `the journal's device: ${evidence}`);
    if (this.device.size < SUPERBLOCK_OFFSET + SUPERBLOCK_SIZE) throw wrong(`it has ${this.device.size} bytes`);
    const bytes = new Uint8Array(SUPERBLOCK_SIZE);
    this.device.read(SUPERBLOCK_OFFSET, bytes);
    const superblock = SuperblockLayout.at(new DataView(bytes.buffer), 0);
    if (superblock.magic !== SUPERBLOCK_MAGIC) throw wrong(`magic number 0x${superblock.magic.toString(16)}`);
    if ((superblock.featureIncompat & incompatFeature.journal_dev) === 0) throw wrong("it holds a file system");
    if ((superblock.featureRoCompat & roCompatFeature.metadata_csum) !== 0) {
      const computed = crc32c(0xffff_ffff, bytesOf(superblock), 0, SuperblockLayout.offset.checksum);
      if (computed !== superblock.checksum) throw wrong("the checksum of its superblock is wrong");
    }
    const wanted = uuidText(volume.superblock.journalUuid);
    const found = uuidText(superblock.uuid);
    if (wanted !== found) {
      throw new UnsupportedFeatureError(
        ["journal_dev"],
        `the journal's device has UUID ${found}; the file system's journal is ${wanted}`,
      );
    }
  }
}
