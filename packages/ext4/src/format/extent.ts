import { le16, le32, struct, type ViewOf } from "./struct.js";

/** struct ext4_extent_header: starts every node of an extent tree, the root in i_block included. */
export const ExtentHeaderLayout = struct("ext4_extent_header", 12, {
  magic: le16(0x0),
  entries: le16(0x2),
  max: le16(0x4),
  depth: le16(0x6),
  generation: le32(0x8),
});

/** struct ext4_extent: an entry of a leaf. */
export const ExtentLayout = struct("ext4_extent", 12, {
  fileBlock: le32(0x0),
  length: le16(0x4),
  startHi: le16(0x6),
  startLo: le32(0x8),
});

/** struct ext4_extent_idx: an entry of an interior node. */
export const ExtentIndexLayout = struct("ext4_extent_idx", 12, {
  fileBlock: le32(0x0),
  leafLo: le32(0x4),
  leafHi: le16(0x8),
  unused: le16(0xa),
});

/** struct ext4_extent_tail: follows the last possible entry of a node that is a block of its own. */
export const ExtentTailLayout = struct("ext4_extent_tail", 4, {
  checksum: le32(0x0, "metadata_csum"),
});

export type ExtentHeaderView = ViewOf<typeof ExtentHeaderLayout>;
export type ExtentView = ViewOf<typeof ExtentLayout>;
export type ExtentIndexView = ViewOf<typeof ExtentIndexLayout>;

export const EXTENT_MAGIC = 0xf30a;
/** Bytes of the header and of each entry alike. */
export const EXTENT_ENTRY_SIZE = 12;
/** Depth that no tree exceeds: five levels of the smallest nodes map 2^32 blocks. */
export const MAX_EXTENT_DEPTH = 5;
/** Entries that fit the root in i_block. */
export const EXTENT_ROOT_CAPACITY = 4;
/** Longest extent that holds data, in blocks. A greater ee_len is that of an unwritten extent plus this number. */
export const MAX_WRITTEN_EXTENT = 32_768;
