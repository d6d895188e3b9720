/** Structures of requests and replies about inodes, names and attributes. */
import { array, i32, i64, nested, opaque64, struct, u16, u32, u64 } from "@bulkhead/linux/struct";

/** Times are u64 in the kernel's header, and signed all the same: before 1970 they are negative. */
export const FuseAttr = struct("fuse_attr", 88, {
  ino: u64(0),
  size: u64(8),
  blocks: u64(16),
  atime: i64(24),
  mtime: i64(32),
  ctime: i64(40),
  atimensec: u32(48),
  mtimensec: u32(52),
  ctimensec: u32(56),
  mode: u32(60),
  nlink: u32(64),
  uid: u32(68),
  gid: u32(72),
  rdev: u32(76),
  blksize: u32(80),
  flags: u32(84),
});
export const FuseEntryOut = struct("fuse_entry_out", 128, {
  nodeid: u64(0),
  generation: u64(8),
  entry_valid: u64(16),
  attr_valid: u64(24),
  entry_valid_nsec: u32(32),
  attr_valid_nsec: u32(36),
  attr: nested(FuseAttr, 40),
});
export const FuseAttrOut = struct("fuse_attr_out", 104, {
  attr_valid: u64(0),
  attr_valid_nsec: u32(8),
  dummy: u32(12),
  attr: nested(FuseAttr, 16),
});
export const FuseGetattrIn = struct("fuse_getattr_in", 16, { getattr_flags: u32(0), dummy: u32(4), fh: u64(8) });
export const FuseSetattrIn = struct("fuse_setattr_in", 88, {
  valid: u32(0),
  padding: u32(4),
  fh: u64(8),
  size: u64(16),
  lock_owner: opaque64(24),
  atime: i64(32),
  mtime: i64(40),
  ctime: i64(48),
  atimensec: u32(56),
  mtimensec: u32(60),
  ctimensec: u32(64),
  mode: u32(68),
  unused4: u32(72),
  uid: u32(76),
  gid: u32(80),
  unused5: u32(84),
});
export const FuseStatxIn = struct("fuse_statx_in", 24, {
  getattr_flags: u32(0),
  reserved: u32(4),
  fh: u64(8),
  sx_flags: u32(16),
  sx_mask: u32(20),
});
export const FuseSxTime = struct("fuse_sx_time", 16, { tv_sec: i64(0), tv_nsec: u32(8), reserved: i32(12) });
export const FuseStatx = struct("fuse_statx", 256, {
  mask: u32(0),
  blksize: u32(4),
  attributes: u64(8),
  nlink: u32(16),
  uid: u32(20),
  gid: u32(24),
  mode: u16(28),
  spare: array(u16, 1, 30),
  ino: u64(32),
  size: u64(40),
  blocks: u64(48),
  attributes_mask: u64(56),
  atime: nested(FuseSxTime, 64),
  btime: nested(FuseSxTime, 80),
  ctime: nested(FuseSxTime, 96),
  mtime: nested(FuseSxTime, 112),
  rdev_major: u32(128),
  rdev_minor: u32(132),
  dev_major: u32(136),
  dev_minor: u32(140),
  mnt_id: u64(144),
  dio_mem_align: u32(152),
  dio_offset_align: u32(156),
  subvol: u64(160),
  atomic_write_unit_min: u32(168),
  atomic_write_unit_max: u32(172),
  atomic_write_segments_max: u32(176),
  dio_read_offset_align: u32(180),
  atomic_write_unit_max_opt: u32(184),
  spare2: u32(188),
  spare3: array(u64, 8, 192),
});
export const FuseStatxOut = struct("fuse_statx_out", 288, {
  attr_valid: u64(0),
  attr_valid_nsec: u32(8),
  flags: u32(12),
  spare: array(u64, 2, 16),
  stat: nested(FuseStatx, 32),
});
export const FuseMknodIn = struct("fuse_mknod_in", 16, { mode: u32(0), rdev: u32(4), umask: u32(8), padding: u32(12) });
export const FuseMkdirIn = struct("fuse_mkdir_in", 8, { mode: u32(0), umask: u32(4) });
export const FuseRenameIn = struct("fuse_rename_in", 8, { newdir: u64(0) });
export const FuseRename2In = struct("fuse_rename2_in", 16, { newdir: u64(0), flags: u32(8), padding: u32(12) });
export const FuseLinkIn = struct("fuse_link_in", 8, { oldnodeid: u64(0) });
export const FuseKstatfs = struct("fuse_kstatfs", 80, {
  blocks: u64(0),
  bfree: u64(8),
  bavail: u64(16),
  files: u64(24),
  ffree: u64(32),
  bsize: u32(40),
  namelen: u32(44),
  frsize: u32(48),
  padding: u32(52),
  spare: array(u32, 6, 56),
});
export const FuseStatfsOut = struct("fuse_statfs_out", 80, { st: nested(FuseKstatfs, 0) });
export const FuseSetxattrIn = struct("fuse_setxattr_in", 16, {
  size: u32(0),
  flags: u32(4),
  setxattr_flags: u32(8),
  padding: u32(12),
});
export const FuseGetxattrIn = struct("fuse_getxattr_in", 8, { size: u32(0), padding: u32(4) });
export const FuseGetxattrOut = struct("fuse_getxattr_out", 8, { size: u32(0), padding: u32(4) });
export const FuseAccessIn = struct("fuse_access_in", 8, { mask: u32(0), padding: u32(4) });
export const FuseForgetIn = struct("fuse_forget_in", 8, { nlookup: u64(0) });
export const FuseBatchForgetIn = struct("fuse_batch_forget_in", 8, { count: u32(0), dummy: u32(4) });
export const FuseForgetOne = struct("fuse_forget_one", 16, { nodeid: u64(0), nlookup: u64(8) });
export const FuseDirent = struct("fuse_dirent", 24, { ino: u64(0), off: u64(8), namelen: u32(16), type: u32(20) });
export const FuseDirentplus = struct("fuse_direntplus", 152, {
  entry_out: nested(FuseEntryOut, 0),
  dirent: nested(FuseDirent, 128),
});
