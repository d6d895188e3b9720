import { le16, le32, le64, struct, type ViewOf } from "./struct.js";

/** Bytes of a block of a quota file, whatever the file system's blocks are. */
export const QUOTA_BLOCK_SIZE = 1024;
/** The block of the file where the tree starts; the header is before it. */
export const QUOTA_ROOT = 1;
/** Levels of the tree: each has one byte of the id, the highest first. */
export const QUOTA_DEPTH = 4;
/** dqh_version of what ext4 uses: 64-bit counts. */
export const QUOTA_VERSION = 1;

/** dqh_magic by type: user, group, project. */
export const quotaMagics = [0xd9c0_1f11, 0xd9c0_1927, 0xd9c0_3f14] as const;

/** struct v2_disk_dqheader and v2_disk_dqinfo: block 0 of a quota file. */
export const QuotaHeaderLayout = struct("v2_disk_dqheader", 32, {
  magic: le32(0x0),
  version: le32(0x4),
  /** Seconds that space may be above its soft limit. */
  blockGrace: le32(0x8),
  inodeGrace: le32(0xc),
  flags: le32(0x10),
  /** Blocks of the file. */
  blocks: le32(0x14),
  /** First block of the list of unused ones; 0 if none. */
  freeBlock: le32(0x18),
  /** First block of entries of the list of those with room; 0 if none. */
  freeEntry: le32(0x1c),
});

export type QuotaHeaderView = ViewOf<typeof QuotaHeaderLayout>;

/** struct qt_disk_dqdbheader: the start of a block of entries, and of an unused block. */
export const QuotaDataLayout = struct("qt_disk_dqdbheader", 16, {
  nextFree: le32(0x0),
  previousFree: le32(0x4),
  /** Entries in use. */
  entries: le16(0x8),
});

export type QuotaDataView = ViewOf<typeof QuotaDataLayout>;

/** struct v2r1_disk_dqblk: what one user, group or project has and may have. All zeros: not in use. */
export const QuotaEntryLayout = struct("v2r1_disk_dqblk", 72, {
  id: le32(0x0),
  inodeHardLimit: le64(0x8),
  inodeSoftLimit: le64(0x10),
  inodes: le64(0x18),
  /** Units of 1 KiB. */
  spaceHardLimit: le64(0x20),
  spaceSoftLimit: le64(0x28),
  /** Bytes. */
  space: le64(0x30),
  /** When being above the soft limit ends being allowed, in seconds since 1970; 0 while it is not above. */
  spaceTime: le64(0x38),
  inodeTime: le64(0x40),
});

export type QuotaEntryView = ViewOf<typeof QuotaEntryLayout>;

/** Entries of a block. */
export const QUOTA_ENTRIES = Math.floor((QUOTA_BLOCK_SIZE - QuotaDataLayout.size) / QuotaEntryLayout.size);
