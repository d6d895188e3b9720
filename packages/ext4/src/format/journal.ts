import { be16, be32, bytes, le16, le32, struct, u8, type ViewOf } from "./struct.js";

/** Big-endian, as everything of jbd2's. */
export const JOURNAL_MAGIC = 0xc03b3998;

/** h_blocktype. */
export const JournalBlockType = { descriptor: 1, commit: 2, superblockV1: 3, superblockV2: 4, revoke: 5 } as const;

/** s_feature_compat, s_feature_incompat of the journal, by the names that dumpe2fs prints. */
export const journalCompat = { journal_checksum: 0x1 } as const;
export const journalIncompat = {
  journal_incompat_revoke: 0x1,
  journal_64bit: 0x2,
  journal_async_commit: 0x4,
  journal_checksum_v2: 0x8,
  journal_checksum_v3: 0x10,
  fast_commit: 0x20,
} as const;

/** Flags of a block tag. */
export const TagFlag = { escape: 1, sameUuid: 2, deleted: 4, last: 8 } as const;

/** s_checksum_type, h_chksum_type. */
export const JournalChecksumType = { crc32: 1, crc32c: 4 } as const;

/** A journal has at least this many blocks beside those of fast commits (JBD2_MIN_JOURNAL_BLOCKS). */
export const MIN_JOURNAL_BLOCKS = 1024;
/** And at most this many, says e2fsprogs: the bound of what a hostile journal makes us read. */
export const MAX_JOURNAL_BLOCKS = 10_240_000;
/** Blocks of the fast-commit area when the journal does not say (JBD2_DEFAULT_FAST_COMMIT_BLOCKS). */
export const DEFAULT_FAST_COMMIT_BLOCKS = 256;

/** journal_header_t: the first bytes of every journal block that is not a logged one. */
export const JournalHeader = struct("journal_header_s", 12, {
  magic: be32(0x0),
  blockType: be32(0x4),
  sequence: be32(0x8),
});

/** journal_superblock_t. */
export const JournalSuperblockLayout = struct("journal_superblock_s", 1024, {
  magic: be32(0x0),
  blockType: be32(0x4),
  sequenceOfHeader: be32(0x8),
  blockSize: be32(0xc),
  maxLength: be32(0x10),
  first: be32(0x14),
  sequence: be32(0x18),
  start: be32(0x1c),
  errno: be32(0x20),
  featureCompat: be32(0x24, "version 2"),
  featureIncompat: be32(0x28, "version 2"),
  featureRoCompat: be32(0x2c, "version 2"),
  uuid: bytes(0x30, 16, "version 2"),
  userCount: be32(0x40, "version 2"),
  dynamicSuperblock: be32(0x44, "version 2"),
  maxTransaction: be32(0x48, "version 2"),
  maxTransactionData: be32(0x4c, "version 2"),
  checksumType: u8(0x50, "journal_checksum_v2"),
  fastCommitBlocks: be32(0x54, "fast_commit"),
  head: be32(0x58),
  checksum: be32(0xfc, "journal_checksum_v2"),
  users: bytes(0x100, 768, "version 2"),
});

/** journal_block_tag_t; its last field is there with 64-bit block numbers. Checksum v2 makes a tag two bytes longer. */
export const BlockTag = struct("journal_block_tag_s", 12, {
  blockLo: be32(0x0),
  checksum: be16(0x4, "journal_checksum_v2"),
  flags: be16(0x6),
  blockHi: be32(0x8, "journal_64bit"),
});

/** journal_block_tag3_t: checksum v3. */
export const BlockTag3 = struct("journal_block_tag3_s", 16, {
  blockLo: be32(0x0),
  flags: be32(0x4),
  blockHi: be32(0x8, "journal_64bit"),
  checksum: be32(0xc),
});

/** Bytes of a UUID behind a tag without the sameUuid flag. */
export const TAG_UUID_SIZE = 16;
/** Bytes of struct jbd2_journal_block_tail: the checksum that ends descriptor and revoke blocks (v2, v3). */
export const BLOCK_TAIL_SIZE = 4;

/** jbd2_journal_revoke_header_t; block numbers follow, 4 or 8 bytes each. */
export const RevokeHeader = struct("jbd2_journal_revoke_header_s", 16, {
  magic: be32(0x0),
  blockType: be32(0x4),
  sequence: be32(0x8),
  /** Bytes of the block in use, this header included. */
  count: be32(0xc),
});

/** struct commit_header. */
export const CommitHeader = struct("commit_header", 60, {
  magic: be32(0x0),
  blockType: be32(0x4),
  sequence: be32(0x8),
  checksumType: u8(0xc, "journal_checksum"),
  checksumSize: u8(0xd, "journal_checksum"),
  checksum: be32(0x10, "journal_checksum"),
  commitSecondsHi: be32(0x30),
  commitSecondsLo: be32(0x34),
  commitNanoseconds: be32(0x38),
});

/** Tags of the fast-commit area, which is ext4's own and little-endian. */
export const FastCommitTag = {
  addRange: 1,
  delRange: 2,
  create: 3,
  link: 4,
  unlink: 5,
  inode: 6,
  pad: 7,
  tail: 8,
  head: 9,
} as const;

/** struct ext4_fc_tl: tag and length of the value behind it. */
export const FastCommitHeader = struct("ext4_fc_tl", 4, { tag: le16(0x0), length: le16(0x2) });
/** struct ext4_fc_head. */
export const FastCommitHead = struct("ext4_fc_head", 8, { features: le32(0x0), tid: le32(0x4) });
/** struct ext4_fc_add_range: an inode number and an extent. */
export const FastCommitAddRange = struct("ext4_fc_add_range", 16, {
  inode: le32(0x0),
  fileBlock: le32(0x4),
  length: le16(0x8),
  blockHi: le16(0xa),
  blockLo: le32(0xc),
});
/** struct ext4_fc_del_range. */
export const FastCommitDelRange = struct("ext4_fc_del_range", 12, {
  inode: le32(0x0),
  fileBlock: le32(0x4),
  length: le32(0x8),
});
/** struct ext4_fc_dentry_info; the name follows. */
export const FastCommitEntry = struct("ext4_fc_dentry_info", 8, { parent: le32(0x0), inode: le32(0x4) });
/** struct ext4_fc_inode; the on-disk inode, or its beginning, follows. */
export const FastCommitInode = struct("ext4_fc_inode", 4, { inode: le32(0x0) });
/** struct ext4_fc_tail. The checksum covers everything since the last tail, up to itself. */
export const FastCommitTail = struct("ext4_fc_tail", 8, { tid: le32(0x0), checksum: le32(0x4) });

export type JournalSuperblockView = ViewOf<typeof JournalSuperblockLayout>;
