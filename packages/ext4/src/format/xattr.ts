import { bytes, le16, le32, struct, u8, type ViewOf } from "./struct.js";

/** First word of the attributes in an inode and of an attribute block. */
export const XATTR_MAGIC = 0xea02_0000;
/** Most bytes of a value: EXT4_XATTR_SIZE_MAX. What system calls carry ends at 64 KiB already. */
export const XATTR_VALUE_MAX = 1 << 24;
/** Names and values start at multiples of this many bytes. */
export const XATTR_ALIGNMENT = 4;
/** Bytes before the entries in an inode: the magic number alone (struct ext4_xattr_ibody_header). */
export const XATTR_INODE_HEADER_SIZE = 4;
/** Bytes that the list of entries ends with: zeros where the next entry would start. */
export const XATTR_END_SIZE = 4;

/** struct ext4_xattr_header: the start of an attribute block, which inodes with equal attributes share. */
export const XattrBlockLayout = struct("ext4_xattr_header", 32, {
  magic: le32(0x0),
  /** Inodes that share the block. */
  refcount: le32(0x4),
  /** Blocks that the attributes take; always 1. */
  blocks: le32(0x8),
  /** Hash of all entries, by which a block to share is found. */
  hash: le32(0xc),
  checksum: le32(0x10, "metadata_csum"),
  reserved: bytes(0x14, 12),
});

export type XattrBlockView = ViewOf<typeof XattrBlockLayout>;

/** struct ext4_xattr_entry; the name's bytes follow it, padded to four. */
export const XattrEntryLayout = struct("ext4_xattr_entry", 16, {
  nameLength: u8(0x0),
  /** Stands for the name's prefix; see XattrIndex. */
  nameIndex: u8(0x1),
  /** Where the value starts, from the block's start or, in an inode, from the first entry. */
  valueOffset: le16(0x2),
  /** The inode that holds the value, 0 when it is in the same block or inode. */
  valueInode: le32(0x4, "ea_inode"),
  /** Bytes. */
  valueSize: le32(0x8),
  hash: le32(0xc),
});

export type XattrEntryView = ViewOf<typeof XattrEntryLayout>;

/** e_name_index. */
export const XattrIndex = {
  user: 1,
  posixAclAccess: 2,
  posixAclDefault: 3,
  trusted: 4,
  lustre: 5,
  security: 6,
  /** Inline data ("data") alone; never shown. */
  system: 7,
  richAcl: 8,
  /** The encryption context; never shown. */
  encryption: 9,
  hurd: 10,
} as const;

/** e_version of a stored ACL: ext4's short form. */
export const ACL_DISK_VERSION = 1;
/** a_version of an ACL as system calls carry it. */
export const ACL_USER_VERSION = 2;
/** e_id of entries that name nobody. */
export const ACL_UNDEFINED_ID = 0xffff_ffff;

/** e_tag of an ACL entry; the values are the same on disk and in system calls. */
export const AclTag = { userObject: 1, user: 2, groupObject: 4, group: 8, mask: 0x10, other: 0x20 } as const;
