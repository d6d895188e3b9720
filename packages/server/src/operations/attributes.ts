import { type Inode, InodeFlag } from "@bulkhead/ext4";
import { AttrFlag, type FuseAttr, GetattrFlag, type Handlers } from "@bulkhead/fuse";
import type { View } from "@bulkhead/linux/struct";
import { type Ext4Server, VALID_SECONDS } from "../server.js";

/** A page: the kernel cannot cache in units larger than that, so a larger st_blksize is not offered. */
const PAGE_SIZE = 4096;

/** Fills a zeroed fuse_attr. */
export function fillAttributes(out: View<typeof FuseAttr>, inode: Inode, blockSize: number): void {
  out.ino = inode.ino;
  out.size = inode.size;
  out.blocks = inode.statBlocks;
  out.atime = inode.atime;
  out.mtime = inode.mtime;
  out.ctime = inode.ctime;
  out.atimensec = inode.atimeNanoseconds;
  out.mtimensec = inode.mtimeNanoseconds;
  out.ctimensec = inode.ctimeNanoseconds;
  out.mode = inode.mode;
  out.nlink = inode.linksCount;
  out.uid = inode.uid;
  out.gid = inode.gid;
  out.rdev = inode.rdev;
  out.blksize = Math.min(blockSize, PAGE_SIZE);
}

/**
 * What a host that does the file I/O itself is told: that nobody else changes the inode, and what the inode's flags ask of it.
 *
 * @param owned whether it does that of this file
 */
export function outsideFlags(inode: Inode, owned: boolean, atomicWrites: boolean): number {
  let flags: number = AttrFlag.EXCLUSIVE;
  if (owned) flags |= AttrFlag.IOMAP;
  if (owned && atomicWrites) flags |= AttrFlag.ATOMIC;
  if (inode.has(InodeFlag.sync)) flags |= AttrFlag.SYNC;
  if (inode.has(InodeFlag.immutable)) flags |= AttrFlag.IMMUTABLE;
  if (inode.has(InodeFlag.append)) flags |= AttrFlag.APPEND;
  return flags;
}

const STATX_BASIC_AND_BTIME = 0xfff;
const STATX_BASIC = 0x7ff;

/** statx attribute bits that ext4 reports, with the inode flags they stand for. */
const statxAttributes = [
  { attribute: 0x4, flag: 0x4 }, // compressed
  { attribute: 0x10, flag: 0x10 }, // immutable
  { attribute: 0x20, flag: 0x20 }, // append only
  { attribute: 0x40, flag: 0x40 }, // no dump
  { attribute: 0x800, flag: 0x800 }, // encrypted
  { attribute: 0x10_0000, flag: 0x10_0000 }, // verity
];
const STATX_ATTRIBUTES_MASK = statxAttributes.reduce((mask, { attribute }) => mask | attribute, 0);

/** GETATTR, STATX, STATFS. */
export function attributeOperations(server: Ext4Server) {
  const { fs } = server;
  const { blockSize } = fs.geometry;
  return {
    GETATTR(context, request, out) {
      const inode = server.inode(context.nodeid);
      // By its handle, only who is about to write asks.
      if ((request.getattr_flags & GetattrFlag.FH) !== 0) {
        const loss = server.tellLoss(inode);
        if (loss !== 0) return loss;
      }
      server.askedFor(inode);
      out.attr_valid = VALID_SECONDS;
      server.fillAttributes(out.attr, inode);
      return 0;
    },

    STATX(context, _request, out) {
      const inode = server.inode(context.nodeid);
      const { stat } = out;
      out.attr_valid = VALID_SECONDS;
      stat.mask = inode.hasCrtime ? STATX_BASIC_AND_BTIME : STATX_BASIC;
      stat.blksize = server.outside === undefined ? Math.min(blockSize, PAGE_SIZE) : blockSize;
      let attributes = 0;
      for (const { attribute, flag } of statxAttributes) if (inode.has(flag)) attributes |= attribute;
      stat.attributes = attributes;
      stat.attributes_mask = STATX_ATTRIBUTES_MASK;
      stat.nlink = inode.linksCount;
      stat.uid = inode.uid;
      stat.gid = inode.gid;
      stat.mode = inode.mode;
      stat.ino = inode.ino;
      stat.size = inode.size;
      stat.blocks = inode.statBlocks;
      stat.atime.tv_sec = inode.atime;
      stat.atime.tv_nsec = inode.atimeNanoseconds;
      stat.mtime.tv_sec = inode.mtime;
      stat.mtime.tv_nsec = inode.mtimeNanoseconds;
      stat.ctime.tv_sec = inode.ctime;
      stat.ctime.tv_nsec = inode.ctimeNanoseconds;
      stat.btime.tv_sec = inode.crtime;
      stat.btime.tv_nsec = inode.crtimeNanoseconds;
      // inode.rdev packs (minor & 0xff) | major << 8 | (minor & ~0xff) << 12.
      stat.rdev_major = (inode.rdev >>> 8) & 0xfff;
      stat.rdev_minor = (inode.rdev & 0xff) | ((inode.rdev >>> 12) & 0xfff00);
      return 0;
    },

    STATFS(context, out) {
      const { st } = out;
      const usage = fs.statfs(fs.enforcesLimits ? server.inode(context.nodeid) : undefined);
      st.blocks = usage.blocks;
      st.bfree = usage.blocksFree;
      st.bavail = usage.blocksAvailable;
      st.files = usage.files;
      st.ffree = usage.filesFree;
      st.bsize = usage.blockSize;
      st.frsize = usage.blockSize;
      st.namelen = usage.nameLength;
      return 0;
    },
  } satisfies Handlers;
}
