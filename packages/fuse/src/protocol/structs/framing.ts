/** Headers, INIT, extensions, device and io_uring structures. */
import { array, bytes, i32, nested, opaque64, struct, u16, u32, u64 } from "@bulkhead/linux/struct";

export const FuseInHeader = struct("fuse_in_header", 40, {
  len: u32(0),
  opcode: u32(4),
  unique: opaque64(8),
  nodeid: u64(16),
  uid: u32(24),
  gid: u32(28),
  pid: u32(32),
  total_extlen: u16(36),
  padding: u16(38),
});
export const FuseOutHeader = struct("fuse_out_header", 16, { len: u32(0), error: i32(4), unique: opaque64(8) });
export const FuseInitIn = struct("fuse_init_in", 64, {
  major: u32(0),
  minor: u32(4),
  max_readahead: u32(8),
  flags: u32(12),
  flags2: u32(16),
  unused: array(u32, 11, 20),
});
export const FuseInitOut = struct("fuse_init_out", 64, {
  major: u32(0),
  minor: u32(4),
  max_readahead: u32(8),
  flags: u32(12),
  max_background: u16(16),
  congestion_threshold: u16(18),
  max_write: u32(20),
  time_gran: u32(24),
  max_pages: u16(28),
  map_alignment: u16(30),
  flags2: u32(32),
  max_stack_depth: u32(36),
  request_timeout: u16(40),
  unused: array(u16, 11, 42),
});
export const CuseInitIn = struct("cuse_init_in", 16, { major: u32(0), minor: u32(4), unused: u32(8), flags: u32(12) });
export const CuseInitOut = struct("cuse_init_out", 72, {
  major: u32(0),
  minor: u32(4),
  unused: u32(8),
  flags: u32(12),
  max_read: u32(16),
  max_write: u32(20),
  dev_major: u32(24),
  dev_minor: u32(28),
  spare: array(u32, 10, 32),
});
export const FuseBackingMap = struct("fuse_backing_map", 16, { fd: i32(0), flags: u32(4), padding: u64(8) });
export const FuseUringCmdReq = struct("fuse_uring_cmd_req", 24, {
  flags: u64(0),
  commit_id: u64(8),
  qid: u16(16),
  padding: bytes(6, 18),
});
export const FuseUringEntInOut = struct("fuse_uring_ent_in_out", 32, {
  flags: u64(0),
  commit_id: u64(8),
  payload_sz: u32(16),
  padding: u32(20),
  reserved: u64(24),
});
export const FuseUringReqHeader = struct("fuse_uring_req_header", 288, {
  in_out: bytes(128, 0),
  op_in: bytes(128, 128),
  ring_ent_in_out: nested(FuseUringEntInOut, 256),
});
export const FuseSecctxHeader = struct("fuse_secctx_header", 8, { size: u32(0), nr_secctx: u32(4) });
export const FuseSecctx = struct("fuse_secctx", 8, { size: u32(0), padding: u32(4) });
export const FuseExtHeader = struct("fuse_ext_header", 8, { size: u32(0), type: u32(4) });
export const FuseSuppGroups = struct("fuse_supp_groups", 4, { nr_groups: u32(0) });
