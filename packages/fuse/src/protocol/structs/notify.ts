/** Payloads of notifications, before their name or data. */
import { i64, opaque64, struct, u32, u64 } from "@bulkhead/linux/struct";

export const FuseNotifyPollWakeupOut = struct("fuse_notify_poll_wakeup_out", 8, { kh: opaque64(0) });
export const FuseNotifyInvalInodeOut = struct("fuse_notify_inval_inode_out", 24, {
  ino: u64(0),
  off: i64(8),
  len: i64(16),
});
export const FuseNotifyInvalEntryOut = struct("fuse_notify_inval_entry_out", 16, {
  parent: u64(0),
  namelen: u32(8),
  flags: u32(12),
});
export const FuseNotifyStoreOut = struct("fuse_notify_store_out", 24, {
  nodeid: u64(0),
  offset: u64(8),
  size: u32(16),
  padding: u32(20),
});
export const FuseNotifyRetrieveOut = struct("fuse_notify_retrieve_out", 32, {
  notify_unique: opaque64(0),
  nodeid: u64(8),
  offset: u64(16),
  size: u32(24),
  padding: u32(28),
});
export const FuseNotifyDeleteOut = struct("fuse_notify_delete_out", 24, {
  parent: u64(0),
  child: u64(8),
  namelen: u32(16),
  padding: u32(20),
});
export const FuseNotifyPruneOut = struct("fuse_notify_prune_out", 16, {
  count: u32(0),
  padding: u32(4),
  spare: u64(8),
});
