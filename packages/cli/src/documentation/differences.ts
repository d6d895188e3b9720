/** What a mount does otherwise than the kernel's ext4, because FUSE cannot carry it, or the kernel does not ask: as of Linux 6.18. */
export const differences: readonly (readonly [what: string, how: string])[] = [
  [
    "errors of writes",
    "With the kernel's cache for writing, the write(2) that meets a full disk, a limit or the greatest length of a file does not tell, as on NFS: fsync(2) and close(2) do, and the file's next write(2) of the ten seconds after the cache was written in vain.",
  ],
  [
    "bytes behind the end of a file",
    "What a program leaves behind the end of a file in a shared map (mmap(2)), in its last page, becomes contents when a later truncate(2) or write(2) makes the file grow; ext4 shows zeros.",
  ],
  [
    "immutable and append-only files",
    "Opening one for writing is not refused, but changing it is: with the kernel's cache for writing by fsync(2) or close(2) at the latest, if not by write(2).",
  ],
  ["direct I/O", "Takes any alignment, and statx(2) knows none (no STATX_DIOALIGN)."],
  [
    "statx(2)",
    "Knows none of a file's attributes (STATX_ATTR_IMMUTABLE, STATX_ATTR_APPEND, STATX_ATTR_NODUMP): lsattr(1) shows them.",
  ],
  ["preadv2(2), pwritev2(2)", "RWF_NOWAIT and RWF_DONTCACHE are EOPNOTSUPP."],
  [
    "where a file lies",
    "FIEMAP is EOPNOTSUPP, and filefrag(8) shows no extents: `bulkhead extents` does, from the image, as of the last commit. With the kernel's cache for writing, SEEK_HOLE and SEEK_DATA take everything for data.",
  ],
  ["fallocate(2)", "FALLOC_FL_COLLAPSE_RANGE and FALLOC_FL_INSERT_RANGE are EOPNOTSUPP."],
  [
    "times out of range",
    "A modification time that the inode cannot hold (from 2038 on in one of 128 bytes, 2446 in others; before 1901) becomes the nearest that it can. With the kernel's cache for writing, a regular file shows what utimensat(2) asked for until the kernel forgets the inode.",
  ],
  ["swapon(8)", "Files cannot be swapped to: EINVAL."],
  [
    "quotactl(2)",
    "There is none: repquota(8), setquota(8) and the like find no quotas. Limits are those in the file system, as set while the kernel's ext4 had it mounted; `debugfs -R 'list_quota user' SOURCE` shows them and what is used, once it is unmounted.",
  ],
  [
    "mount -o remount",
    "Changes what is the kernel's alone (ro and rw, sync, noexec and the like), where mount(8) finds libfuse's helper and this command, or is told so: `mount -i -o remount,ro`. What the server goes by (commit=, quotas, atime and the like) stays as it was mounted.",
  ],
  [
    "fanotify(7)",
    "Marks of a whole mount or file system that report file handles (FAN_REPORT_FID) are ENODEV; marks of files and directories are as usual.",
  ],
  ["ACLs", "More than 511 entries, as only large blocks or the ea_inode feature have room for, are E2BIG."],
  [
    "options in the superblock",
    "Of those that tune2fs -o sets, bsdgroups, journal_data and discard have their effect; those of tune2fs -E mount_opts= have none, and the log says so.",
  ],
  [
    "tune2fs(8) of what is mounted",
    "Only its label (-L) can be changed. What else tune2fs writes, past the mount, the next commits and the unmount undo, and tune2fs does not say so: unmount first.",
  ],
  ["chattr(1) +e, -e", "A file keeps its kind of block map: EOPNOTSUPP."],
  ["fsfreeze(8)", "Freezes a mount only with iomap; otherwise it is EOPNOTSUPP."],
  ["idmapped mounts", "Are refused: mount_setattr(2) with MOUNT_ATTR_IDMAP is EINVAL."],
  [
    "ioctls of a mounted ext4",
    "Those that change its size or UUID, or move a file's blocks (resize2fs(8), e4defrag(8)), are not there: ENOTTY. FITRIM, FS_IOC_SETFSLABEL (e2label(8)) and EXT4_IOC_SHUTDOWN are there for user 0, whatever its capabilities.",
  ],
];

/** What is so with the kernel's ext4 as well, and costs those who do not know it their data. */
export const notes: readonly string[] = [
  "A name that is no UTF-8 is taken as it is in a case-insensitive directory, as by the kernel, unless the encoding is strict (mke2fs -E encoding=utf8,encoding_flags=strict). e2fsck 1.47.0 cannot hash such a name: it may find the directory's index bad where it is not, and leave the directory damaged when it is to repair that.",
];
