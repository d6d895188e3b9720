import { le32, struct } from "./struct.js";

export const ORPHAN_BLOCK_MAGIC = 0x0b10_ca04;

/** struct ext4_orphan_block_tail: ends each block of the orphan file, which is otherwise an array of inode numbers. */
export const OrphanBlockTail = struct("ext4_orphan_block_tail", 8, {
  magic: le32(0x0),
  checksum: le32(0x4, "metadata_csum"),
});
