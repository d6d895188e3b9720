import { bytes, le16, le32, les32, struct, type ViewOf } from "./struct.js";

/** Bytes of i_block, which holds block pointers, an extent root, a fast symlink's target or inline data. */
export const I_BLOCK_SIZE = 60;
export const I_BLOCK_OFFSET = 0x28;
/** Bytes of the inode that every revision has. */
export const GOOD_OLD_INODE_SIZE = 128;

/** struct ext4_inode with its extra part; how much of that is there, i_extra_isize says. */
export const InodeLayout = struct("ext4_inode", 0xa0, {
  mode: le16(0x0),
  uidLo: le16(0x2),
  sizeLo: le32(0x4),
  atime: les32(0x8),
  ctime: les32(0xc),
  mtime: les32(0x10),
  dtime: le32(0x14),
  gidLo: le16(0x18),
  linksCount: le16(0x1a),
  blocksLo: le32(0x1c),
  flags: le32(0x20),
  versionLo: le32(0x24),
  block: bytes(I_BLOCK_OFFSET, I_BLOCK_SIZE),
  generation: le32(0x64),
  fileAclLo: le32(0x68),
  sizeHi: le32(0x6c),
  fragmentAddress: le32(0x70),
  blocksHi: le16(0x74),
  fileAclHi: le16(0x76),
  uidHi: le16(0x78),
  gidHi: le16(0x7a),
  checksumLo: le16(0x7c, "metadata_csum"),
  reserved: le16(0x7e),
  extraInodeSize: le16(0x80, "extra_isize"),
  checksumHi: le16(0x82, "metadata_csum"),
  ctimeExtra: le32(0x84, "extra_isize"),
  mtimeExtra: le32(0x88, "extra_isize"),
  atimeExtra: le32(0x8c, "extra_isize"),
  crtime: les32(0x90, "extra_isize"),
  crtimeExtra: le32(0x94, "extra_isize"),
  versionHi: le32(0x98, "extra_isize"),
  projectId: le32(0x9c, "project"),
});

/** Bytes past the first 128 that this version has fields for. */
export const KNOWN_EXTRA_INODE_SIZE = InodeLayout.size - GOOD_OLD_INODE_SIZE;

export type InodeView = ViewOf<typeof InodeLayout>;

/** i_flags. */
export const InodeFlag = {
  secureDeletion: 0x1,
  undelete: 0x2,
  compress: 0x4,
  sync: 0x8,
  immutable: 0x10,
  append: 0x20,
  noDump: 0x40,
  noAtime: 0x80,
  encrypt: 0x800,
  index: 0x1000,
  imagic: 0x2000,
  journalData: 0x4000,
  noTail: 0x8000,
  dirSync: 0x1_0000,
  topDir: 0x2_0000,
  hugeFile: 0x4_0000,
  extents: 0x8_0000,
  verity: 0x10_0000,
  eaInode: 0x20_0000,
  dax: 0x200_0000,
  inlineData: 0x1000_0000,
  projectInherit: 0x2000_0000,
  casefold: 0x4000_0000,
  reserved: 0x8000_0000,
} as const;

/** The file type bits of a mode. */
export const FileType = {
  mask: 0xf000,
  fifo: 0x1000,
  characterDevice: 0x2000,
  directory: 0x4000,
  blockDevice: 0x6000,
  regular: 0x8000,
  symlink: 0xa000,
  socket: 0xc000,
} as const;

/** Inodes with a fixed number. */
export const ReservedInode = {
  badBlocks: 1,
  root: 2,
  userQuota: 3,
  groupQuota: 4,
  bootLoader: 5,
  undelete: 6,
  resize: 7,
  journal: 8,
  exclude: 9,
  replica: 10,
  firstOrdinary: 11,
} as const;
