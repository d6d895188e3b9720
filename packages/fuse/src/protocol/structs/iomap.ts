/** Structures that protocol 7.99 (fuse-iomap) adds. */
import { array, bytes, i32, i64, nested, struct, u8, u16, u32, u64 } from "@bulkhead/linux/struct";

export const FuseFreezefsIn = struct("fuse_freezefs_in", 8, { unlinked: u64(0) });
export const FuseShutdownfsIn = struct("fuse_shutdownfs_in", 8, { flags: u64(0) });
export const FuseIomapIo = struct("fuse_iomap_io", 32, {
  offset: u64(0),
  length: u64(8),
  addr: u64(16),
  type: u16(24),
  flags: u16(26),
  dev: u32(28),
});
export const FuseIomapBeginIn = struct("fuse_iomap_begin_in", 32, {
  opflags: u32(0),
  reserved: u32(4),
  attr_ino: u64(8),
  pos: u64(16),
  count: u64(24),
});
export const FuseIomapBeginOut = struct("fuse_iomap_begin_out", 64, {
  read: nested(FuseIomapIo, 0),
  write: nested(FuseIomapIo, 32),
});
export const FuseIomapEndIn = struct("fuse_iomap_end_in", 72, {
  opflags: u32(0),
  reserved: u32(4),
  attr_ino: u64(8),
  pos: u64(16),
  count: u64(24),
  written: i64(32),
  map: nested(FuseIomapIo, 40),
});
export const FuseIomapIoendIn = struct("fuse_iomap_ioend_in", 48, {
  flags: u32(0),
  error: i32(4),
  attr_ino: u64(8),
  pos: u64(16),
  new_addr: u64(24),
  written: u64(32),
  dev: u32(40),
  pad: u32(44),
});
export const FuseIomapIoendOut = struct("fuse_iomap_ioend_out", 8, { newsize: u64(0) });
export const FuseIomapConfigIn = struct("fuse_iomap_config_in", 64, {
  flags: u64(0),
  maxbytes: i64(8),
  cache_maxbytes: u32(16),
  zero: u32(20),
  padding: array(u64, 5, 24),
});
export const FuseIomapConfigOut = struct("fuse_iomap_config_out", 104, {
  flags: u64(0),
  s_id: bytes(32, 8),
  s_uuid: bytes(16, 40),
  s_uuid_len: u8(56),
  s_pad: bytes(3, 57),
  s_blocksize: u32(60),
  s_max_links: u32(64),
  s_time_gran: u32(68),
  s_time_min: i64(72),
  s_time_max: i64(80),
  s_maxbytes: i64(88),
  cache_maxbytes: u32(96),
});
export const FuseRange = struct("fuse_range", 16, { offset: u64(0), length: u64(8) });
export const FuseIomapDevInvalOut = struct("fuse_iomap_dev_inval_out", 24, {
  dev: u32(0),
  reserved: u32(4),
  range: nested(FuseRange, 8),
});
export const FuseIomapInvalMappingsOut = struct("fuse_iomap_inval_mappings_out", 48, {
  nodeid: u64(0),
  attr_ino: u64(8),
  read: nested(FuseRange, 16),
  write: nested(FuseRange, 32),
});
export const FuseIomapUpsertMappingsOut = struct("fuse_iomap_upsert_mappings_out", 80, {
  nodeid: u64(0),
  attr_ino: u64(8),
  read: nested(FuseIomapIo, 16),
  write: nested(FuseIomapIo, 48),
});
export const FuseIomapSupport = struct("fuse_iomap_support", 16, { flags: u64(0), padding: u64(8) });
export const FuseIomapBackingInfo = struct("fuse_iomap_backing_info", 8, { backing_id: u32(0), blocksize: u32(4) });
