import { freeBlockCount } from "../../alloc/free-counts.js";
import { I_BLOCK_OFFSET, I_BLOCK_SIZE, InodeLayout } from "../../format/inode.js";
import { SUPERBLOCK_OFFSET, SuperblockLayout } from "../../format/superblock.js";
import { inodeTableBlock } from "../../inode/inode-table.js";
import type { Volume } from "../../volume.js";
import type { FastCommitChanges, SuperblockCounts } from "./changes.js";

const { mode, sizeLo, linksCount, flags } = InodeLayout.offset;

const { offset: at } = SuperblockLayout;

/** What makes a difference: not times, and not counts of blocks. */
const FIELDS: readonly (readonly [offset: number, length: number])[] = [
  [mode, 2],
  [sizeLo, 4],
  [linksCount, 2],
  [flags, 4],
  [I_BLOCK_OFFSET, I_BLOCK_SIZE],
];

/**
 * What e2fsck 1.47 reads before it replays the log, and takes for the present when it replays fast commits. Where the log has something
 * newer, that ends badly:
 * - Of the superblock it writes the 16-bit words that are others than those it read, and a checksum over all: where a word is again what it
 *   was before the log, the log's stays. With another first orphan there, the checksum is wrong whatever the fast commits tell; with other
 *   counts of what is free, when the fast commits make them what they were.
 * - Likewise where groups have a bitmap since (BLOCK_UNINIT, INODE_UNINIT are off in the log): it counts what is free by the
 *   descriptors as they were. So the log is emptied after a transaction that brought one into use; see FastCommitWriter.changesOf.
 * - Of inodes in the block of the table that holds the journal's, it sees and writes back what they were before. With blocks of
 *   4 KiB these are the root, and the first files that were made.
 */
export class ReadEarly {
  readonly #volume: Volume;
  readonly #home: Uint8Array;

  constructor(volume: Volume) {
    this.#volume = volume;
    this.#home = new Uint8Array(volume.geometry.blockSize);
  }

  /** Whether the superblock on the device has `lastOrphan`. @throws DeviceError */
  hasOrphan(lastOrphan: number): boolean {
    const bytes = this.#home.subarray(0, 4);
    this.#volume.device.read(SUPERBLOCK_OFFSET + at.lastOrphan, bytes);
    return new DataView(bytes.buffer).getUint32(0, true) === lastOrphan;
  }

  /**
   * Whether the counts of what is free become again what the device has, other than in the log. What is told of inodes that were freed is
   * not that: e2fsck counts them, and their blocks, as in use.
   *
   * @throws DeviceError
   */
  takesCounts({ logged, hasFreed }: FastCommitChanges): boolean {
    const home = this.#home.subarray(0, SuperblockLayout.size);
    this.#volume.device.read(SUPERBLOCK_OFFSET, home);
    const view = new DataView(home.buffer, home.byteOffset);
    const high = this.#volume.features.is64Bit ? view.getUint32(at.freeBlocksCountHi, true) : 0;
    const blocks = view.getUint32(at.freeBlocksCountLo, true) + high * 0x1_0000_0000;
    const now = countsOf(this.#volume);
    return (
      returns(blocks, logged.freeBlocks, now.freeBlocks, hasFreed) ||
      returns(view.getUint32(at.freeInodesCount, true), logged.freeInodes, now.freeInodes, hasFreed)
    );
  }

  /** Whether an inode is in that block of the table. */
  holds(ino: number): boolean {
    const { inodesPerBlock } = this.#volume.geometry;
    const { journalInode } = this.#volume.superblock;
    const blockOf = (number: number) => Math.floor((number - 1) / inodesPerBlock);
    return journalInode !== 0 && blockOf(ino) === blockOf(journalInode);
  }

  /** Whether the device has the inodes of that block as they are now. @throws DeviceError */
  hasInodes(): boolean {
    const { device, geometry, superblock } = this.#volume;
    const { data, block } = inodeTableBlock(this.#volume, superblock.journalInode);
    const home = this.#home;
    device.read(block * geometry.blockSize, home);
    for (let inode = 0; inode < data.length; inode += geometry.inodeSize) {
      for (const [offset, length] of FIELDS) {
        for (let byte = inode + offset; byte < inode + offset + length; byte++) {
          if (data[byte] !== home[byte]) return false;
        }
      }
    }
    return true;
  }
}

/** What of the superblock e2fsck compares; see ReadEarly. */
export function countsOf(volume: Volume): SuperblockCounts {
  const { lastOrphan, freeInodesCount: freeInodes } = volume.superblock;
  return { lastOrphan, freeBlocks: freeBlockCount(volume), freeInodes };
}

/**
 * Whether a part of a count is now what it was on the device, and is not in the log.
 *
 * @param isLess whether e2fsck may come to a count that is less than `now`, and than `logged`
 */
function returns(home: number, logged: number, now: number, isLess: boolean): boolean {
  if (home === logged) return false;
  if (isLess && (home <= Math.min(now, logged) || word(home, 0x1_0000) !== word(logged, 0x1_0000))) return true;
  return WORDS.some((unit) => word(home, unit) === word(now, unit) && word(home, unit) !== word(logged, unit));
}

/** Units of the 16-bit words of a number. */
const WORDS = [1, 0x1_0000, 0x1_0000_0000];

function word(count: number, unit: number): number {
  return Math.floor(count / unit) % 0x1_0000;
}
