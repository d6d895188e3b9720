import { I_BLOCK_OFFSET, I_BLOCK_SIZE, InodeLayout } from "../../format/inode.js";
import { SUPERBLOCK_OFFSET, SuperblockLayout } from "../../format/superblock.js";
import { inodeTableBlock } from "../../inode/inode-table.js";
import type { Volume } from "../../volume.js";

const { mode, sizeLo, linksCount, flags } = InodeLayout.offset;

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
 * - With another first orphan in the superblock, it writes a superblock with a wrong checksum, whatever the fast commits tell.
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
    const word = this.#home.subarray(0, 4);
    this.#volume.device.read(SUPERBLOCK_OFFSET + SuperblockLayout.offset.lastOrphan, word);
    return new DataView(word.buffer).getUint32(0, true) === lastOrphan;
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
        for (let at = inode + offset; at < inode + offset + length; at++) if (data[at] !== home[at]) return false;
      }
    }
    return true;
  }
}
