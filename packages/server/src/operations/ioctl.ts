import { errno, InodeFlag } from "@bulkhead/ext4";
import type { Handlers } from "@bulkhead/fuse";
import type { Ext4Server } from "../server.js";

const ENOTTY = 25;
const FS_IOC_GETFLAGS = 0x8008_6601;
const FS_IOC_GETVERSION = 0x8008_7601;
const FS_IOC32_GETVERSION = 0x8004_7601;
const EXT4_IOC_GETVERSION = 0x8008_6603;
const FS_IOC_FSGETXATTR = 0x801c_581f;
const FS_IOC_GETFSLABEL = 0x8100_9431;
const FS_IOC_GETFSUUID = 0x8011_1500;

/** Inode flags that FS_IOC_GETFLAGS shows: all that ext4 calls user visible. */
const USER_VISIBLE_FLAGS = 0x725b_dfff;

/** Flags of struct fsxattr (FS_XFLAG_*) and the inode flags they stand for. */
const extendedFlags = [
  { xflag: 0x8, flag: InodeFlag.immutable },
  { xflag: 0x10, flag: InodeFlag.append },
  { xflag: 0x20, flag: InodeFlag.sync },
  { xflag: 0x40, flag: InodeFlag.noAtime },
  { xflag: 0x80, flag: InodeFlag.noDump },
  { xflag: 0x200, flag: InodeFlag.projectInherit },
  { xflag: 0x8000, flag: InodeFlag.dax },
];

/** IOCTL: the flags, the extended flags with the project, the generation, the label and the UUID. */
export function ioctlOperations(server: Ext4Server) {
  const { superblock } = server.fs;
  return {
    IOCTL(context, request, _data, _out, window) {
      const inode = server.inode(context.nodeid);
      const view = new DataView(window.buffer, window.byteOffset, window.length);
      switch (request.cmd) {
        case FS_IOC_GETFLAGS:
          if (window.length < 4) return -errno.EINVAL;
          view.setUint32(0, inode.flags & USER_VISIBLE_FLAGS, true);
          return window.length;
        case FS_IOC_FSGETXATTR: {
          if (window.length < 28) return -errno.EINVAL;
          window.fill(0);
          let flags = 0;
          for (const { xflag, flag } of extendedFlags) if (inode.has(flag)) flags |= xflag;
          view.setUint32(0, flags, true);
          view.setUint32(12, inode.projectId, true);
          return window.length;
        }
        case FS_IOC_GETVERSION:
        case FS_IOC32_GETVERSION:
        case EXT4_IOC_GETVERSION:
          if (window.length < 4) return -errno.EINVAL;
          window.fill(0);
          view.setUint32(0, inode.generation, true);
          return window.length;
        case FS_IOC_GETFSLABEL:
          if (window.length < 256) return -errno.EINVAL;
          window.fill(0);
          window.set(superblock.volumeName);
          return window.length;
        case FS_IOC_GETFSUUID:
          if (window.length < 17) return -errno.EINVAL;
          window[0] = 16;
          window.set(superblock.uuid, 1);
          return 17;
        default:
          return -ENOTTY;
      }
    },
  } satisfies Handlers;
}
