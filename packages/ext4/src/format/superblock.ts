import { bytes, le16, le32, le64, struct, u8, type ViewOf } from "./struct.js";

/** Byte offset of the primary superblock on the device. */
export const SUPERBLOCK_OFFSET = 1024;
export const SUPERBLOCK_MAGIC = 0xef53;
export const SUPERBLOCK_SIZE = 1024;

/** struct ext4_super_block. */
export const SuperblockLayout = struct("ext4_super_block", SUPERBLOCK_SIZE, {
  inodesCount: le32(0x0),
  blocksCountLo: le32(0x4),
  reservedBlocksCountLo: le32(0x8),
  freeBlocksCountLo: le32(0xc),
  freeInodesCount: le32(0x10),
  firstDataBlock: le32(0x14),
  logBlockSize: le32(0x18),
  logClusterSize: le32(0x1c),
  blocksPerGroup: le32(0x20),
  clustersPerGroup: le32(0x24),
  inodesPerGroup: le32(0x28),
  mountTime: le32(0x2c),
  writeTime: le32(0x30),
  mountCount: le16(0x34),
  maxMountCount: le16(0x36),
  magic: le16(0x38),
  state: le16(0x3a),
  errors: le16(0x3c),
  minorRevLevel: le16(0x3e),
  lastCheck: le32(0x40),
  checkInterval: le32(0x44),
  creatorOs: le32(0x48),
  revLevel: le32(0x4c),
  defaultResuid: le16(0x50),
  defaultResgid: le16(0x52),
  firstInode: le32(0x54, "dynamic revision"),
  inodeSize: le16(0x58, "dynamic revision"),
  blockGroupNumber: le16(0x5a, "dynamic revision"),
  featureCompat: le32(0x5c, "dynamic revision"),
  featureIncompat: le32(0x60, "dynamic revision"),
  featureRoCompat: le32(0x64, "dynamic revision"),
  uuid: bytes(0x68, 16, "dynamic revision"),
  volumeName: bytes(0x78, 16, "dynamic revision"),
  lastMounted: bytes(0x88, 64, "dynamic revision"),
  algorithmUsageBitmap: le32(0xc8),
  preallocBlocks: u8(0xcc, "dir_prealloc"),
  preallocDirBlocks: u8(0xcd, "dir_prealloc"),
  reservedGdtBlocks: le16(0xce, "resize_inode"),
  journalUuid: bytes(0xd0, 16, "has_journal"),
  journalInode: le32(0xe0, "has_journal"),
  journalDevice: le32(0xe4, "has_journal"),
  lastOrphan: le32(0xe8, "has_journal"),
  hashSeed: bytes(0xec, 16, "dir_index"),
  defaultHashVersion: u8(0xfc, "dir_index"),
  journalBackupType: u8(0xfd, "has_journal"),
  descriptorSize: le16(0xfe, "64bit"),
  defaultMountOptions: le32(0x100),
  firstMetaBlockGroup: le32(0x104, "meta_bg"),
  mkfsTime: le32(0x108),
  journalBlocks: bytes(0x10c, 68, "has_journal"),
  blocksCountHi: le32(0x150, "64bit"),
  reservedBlocksCountHi: le32(0x154, "64bit"),
  freeBlocksCountHi: le32(0x158, "64bit"),
  minExtraInodeSize: le16(0x15c, "extra_isize"),
  wantExtraInodeSize: le16(0x15e, "extra_isize"),
  flags: le32(0x160),
  raidStride: le16(0x164),
  mmpUpdateInterval: le16(0x166, "mmp"),
  mmpBlock: le64(0x168, "mmp"),
  raidStripeWidth: le32(0x170),
  logGroupsPerFlex: u8(0x174, "flex_bg"),
  checksumType: u8(0x175, "metadata_csum"),
  encryptionLevel: u8(0x176, "encrypt"),
  kbytesWritten: le64(0x178),
  snapshotInode: le32(0x180),
  snapshotId: le32(0x184),
  snapshotReservedBlocks: le64(0x188),
  snapshotList: le32(0x190),
  errorCount: le32(0x194),
  firstErrorTime: le32(0x198),
  firstErrorInode: le32(0x19c),
  firstErrorBlock: le64(0x1a0),
  firstErrorFunction: bytes(0x1a8, 32),
  firstErrorLine: le32(0x1c8),
  lastErrorTime: le32(0x1cc),
  lastErrorInode: le32(0x1d0),
  lastErrorLine: le32(0x1d4),
  lastErrorBlock: le64(0x1d8),
  lastErrorFunction: bytes(0x1e0, 32),
  mountOptions: bytes(0x200, 64),
  userQuotaInode: le32(0x240, "quota"),
  groupQuotaInode: le32(0x244, "quota"),
  overheadClusters: le32(0x248),
  backupGroup0: le32(0x24c, "sparse_super2"),
  backupGroup1: le32(0x250, "sparse_super2"),
  encryptAlgorithms: bytes(0x254, 4, "encrypt"),
  encryptPasswordSalt: bytes(0x258, 16, "encrypt"),
  lostAndFoundInode: le32(0x268),
  projectQuotaInode: le32(0x26c, "project"),
  checksumSeed: le32(0x270, "metadata_csum_seed"),
  writeTimeHi: u8(0x274),
  mountTimeHi: u8(0x275),
  mkfsTimeHi: u8(0x276),
  lastCheckHi: u8(0x277),
  firstErrorTimeHi: u8(0x278),
  lastErrorTimeHi: u8(0x279),
  firstErrorCode: u8(0x27a),
  lastErrorCode: u8(0x27b),
  encoding: le16(0x27c, "casefold"),
  encodingFlags: le16(0x27e, "casefold"),
  orphanFileInode: le32(0x280, "orphan_file"),
  checksum: le32(0x3fc, "metadata_csum"),
});

export type SuperblockView = ViewOf<typeof SuperblockLayout>;

/** s_rev_level of a superblock without features, inodes of 128 bytes. */
export const GOOD_OLD_REVISION = 0;

/** s_state. */
export const SuperblockState = { valid: 1, error: 2, orphans: 4, fastCommitReplay: 0x20 } as const;

/** s_flags. */
export const SuperblockFlag = { signedHash: 1, unsignedHash: 2, testFilesystem: 4 } as const;

/** s_default_mount_opts. */
export const DefaultMountOption = { bsdGroups: 0x2, dataMode: 0x60, dataJournal: 0x20, discard: 0x400 } as const;

/** s_errors: what to do when an error is found. */
export const ErrorsBehaviour = { continue: 1, remountReadOnly: 2, panic: 3 } as const;

export const CREATOR_OS_HURD = 1;
