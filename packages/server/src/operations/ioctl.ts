import { errno, InodeFlag } from "@bulkhead/ext4";
import type { Handlers } from "@bulkhead/fuse";
import type { Ext4Server } from "../server.js";
import { extendedFlags, FSXATTR_SIZE, USER_VISIBLE_FLAGS } from "./extended-flags.js";
import { NOT_SETTING, setByIoctl } from "./ioctl-set.js";

const ENOTTY = 25;
const FS_IOC_GETFLAGS = 0x8008_6601;
const FS_IOC32_GETFLAGS = 0x8004_6601;
const FS_IOC_GETVERSION = 0x8008_7601;
const FS_IOC32_GETVERSION = 0x8004_7601;
const EXT4_IOC_GETVERSION = 0x8008_6603;
const EXT4_IOC32_GETVERSION = 0x8004_6603;
const FS_IOC_FSGETXATTR = 0x801c_581f;
const FS_IOC_GETFSLABEL = 0x8100_9431;
const FS_IOC_GETFSUUID = 0x8011_1500;

/** Bytes of a label with its final NUL, and of struct fsuuid2. */
const LABEL_SIZE = 17;
const UUID_SIZE = 16;
const FSUUID_SIZE = 1 + UUID_SIZE;
const INT = 4;

/**
 * IOCTL: the flags, the extended flags with the project, the generation, the label and the UUID.
 *
 * Flags and generation are declared as a `long` and are an `int`: callers have room for four bytes, and get no more. What a
 * request has no room for is EFAULT's business, in the kernel; here it is EINVAL.
 */
export function ioctlOperations(server: Ext4Server) {
  const { superblock } = server.fs;
  return {
    IOCTL(context, request, data, _out, window) {
      const inode = server.inode(context.nodeid);
      // Projects are inherited through directories: on a regular file the flag means nothing, and ext4 does not show it.
      const flags = inode.isRegular ? inode.flags & ~InodeFlag.projectInherit : inode.flags;
      const view = new DataView(window.buffer, window.byteOffset, window.length);
      switch (request.cmd) {
        case FS_IOC_GETFLAGS:
        case FS_IOC32_GETFLAGS:
          if (window.length < INT) return -errno.EINVAL;
          view.setUint32(0, flags & USER_VISIBLE_FLAGS, true);
          return INT;
        case FS_IOC_FSGETXATTR: {
          if (window.length < FSXATTR_SIZE) return -errno.EINVAL;
          window.fill(0, 0, FSXATTR_SIZE);
          let extended = 0;
          for (const { xflag, flag } of extendedFlags) if ((flags & flag) !== 0) extended |= xflag;
          view.setUint32(0, extended, true);
          view.setUint32(12, inode.projectId, true);
          return FSXATTR_SIZE;
        }
        case FS_IOC_GETVERSION:
        case FS_IOC32_GETVERSION:
        case EXT4_IOC_GETVERSION:
        case EXT4_IOC32_GETVERSION:
          if (window.length < INT) return -errno.EINVAL;
          view.setUint32(0, inode.generation, true);
          return INT;
        case FS_IOC_GETFSLABEL: {
          if (window.length < LABEL_SIZE) return -errno.EINVAL;
          const label = superblock.volumeName;
          const end = label.indexOf(0);
          window.fill(0, 0, LABEL_SIZE);
          window.set(end < 0 ? label : label.subarray(0, end));
          return LABEL_SIZE;
        }
        case FS_IOC_GETFSUUID:
          if (window.length < FSUUID_SIZE) return -errno.EINVAL;
          window[0] = UUID_SIZE;
          window.set(superblock.uuid, 1);
          return FSUUID_SIZE;
        default: {
          const set = setByIoctl(server, context, inode, request.cmd, data, window);
          return set === NOT_SETTING ? -ENOTTY : set;
        }
      }
    },
  } satisfies Handlers;
}
