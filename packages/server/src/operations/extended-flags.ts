import { InodeFlag } from "@bulkhead/ext4";

/** Bytes of struct fsxattr. */
export const FSXATTR_SIZE = 28;

/** Inode flags that FS_IOC_GETFLAGS shows and FS_IOC_SETFLAGS takes, if not heeds: EXT4_FL_USER_VISIBLE. */
export const USER_VISIBLE_FLAGS = 0x725b_dfff;

/** Flags of struct fsxattr (FS_XFLAG_*) and the inode flags they stand for. */
export const extendedFlags = [
  { xflag: 0x8, flag: InodeFlag.immutable },
  { xflag: 0x10, flag: InodeFlag.append },
  { xflag: 0x20, flag: InodeFlag.sync },
  { xflag: 0x40, flag: InodeFlag.noAtime },
  { xflag: 0x80, flag: InodeFlag.noDump },
  { xflag: 0x200, flag: InodeFlag.projectInherit },
  { xflag: 0x8000, flag: InodeFlag.dax },
];
