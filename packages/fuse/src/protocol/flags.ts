/** The flag sets of the FUSE ABI: bit values under the kernel header's names without their prefix. */

/** INIT flags by *bit number*: 0–31 travel in `flags`, 32–63 in `flags2`. */
export const InitFlag = {
  ASYNC_READ: 0,
  POSIX_LOCKS: 1,
  FILE_OPS: 2,
  ATOMIC_O_TRUNC: 3,
  EXPORT_SUPPORT: 4,
  BIG_WRITES: 5,
  DONT_MASK: 6,
  SPLICE_WRITE: 7,
  SPLICE_MOVE: 8,
  SPLICE_READ: 9,
  FLOCK_LOCKS: 10,
  HAS_IOCTL_DIR: 11,
  AUTO_INVAL_DATA: 12,
  DO_READDIRPLUS: 13,
  READDIRPLUS_AUTO: 14,
  ASYNC_DIO: 15,
  WRITEBACK_CACHE: 16,
  NO_OPEN_SUPPORT: 17,
  PARALLEL_DIROPS: 18,
  HANDLE_KILLPRIV: 19,
  POSIX_ACL: 20,
  ABORT_ERROR: 21,
  MAX_PAGES: 22,
  CACHE_SYMLINKS: 23,
  NO_OPENDIR_SUPPORT: 24,
  EXPLICIT_INVAL_DATA: 25,
  MAP_ALIGNMENT: 26,
  SUBMOUNTS: 27,
  HANDLE_KILLPRIV_V2: 28,
  SETXATTR_EXT: 29,
  INIT_EXT: 30,
  INIT_RESERVED: 31,
  SECURITY_CTX: 32,
  HAS_INODE_DAX: 33,
  CREATE_SUPP_GROUP: 34,
  HAS_EXPIRE_ONLY: 35,
  DIRECT_IO_ALLOW_MMAP: 36,
  PASSTHROUGH: 37,
  NO_EXPORT_SUPPORT: 38,
  HAS_RESEND: 39,
  ALLOW_IDMAP: 40,
  OVER_IO_URING: 41,
  REQUEST_TIMEOUT: 42,
  IOMAP: 43,
} as const;
export type InitFlagName = keyof typeof InitFlag;

/** `setattr_in.valid`: which fields of the request are meant. */
export const Fattr = {
  MODE: 1 << 0,
  UID: 1 << 1,
  GID: 1 << 2,
  SIZE: 1 << 3,
  ATIME: 1 << 4,
  MTIME: 1 << 5,
  FH: 1 << 6,
  ATIME_NOW: 1 << 7,
  MTIME_NOW: 1 << 8,
  LOCKOWNER: 1 << 9,
  CTIME: 1 << 10,
  KILL_SUIDGID: 1 << 11,
} as const;

/** `open_out.open_flags`: how the kernel treats this open file. */
export const Fopen = {
  DIRECT_IO: 1 << 0,
  KEEP_CACHE: 1 << 1,
  NONSEEKABLE: 1 << 2,
  CACHE_DIR: 1 << 3,
  STREAM: 1 << 4,
  NOFLUSH: 1 << 5,
  PARALLEL_DIRECT_WRITES: 1 << 6,
  PASSTHROUGH: 1 << 7,
} as const;

/** `open_in.open_flags`, `create_in.open_flags`. */
export const OpenFlag = { KILL_SUIDGID: 1 << 0 } as const;

/** `attr.flags`; from EXCLUSIVE on 7.99 only. */
export const AttrFlag = {
  SUBMOUNT: 1 << 0,
  DAX: 1 << 1,
  EXCLUSIVE: 1 << 2,
  IOMAP: 1 << 3,
  ATOMIC: 1 << 4,
  SYNC: 1 << 5,
  IMMUTABLE: 1 << 6,
  APPEND: 1 << 7,
} as const;

/** `getattr_in.getattr_flags`, `statx_in.getattr_flags`. */
export const GetattrFlag = { FH: 1 << 0 } as const;
/** `lk_in.lk_flags`. */
export const LockFlag = { FLOCK: 1 << 0 } as const;
/** `file_lock.type`. */
export const LockType = { RDLCK: 0, WRLCK: 1, UNLCK: 2 } as const;
/** `read_in.read_flags`. */
export const ReadFlag = { LOCKOWNER: 1 << 1 } as const;
/** `write_in.write_flags`. CACHE: a page-cache write, whose `fh` is a guess and whose credentials are absent. */
export const WriteFlag = { CACHE: 1 << 0, LOCKOWNER: 1 << 1, KILL_SUIDGID: 1 << 2 } as const;
/** `release_in.release_flags`. */
export const ReleaseFlag = { FLUSH: 1 << 0, FLOCK_UNLOCK: 1 << 1 } as const;
/** `fsync_in.fsync_flags`. */
export const FsyncFlag = { FDATASYNC: 1 << 0 } as const;
/** `setxattr_in.setxattr_flags` (only with SETXATTR_EXT). */
export const SetxattrFlag = { ACL_KILL_SGID: 1 << 0 } as const;
/** `setxattr_in.flags`. */
export const XattrFlag = { CREATE: 1, REPLACE: 2 } as const;
/** `rename2_in.flags`, as in renameat2(2). */
export const RenameFlag = { NOREPLACE: 1, EXCHANGE: 2, WHITEOUT: 4 } as const;
/** `access_in.mask`; 0 asks for existence. */
export const AccessMask = { X: 1, W: 2, R: 4 } as const;
/** `fallocate_in.mode`: what the kernel lets through. */
export const FallocateMode = { KEEP_SIZE: 1, PUNCH_HOLE: 2, ZERO_RANGE: 0x10 } as const;
/** `lseek_in.whence`: the kernel answers the others itself. */
export const SeekWhence = { DATA: 3, HOLE: 4 } as const;

/** `ioctl_in.flags`, `ioctl_out.flags` (RETRY only there). */
export const IoctlFlag = {
  COMPAT: 1 << 0,
  UNRESTRICTED: 1 << 1,
  RETRY: 1 << 2,
  "32BIT": 1 << 3,
  DIR: 1 << 4,
  COMPAT_X32: 1 << 5,
} as const;
/** Most `ioctl_iovec` entries in one RETRY reply, both sides together. */
export const IOCTL_MAX_IOV = 256;

/** `poll_in.flags`. */
export const PollFlag = { SCHEDULE_NOTIFY: 1 << 0 } as const;
/** `notify_inval_entry_out.flags`. */
export const InvalEntryFlag = { EXPIRE_ONLY: 1 << 0 } as const;
/** `cuse_init_in.flags`, `cuse_init_out.flags`. */
export const CuseFlag = { UNRESTRICTED_IOCTL: 1 << 0 } as const;
/** `setupmapping_in.flags`. */
export const SetupmappingFlag = { WRITE: 1 << 0, READ: 1 << 1 } as const;

/** `dirent.type`, equal to mode >> 12. */
export const DirentType = {
  UNKNOWN: 0,
  FIFO: 1,
  CHR: 2,
  DIR: 4,
  BLK: 6,
  REG: 8,
  LNK: 10,
  SOCK: 12,
} as const;

/** `statx_in.sx_mask`, `statx.mask`; from MNT_ID on 7.99 only. */
export const StatxMask = {
  TYPE: 0x1,
  MODE: 0x2,
  NLINK: 0x4,
  UID: 0x8,
  GID: 0x10,
  ATIME: 0x20,
  MTIME: 0x40,
  CTIME: 0x80,
  INO: 0x100,
  SIZE: 0x200,
  BLOCKS: 0x400,
  BASIC_STATS: 0x7ff,
  BTIME: 0x800,
  MNT_ID: 0x1000,
  DIOALIGN: 0x2000,
  SUBVOL: 0x8000,
  WRITE_ATOMIC: 0x1_0000,
  DIO_READ_ALIGN: 0x2_0000,
} as const;

/** Type byte of `backing_map.flags`. */
export const BackingType = { PASSTHROUGH: 0, IOMAP: 1 } as const;
/** `iomap_support.flags`. */
export const IomapSupport = { FILEIO: 1 << 0, ATOMIC: 1 << 1 } as const;

/** `iomap_io.type`; what each means is in the iomap package. */
export const IomapType = {
  HOLE: 0,
  DELALLOC: 1,
  MAPPED: 2,
  UNWRITTEN: 3,
  INLINE: 4,
  NOCACHE: 253,
  RETRY_CACHE: 254,
  PURE_OVERWRITE: 255,
} as const;

/** `iomap_io.flags`: 0–7 from the server, SIZE_CHANGED and STALE from the host. */
export const IomapFlag = {
  NEW: 1 << 0,
  DIRTY: 1 << 1,
  SHARED: 1 << 2,
  MERGED: 1 << 3,
  BOUNDARY: 1 << 4,
  ANON_WRITE: 1 << 5,
  ATOMIC_BIO: 1 << 6,
  WANT_IOMAP_END: 1 << 7,
  SIZE_CHANGED: 1 << 8,
  STALE: 1 << 9,
} as const;

/** `iomap_begin_in.opflags`, `iomap_end_in.opflags`. */
export const IomapOp = {
  WRITE: 1 << 0,
  ZERO: 1 << 1,
  REPORT: 1 << 2,
  FAULT: 1 << 3,
  DIRECT: 1 << 4,
  NOWAIT: 1 << 5,
  OVERWRITE_ONLY: 1 << 6,
  UNSHARE: 1 << 7,
  DAX: 1 << 8,
  ATOMIC: 1 << 9,
  DONTCACHE: 1 << 10,
  SWAPFILE: 1 << 30,
  WRITEBACK: 0x8000_0000,
} as const;

/** `iomap_ioend_in.flags`. */
export const IomapIoend = {
  SHARED: 1 << 0,
  UNWRITTEN: 1 << 1,
  BOUNDARY: 1 << 2,
  DIRECT: 1 << 3,
  APPEND: 1 << 4,
  WRITEBACK: 1 << 5,
  SWAPOFF: 1 << 6,
} as const;

/** `iomap_config_out.flags`: which fields are meant. */
export const IomapConfig = {
  SID: 1 << 0,
  UUID: 1 << 1,
  BLOCKSIZE: 1 << 2,
  MAX_LINKS: 1 << 3,
  TIME: 1 << 4,
  MAXBYTES: 1 << 5,
  CACHE_MAXBYTES: 1 << 6,
} as const;

/** /dev/fuse ioctl numbers (x86-64 and arm64 agree). */
export const DeviceIoctl = {
  CLONE: 0x8004_e500,
  BACKING_OPEN: 0x4010_e501,
  BACKING_CLOSE: 0x4004_e502,
  SYNC_INIT: 0xe503,
  IOMAP_SUPPORT: 0x8010_e563,
  SET_NOFS: 0x4004_e564,
  ADD_IOMAP: 0xe565,
  IOMAP_SET_BLOCKSIZE: 0x4008_e566,
} as const;

/** nodeid of the root directory. */
export const ROOT_ID = 1;
/** uid and gid of a request whose caller's ids are not given (idmapped mounts). */
export const INVALID_UIDGID = 0xffff_ffff;
/** In `uniqueHi`: the request is sent again after NOTIFY_RESEND. */
export const UNIQUE_RESEND_HI = 0x8000_0000;
/** Type of the supplementary-groups extension block. */
export const EXT_GROUPS = 32;
