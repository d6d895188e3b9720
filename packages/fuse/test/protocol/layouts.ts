/**
 * The structures as the FUSE ABI reference prints them (sizeof and offsetof of the kernel headers): the word the tests
 * take against ours. `name size layout`, a layout being `offset type name` separated by dots. Seconds are u64 there, and i64 here: the
 * kernel takes them for signed.
 */
export const LAYOUTS = `
fuse_in_header 40 0 u32 len · 4 u32 opcode · 8 u64 unique · 16 u64 nodeid · 24 u32 uid · 28 u32 gid · 32 u32 pid · 36 u16 total_extlen · 38 u16 padding
fuse_out_header 16 0 u32 len · 4 i32 error · 8 u64 unique
fuse_init_in 64 0 u32 major · 4 u32 minor · 8 u32 max_readahead · 12 u32 flags · 16 u32 flags2 · 20 u32[11] unused
fuse_init_out 64 0 u32 major · 4 u32 minor · 8 u32 max_readahead · 12 u32 flags · 16 u16 max_background · 18 u16 congestion_threshold · 20 u32 max_write · 24 u32 time_gran · 28 u16 max_pages · 30 u16 map_alignment · 32 u32 flags2 · 36 u32 max_stack_depth · 40 u16 request_timeout · 42 u16[11] unused
fuse_attr 88 0 u64 ino · 8 u64 size · 16 u64 blocks · 24 i64 atime · 32 i64 mtime · 40 i64 ctime · 48 u32 atimensec · 52 u32 mtimensec · 56 u32 ctimensec · 60 u32 mode · 64 u32 nlink · 68 u32 uid · 72 u32 gid · 76 u32 rdev · 80 u32 blksize · 84 u32 flags
fuse_entry_out 128 0 u64 nodeid · 8 u64 generation · 16 u64 entry_valid · 24 u64 attr_valid · 32 u32 entry_valid_nsec · 36 u32 attr_valid_nsec · 40 fuse_attr attr
fuse_attr_out 104 0 u64 attr_valid · 8 u32 attr_valid_nsec · 12 u32 dummy · 16 fuse_attr attr
fuse_getattr_in 16 0 u32 getattr_flags · 4 u32 dummy · 8 u64 fh
fuse_setattr_in 88 0 u32 valid · 4 u32 padding · 8 u64 fh · 16 u64 size · 24 u64 lock_owner · 32 i64 atime · 40 i64 mtime · 48 i64 ctime · 56 u32 atimensec · 60 u32 mtimensec · 64 u32 ctimensec · 68 u32 mode · 72 u32 unused4 · 76 u32 uid · 80 u32 gid · 84 u32 unused5
fuse_statx_in 24 0 u32 getattr_flags · 4 u32 reserved · 8 u64 fh · 16 u32 sx_flags · 20 u32 sx_mask
fuse_statx_out 288 0 u64 attr_valid · 8 u32 attr_valid_nsec · 12 u32 flags · 16 u64[2] spare · 32 fuse_statx stat
fuse_sx_time 16 0 i64 tv_sec · 8 u32 tv_nsec · 12 i32 reserved
fuse_mknod_in 16 0 u32 mode · 4 u32 rdev · 8 u32 umask · 12 u32 padding
fuse_mkdir_in 8 0 u32 mode · 4 u32 umask
fuse_rename_in 8 0 u64 newdir
fuse_rename2_in 16 0 u64 newdir · 8 u32 flags · 12 u32 padding
fuse_link_in 8 0 u64 oldnodeid
fuse_open_in 8 0 u32 flags · 4 u32 open_flags
fuse_create_in 16 0 u32 flags · 4 u32 mode · 8 u32 umask · 12 u32 open_flags
fuse_open_out 16 0 u64 fh · 8 u32 open_flags · 12 i32 backing_id
fuse_release_in 24 0 u64 fh · 8 u32 flags · 12 u32 release_flags · 16 u64 lock_owner
fuse_flush_in 24 0 u64 fh · 8 u32 unused · 12 u32 padding · 16 u64 lock_owner
fuse_read_in 40 0 u64 fh · 8 u64 offset · 16 u32 size · 20 u32 read_flags · 24 u64 lock_owner · 32 u32 flags · 36 u32 padding
fuse_write_in 40 0 u64 fh · 8 u64 offset · 16 u32 size · 20 u32 write_flags · 24 u64 lock_owner · 32 u32 flags · 36 u32 padding
fuse_write_out 8 0 u32 size · 4 u32 padding
fuse_fsync_in 16 0 u64 fh · 8 u32 fsync_flags · 12 u32 padding
fuse_kstatfs 80 0 u64 blocks · 8 u64 bfree · 16 u64 bavail · 24 u64 files · 32 u64 ffree · 40 u32 bsize · 44 u32 namelen · 48 u32 frsize · 52 u32 padding · 56 u32[6] spare
fuse_statfs_out 80 0 fuse_kstatfs st
fuse_setxattr_in 16 0 u32 size · 4 u32 flags · 8 u32 setxattr_flags · 12 u32 padding
fuse_getxattr_in 8 0 u32 size · 4 u32 padding
fuse_getxattr_out 8 0 u32 size · 4 u32 padding
fuse_file_lock 24 0 u64 start · 8 u64 end · 16 u32 type · 20 u32 pid
fuse_lk_in 48 0 u64 fh · 8 u64 owner · 16 fuse_file_lock lk · 40 u32 lk_flags · 44 u32 padding
fuse_lk_out 24 0 fuse_file_lock lk
fuse_access_in 8 0 u32 mask · 4 u32 padding
fuse_forget_in 8 0 u64 nlookup
fuse_batch_forget_in 8 0 u32 count · 4 u32 dummy
fuse_forget_one 16 0 u64 nodeid · 8 u64 nlookup
fuse_interrupt_in 8 0 u64 unique
fuse_bmap_in 16 0 u64 block · 8 u32 blocksize · 12 u32 padding
fuse_bmap_out 8 0 u64 block
fuse_ioctl_in 32 0 u64 fh · 8 u32 flags · 12 u32 cmd · 16 u64 arg · 24 u32 in_size · 28 u32 out_size
fuse_ioctl_out 16 0 i32 result · 4 u32 flags · 8 u32 in_iovs · 12 u32 out_iovs
fuse_ioctl_iovec 16 0 u64 base · 8 u64 len
fuse_poll_in 24 0 u64 fh · 8 u64 kh · 16 u32 flags · 20 u32 events
fuse_poll_out 8 0 u32 revents · 4 u32 padding
fuse_fallocate_in 32 0 u64 fh · 8 u64 offset · 16 u64 length · 24 u32 mode · 28 u32 padding
fuse_lseek_in 24 0 u64 fh · 8 u64 offset · 16 u32 whence · 20 u32 padding
fuse_lseek_out 8 0 u64 offset
fuse_copy_file_range_in 56 0 u64 fh_in · 8 u64 off_in · 16 u64 nodeid_out · 24 u64 fh_out · 32 u64 off_out · 40 u64 len · 48 u64 flags
fuse_copy_file_range_out 8 0 u64 bytes_copied
fuse_syncfs_in 8 0 u64 padding
fuse_notify_retrieve_in 40 0 u64 dummy1 · 8 u64 offset · 16 u32 size · 20 u32 dummy2 · 24 u64 dummy3 · 32 u64 dummy4
fuse_setupmapping_in 40 0 u64 fh · 8 u64 foffset · 16 u64 len · 24 u64 flags · 32 u64 moffset
fuse_removemapping_in 4 0 u32 count
fuse_removemapping_one 16 0 u64 moffset · 8 u64 len
fuse_freezefs_in 8 0 u64 unlinked
fuse_shutdownfs_in 8 0 u64 flags
cuse_init_in 16 0 u32 major · 4 u32 minor · 8 u32 unused · 12 u32 flags
cuse_init_out 72 0 u32 major · 4 u32 minor · 8 u32 unused · 12 u32 flags · 16 u32 max_read · 20 u32 max_write · 24 u32 dev_major · 28 u32 dev_minor · 32 u32[10] spare
fuse_backing_map 16 0 i32 fd · 4 u32 flags · 8 u64 padding
fuse_uring_cmd_req 24 0 u64 flags · 8 u64 commit_id · 16 u16 qid · 18 u8[6] padding
fuse_uring_req_header 288 0 char[128] in_out · 128 char[128] op_in · 256 fuse_uring_ent_in_out ring_ent_in_out
fuse_uring_ent_in_out 32 0 u64 flags · 8 u64 commit_id · 16 u32 payload_sz · 20 u32 padding · 24 u64 reserved
fuse_iomap_io 32 0 u64 offset · 8 u64 length · 16 u64 addr · 24 u16 type · 26 u16 flags · 28 u32 dev
fuse_iomap_begin_in 32 0 u32 opflags · 4 u32 reserved · 8 u64 attr_ino · 16 u64 pos · 24 u64 count
fuse_iomap_begin_out 64 0 fuse_iomap_io read · 32 fuse_iomap_io write
fuse_iomap_end_in 72 0 u32 opflags · 4 u32 reserved · 8 u64 attr_ino · 16 u64 pos · 24 u64 count · 32 i64 written · 40 fuse_iomap_io map
fuse_iomap_ioend_in 48 0 u32 flags · 4 i32 error · 8 u64 attr_ino · 16 u64 pos · 24 u64 new_addr · 32 u64 written · 40 u32 dev · 44 u32 pad
fuse_iomap_ioend_out 8 0 u64 newsize
fuse_iomap_config_in 64 0 u64 flags · 8 i64 maxbytes · 16 u32 cache_maxbytes · 20 u32 zero · 24 u64[5] padding
fuse_iomap_config_out 104 0 u64 flags · 8 char[32] s_id · 40 char[16] s_uuid · 56 u8 s_uuid_len · 57 u8[3] s_pad · 60 u32 s_blocksize · 64 u32 s_max_links · 68 u32 s_time_gran · 72 i64 s_time_min · 80 i64 s_time_max · 88 i64 s_maxbytes · 96 u32 cache_maxbytes
fuse_range 16 0 u64 offset · 8 u64 length
fuse_iomap_dev_inval_out 24 0 u32 dev · 4 u32 reserved · 8 fuse_range range
fuse_iomap_inval_mappings_out 48 0 u64 nodeid · 8 u64 attr_ino · 16 fuse_range read · 32 fuse_range write
fuse_iomap_upsert_mappings_out 80 0 u64 nodeid · 8 u64 attr_ino · 16 fuse_iomap_io read · 48 fuse_iomap_io write
fuse_iomap_support 16 0 u64 flags · 8 u64 padding
fuse_iomap_backing_info 8 0 u32 backing_id · 4 u32 blocksize
fuse_statx 256 0 u32 mask · 4 u32 blksize · 8 u64 attributes · 16 u32 nlink · 20 u32 uid · 24 u32 gid · 28 u16 mode · 30 u16[1] spare · 32 u64 ino · 40 u64 size · 48 u64 blocks · 56 u64 attributes_mask · 64 fuse_sx_time atime · 80 fuse_sx_time btime · 96 fuse_sx_time ctime · 112 fuse_sx_time mtime · 128 u32 rdev_major · 132 u32 rdev_minor · 136 u32 dev_major · 140 u32 dev_minor · 144 u64 mnt_id · 152 u32 dio_mem_align · 156 u32 dio_offset_align · 160 u64 subvol · 168 u32 atomic_write_unit_min · 172 u32 atomic_write_unit_max · 176 u32 atomic_write_segments_max · 180 u32 dio_read_offset_align · 184 u32 atomic_write_unit_max_opt · 188 u32 spare2 · 192 u64[8] spare3
fuse_dirent 24 0 u64 ino · 8 u64 off · 16 u32 namelen · 20 u32 type
fuse_direntplus 152 0 fuse_entry_out entry_out · 128 fuse_dirent dirent
fuse_secctx_header 8 0 u32 size · 4 u32 nr_secctx
fuse_secctx 8 0 u32 size · 4 u32 padding
fuse_ext_header 8 0 u32 size · 4 u32 type
fuse_supp_groups 4 0 u32 nr_groups
fuse_notify_poll_wakeup_out 8 0 u64 kh
fuse_notify_inval_inode_out 24 0 u64 ino · 8 i64 off · 16 i64 len
fuse_notify_inval_entry_out 16 0 u64 parent · 8 u32 namelen · 12 u32 flags
fuse_notify_store_out 24 0 u64 nodeid · 8 u64 offset · 16 u32 size · 20 u32 padding
fuse_notify_retrieve_out 32 0 u64 notify_unique · 8 u64 nodeid · 16 u64 offset · 24 u32 size · 28 u32 padding
fuse_notify_delete_out 24 0 u64 parent · 8 u64 child · 16 u32 namelen · 20 u32 padding
fuse_notify_prune_out 16 0 u32 count · 4 u32 padding · 8 u64 spare
`;
