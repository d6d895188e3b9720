import { errno, type Inode, InodeFlag } from "@bulkhead/ext4";
import type { Context } from "@bulkhead/fuse";
import type { Ext4Server } from "../server.js";
import { extendedFlags, FSXATTR_SIZE, USER_VISIBLE_FLAGS } from "./extended-flags.js";

const ENOTTY = 25;
const FS_IOC_SETFLAGS = 0x4008_6602;
const FS_IOC32_SETFLAGS = 0x4004_6602;
const FS_IOC_FSSETXATTR = 0x401c_5820;
const FS_IOC_SETVERSION = 0x4008_7602;
const FS_IOC32_SETVERSION = 0x4004_7602;
const EXT4_IOC_SETVERSION = 0x4008_6604;
const EXT4_IOC32_SETVERSION = 0x4004_6604;
const FS_IOC_SETFSLABEL = 0x4100_9432;
const FITRIM = 0xc018_5879;
const EXT4_IOC_SHUTDOWN = 0x8004_587d;

const INT = 4;
const FSTRIM_RANGE_SIZE = 24;

/** What no request of this file is. */
export const NOT_SETTING = Number.MAX_SAFE_INTEGER;

/** Flags that two ways of asking share. */
const EXTENDED = extendedFlags.reduce((mask, { xflag }) => mask | xflag, 0);
const COMMON = extendedFlags.reduce((mask, { flag }) => mask | flag, 0);

/**
 * The ioctls that change something. The kernel has checked who may set flags and project before it passes those on; the others
 * come as they are, and their rights are checked here.
 *
 * @param window where an answer goes
 * @returns bytes of the answer, or a negative errno; NOT_SETTING for another request
 */
export function setByIoctl(
  server: Ext4Server,
  context: Context,
  inode: Inode,
  cmd: number,
  data: Uint8Array,
  window: Uint8Array,
): number {
  const { fs } = server;
  switch (cmd) {
    case FS_IOC_SETFLAGS:
    case FS_IOC32_SETFLAGS:
      if (data.length < INT) return -errno.EINVAL;
      if ((u32(data, 0) & ~USER_VISIBLE_FLAGS) !== 0) return -errno.EOPNOTSUPP;
      if (staysImmutable(inode, u32(data, 0)) && changes(inode, u32(data, 0), USER_VISIBLE_FLAGS)) return -errno.EPERM;
      // It takes everybody's journal: ext4 wants CAP_SYS_RESOURCE, of which nobody tells.
      if (changes(inode, u32(data, 0), InodeFlag.journalData) && context.uid !== 0) return -errno.EPERM;
      if (changesOwner(server, inode, u32(data, 0))) return -errno.EOPNOTSUPP;
      fs.setFlags(inode, u32(data, 0));
      break;
    case FS_IOC_FSSETXATTR:
      if (data.length < FSXATTR_SIZE) return -errno.EINVAL;
      return setExtended(server, context, inode, u32(data, 0), u32(data, 12));
    case FS_IOC_SETVERSION:
    case FS_IOC32_SETVERSION:
    case EXT4_IOC_SETVERSION:
    case EXT4_IOC32_SETVERSION:
      if (data.length < INT) return -errno.EINVAL;
      if (context.uid !== 0 && context.uid !== inode.uid) return -errno.EPERM;
      // The checksums of all blocks of the inode begin with it; ext4 answers as if it did not know the request.
      if (fs.volume.features.metadataCsum) return -ENOTTY;
      fs.setGeneration(inode, u32(data, 0));
      break;
    case FS_IOC_SETFSLABEL: {
      if (context.uid !== 0) return -errno.EPERM;
      const end = data.indexOf(0);
      if (end < 0) return -errno.EINVAL;
      fs.setLabel(data.subarray(0, end));
      return 0;
    }
    case FITRIM:
      return trim(server, context, data, window);
    case EXT4_IOC_SHUTDOWN:
      if (context.uid !== 0) return -errno.EPERM;
      // The number of the request says that it only answers, so the kernel does not pass the caller's word on: the default.
      fs.shutdown(data.length < INT ? 0 : u32(data, 0));
      return 0;
    default:
      return NOT_SETTING;
  }
  server.changedUnseen(inode);
  return 0;
}

/** A host knows a file as its own, or not, for as long as it knows it: the flag that decides stays. */
function changesOwner(server: Ext4Server, inode: Inode, flags: number): boolean {
  if (server.outside === undefined || !inode.isRegular) return false;
  return changes(inode, flags, InodeFlag.journalData);
}

/** Whether `flags` are others than the inode's, of those in `mask`. */
function changes(inode: Inode, flags: number, mask: number): boolean {
  return ((flags ^ inode.flags) & mask) !== 0;
}

/** Of an immutable inode nothing can be changed, but together with that. */
function staysImmutable(inode: Inode, flags: number): boolean {
  return inode.has(InodeFlag.immutable) && (flags & InodeFlag.immutable) !== 0;
}

function setExtended(server: Ext4Server, context: Context, inode: Inode, xflags: number, project: number): number {
  if ((xflags & ~EXTENDED) !== 0) return -errno.EOPNOTSUPP;
  let flags = inode.flags & ~COMMON;
  for (const { xflag, flag } of extendedFlags) if ((xflags & xflag) !== 0) flags |= flag;
  const differs = changes(inode, flags, COMMON) || project !== inode.projectId;
  if (differs && staysImmutable(inode, flags)) return -errno.EPERM;
  if (flags !== (inode.flags | 0)) server.fs.setFlags(inode, flags >>> 0);
  if (project !== inode.projectId) server.fs.setProject(inode, project, server.isPrivileged(context));
  server.changedUnseen(inode);
  return 0;
}

/** struct fstrim_range: start, length and the shortest run that counts, in bytes; length becomes what was discarded. */
function trim(server: Ext4Server, context: Context, data: Uint8Array, window: Uint8Array): number {
  if (context.uid !== 0) return -errno.EPERM;
  if (data.length < FSTRIM_RANGE_SIZE || window.length < FSTRIM_RANGE_SIZE) return -errno.EINVAL;
  const discarded = server.fs.trim(u64(data, 0), u64(data, 8), u64(data, 16));
  window.set(data.subarray(0, FSTRIM_RANGE_SIZE));
  const view = new DataView(window.buffer, window.byteOffset, FSTRIM_RANGE_SIZE);
  view.setUint32(8, discarded % 2 ** 32, true);
  view.setUint32(12, Math.floor(discarded / 2 ** 32), true);
  return FSTRIM_RANGE_SIZE;
}

function u32(data: Uint8Array, at: number): number {
  return new DataView(data.buffer, data.byteOffset, data.length).getUint32(at, true);
}

/** Saturates where a number cannot be exact. */
function u64(data: Uint8Array, at: number): number {
  return Math.min(u32(data, at + 4) * 2 ** 32 + u32(data, at), Number.MAX_SAFE_INTEGER);
}
