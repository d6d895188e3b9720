import { le16, le32, struct, u8, type ViewOf } from "./struct.js";

/** Longest name of a directory entry, in bytes. */
export const NAME_MAX = 255;

/**
 * struct ext4_dir_entry_2, the part before the name. Without the filetype feature `nameLength` and `fileType` are one 16-bit
 * length whose upper byte is zero, as names are at most 255 bytes.
 */
export const DirectoryEntryLayout = struct("ext4_dir_entry_2", 8, {
  inode: le32(0x0),
  recordLength: le16(0x4),
  nameLength: u8(0x6),
  fileType: u8(0x7, "filetype"),
});

export type DirectoryEntryView = ViewOf<typeof DirectoryEntryLayout>;

/** struct ext4_dir_entry_hash: follows the name, padded to 4 bytes, in directories that are both encrypted and case-insensitive. */
export const DirectoryEntryHashLayout = struct("ext4_dir_entry_hash", 8, {
  hash: le32(0x0, "encrypt"),
  minorHash: le32(0x4, "encrypt"),
});

/** struct ext4_dir_entry_tail: the last 12 bytes of a directory block that has a checksum; reads as an unused entry. */
export const DirectoryTailLayout = struct("ext4_dir_entry_tail", 12, {
  inode: le32(0x0, "metadata_csum"),
  recordLength: le16(0x4, "metadata_csum"),
  nameLength: u8(0x6, "metadata_csum"),
  fileType: u8(0x7, "metadata_csum"),
  checksum: le32(0x8, "metadata_csum"),
});

/** The file type by which a checksum tail is known. */
export const TAIL_FILE_TYPE = 0xde;

/** struct dx_root without its entries: `.`, `..` (which spans the rest of the block) and struct dx_root_info. */
export const IndexRootLayout = struct("dx_root", 32, {
  dotInode: le32(0x0),
  dotRecordLength: le16(0x4),
  dotNameLength: u8(0x6),
  dotFileType: u8(0x7),
  dotName: le32(0x8),
  dotdotInode: le32(0xc),
  dotdotRecordLength: le16(0x10),
  dotdotNameLength: u8(0x12),
  dotdotFileType: u8(0x13),
  dotdotName: le32(0x14),
  reservedZero: le32(0x18, "dir_index"),
  hashVersion: u8(0x1c, "dir_index"),
  infoLength: u8(0x1d, "dir_index"),
  indirectLevels: u8(0x1e, "dir_index"),
  unusedFlags: u8(0x1f, "dir_index"),
});

/** Bytes of struct dx_root_info: `infoLength` says so. */
export const INDEX_ROOT_INFO_SIZE = 8;
/** Where the entries of an index block start: after dx_root, or after the fake entry that makes a dx_node look unused. */
export const INDEX_ROOT_ENTRIES = 32;
export const INDEX_NODE_ENTRIES = 8;

/** struct dx_countlimit: lies over the hash of the first index entry, whose hash is implied. */
export const IndexCountLimitLayout = struct("dx_countlimit", 4, {
  limit: le16(0x0, "dir_index"),
  count: le16(0x2, "dir_index"),
});

/** struct dx_entry: from this hash on, names are in (or below) this block of the directory. */
export const IndexEntryLayout = struct("dx_entry", 8, {
  hash: le32(0x0, "dir_index"),
  block: le32(0x4, "dir_index"),
});

/** Bits of an index entry's block number; the others are reserved. */
export const INDEX_BLOCK_MASK = 0x0fff_ffff;

/** struct dx_tail: follows the space for `limit` entries. */
export const IndexTailLayout = struct("dx_tail", 8, {
  reserved: le32(0x0, "metadata_csum"),
  checksum: le32(0x4, "metadata_csum"),
});

/** Hash functions of directory indexes: dx_root_info.hash_version, s_def_hash_version. */
export const HashVersion = {
  legacy: 0,
  halfMd4: 1,
  tea: 2,
  legacyUnsigned: 3,
  halfMd4Unsigned: 4,
  teaUnsigned: 5,
  siphash: 6,
} as const;

/** What stands before a name in an inline directory: the inode number of `..`. */
export const INLINE_DOTDOT_SIZE = 4;

/**
 * Length of a record: its 16 bits as they are for blocks below 64 KiB; in blocks of 64 KiB 0 and 65,535 mean the whole block
 * and the two lowest bits, which a multiple of 4 does not need, are bits 16 and 17.
 */
export function decodeRecordLength(raw: number, blockSize: number): number {
  if (blockSize < 0x1_0000) return raw;
  if (raw === 0xffff || raw === 0) return blockSize;
  return (raw & 0xfffc) | ((raw & 3) << 16);
}

/** The inverse of decodeRecordLength. */
export function encodeRecordLength(length: number, blockSize: number): number {
  if (blockSize < 0x1_0000) return length;
  return length === blockSize ? 0xffff : (length & 0xfffc) | (length >>> 16);
}

/** Bytes that an entry with a name of `nameLength` bytes needs, without a stored hash. */
export function recordSize(nameLength: number): number {
  return (DirectoryEntryLayout.size + nameLength + 3) & ~3;
}
