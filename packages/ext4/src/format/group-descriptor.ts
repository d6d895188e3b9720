import { le16, le32, struct, type ViewOf } from "./struct.js";

/** struct ext4_group_desc; without the 64bit feature only its first 32 bytes are there. */
export const GroupDescriptorLayout = struct("ext4_group_desc", 64, {
  blockBitmapLo: le32(0x0),
  inodeBitmapLo: le32(0x4),
  inodeTableLo: le32(0x8),
  freeBlocksCountLo: le16(0xc),
  freeInodesCountLo: le16(0xe),
  usedDirsCountLo: le16(0x10),
  flags: le16(0x12),
  excludeBitmapLo: le32(0x14),
  blockBitmapChecksumLo: le16(0x18, "metadata_csum"),
  inodeBitmapChecksumLo: le16(0x1a, "metadata_csum"),
  itableUnusedLo: le16(0x1c, "uninit_bg"),
  checksum: le16(0x1e, "uninit_bg"),
  blockBitmapHi: le32(0x20, "64bit"),
  inodeBitmapHi: le32(0x24, "64bit"),
  inodeTableHi: le32(0x28, "64bit"),
  freeBlocksCountHi: le16(0x2c, "64bit"),
  freeInodesCountHi: le16(0x2e, "64bit"),
  usedDirsCountHi: le16(0x30, "64bit"),
  itableUnusedHi: le16(0x32, "64bit"),
  excludeBitmapHi: le32(0x34, "64bit"),
  blockBitmapChecksumHi: le16(0x38, "64bit"),
  inodeBitmapChecksumHi: le16(0x3a, "64bit"),
});

export type GroupDescriptorView = ViewOf<typeof GroupDescriptorLayout>;

/** bg_flags. */
export const GroupFlag = { inodeUninit: 1, blockUninit: 2, inodeZeroed: 4 } as const;
