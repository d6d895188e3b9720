/** Structures of requests and replies about open files. */
import { i32, nested, opaque64, struct, u32, u64 } from "@bulkhead/linux/struct";

export const FuseOpenIn = struct("fuse_open_in", 8, { flags: u32(0), open_flags: u32(4) });
export const FuseCreateIn = struct("fuse_create_in", 16, {
  flags: u32(0),
  mode: u32(4),
  umask: u32(8),
  open_flags: u32(12),
});
export const FuseOpenOut = struct("fuse_open_out", 16, { fh: u64(0), open_flags: u32(8), backing_id: i32(12) });
export const FuseReleaseIn = struct("fuse_release_in", 24, {
  fh: u64(0),
  flags: u32(8),
  release_flags: u32(12),
  lock_owner: opaque64(16),
});
export const FuseFlushIn = struct("fuse_flush_in", 24, {
  fh: u64(0),
  unused: u32(8),
  padding: u32(12),
  lock_owner: opaque64(16),
});
export const FuseReadIn = struct("fuse_read_in", 40, {
  fh: u64(0),
  offset: u64(8),
  size: u32(16),
  read_flags: u32(20),
  lock_owner: opaque64(24),
  flags: u32(32),
  padding: u32(36),
});
export const FuseWriteIn = struct("fuse_write_in", 40, {
  fh: u64(0),
  offset: u64(8),
  size: u32(16),
  write_flags: u32(20),
  lock_owner: opaque64(24),
  flags: u32(32),
  padding: u32(36),
});
export const FuseWriteOut = struct("fuse_write_out", 8, { size: u32(0), padding: u32(4) });
export const FuseFsyncIn = struct("fuse_fsync_in", 16, { fh: u64(0), fsync_flags: u32(8), padding: u32(12) });
/** `end` is the last byte; of a lock to the end of the file 2^63 − 1, which only the halves keep: GETLK's reply is to have them. */
export const FuseFileLock = struct("fuse_file_lock", 24, { start: u64(0), end: u64(8), type: u32(16), pid: u32(20) });
export const FuseLkIn = struct("fuse_lk_in", 48, {
  fh: u64(0),
  owner: opaque64(8),
  lk: nested(FuseFileLock, 16),
  lk_flags: u32(40),
  padding: u32(44),
});
export const FuseLkOut = struct("fuse_lk_out", 24, { lk: nested(FuseFileLock, 0) });
export const FuseInterruptIn = struct("fuse_interrupt_in", 8, { unique: opaque64(0) });
export const FuseBmapIn = struct("fuse_bmap_in", 16, { block: u64(0), blocksize: u32(8), padding: u32(12) });
export const FuseBmapOut = struct("fuse_bmap_out", 8, { block: u64(0) });
export const FuseIoctlIn = struct("fuse_ioctl_in", 32, {
  fh: u64(0),
  flags: u32(8),
  cmd: u32(12),
  arg: u64(16),
  in_size: u32(24),
  out_size: u32(28),
});
export const FuseIoctlOut = struct("fuse_ioctl_out", 16, {
  result: i32(0),
  flags: u32(4),
  in_iovs: u32(8),
  out_iovs: u32(12),
});
export const FuseIoctlIovec = struct("fuse_ioctl_iovec", 16, { base: u64(0), len: u64(8) });
export const FusePollIn = struct("fuse_poll_in", 24, { fh: u64(0), kh: opaque64(8), flags: u32(16), events: u32(20) });
export const FusePollOut = struct("fuse_poll_out", 8, { revents: u32(0), padding: u32(4) });
export const FuseFallocateIn = struct("fuse_fallocate_in", 32, {
  fh: u64(0),
  offset: u64(8),
  length: u64(16),
  mode: u32(24),
  padding: u32(28),
});
export const FuseLseekIn = struct("fuse_lseek_in", 24, {
  fh: u64(0),
  offset: u64(8),
  whence: u32(16),
  padding: u32(20),
});
export const FuseLseekOut = struct("fuse_lseek_out", 8, { offset: u64(0) });
export const FuseCopyFileRangeIn = struct("fuse_copy_file_range_in", 56, {
  fh_in: u64(0),
  off_in: u64(8),
  nodeid_out: u64(16),
  fh_out: u64(24),
  off_out: u64(32),
  len: u64(40),
  flags: u64(48),
});
export const FuseCopyFileRangeOut = struct("fuse_copy_file_range_out", 8, { bytes_copied: u64(0) });
export const FuseSyncfsIn = struct("fuse_syncfs_in", 8, { padding: u64(0) });
export const FuseNotifyRetrieveIn = struct("fuse_notify_retrieve_in", 40, {
  dummy1: u64(0),
  offset: u64(8),
  size: u32(16),
  dummy2: u32(20),
  dummy3: u64(24),
  dummy4: u64(32),
});
export const FuseSetupmappingIn = struct("fuse_setupmapping_in", 40, {
  fh: u64(0),
  foffset: u64(8),
  len: u64(16),
  flags: u64(24),
  moffset: u64(32),
});
export const FuseRemovemappingIn = struct("fuse_removemapping_in", 4, { count: u32(0) });
export const FuseRemovemappingOne = struct("fuse_removemapping_one", 16, { moffset: u64(0), len: u64(8) });
