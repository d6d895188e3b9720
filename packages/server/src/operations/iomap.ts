import { errno, type Inode, type IomapConfig } from "@bulkhead/ext4";
import {
  type Context,
  IomapConfig as Field,
  type FuseIomapConfigOut,
  type FuseIomapIo,
  type Handlers,
} from "@bulkhead/fuse";
import { Mapping, MappingType, NULL_ADDR, Operation } from "@bulkhead/iomap/in-process";
import type { View } from "@bulkhead/linux/struct";
import type { OutsideHost } from "../outside-host.js";
import type { Ext4Server } from "../server.js";

const ENOSYS = 38;

/** Operations whose mapping is where to write. */
const WRITING = Operation.write | Operation.zero | Operation.unshare | Operation.writeback;
/** Operations whose answers are never cached. */
const UNCACHEABLE = Operation.atomic | Operation.swapfile;

/** What of EXT4_IOC_SHUTDOWN's ways the host's shutdown is: nothing is written any more. */
const NO_LOG_FLUSH = 2;

/** FUSE's longest name of a file system, with its NUL. */
const NAME_SIZE = 32;

/** IOMAP_CONFIG, BEGIN, END and IOEND, and what only comes from hosts that use them: FREEZE_FS, UNFREEZE_FS, SHUTDOWN_FS. */
export function iomapOperations(server: Ext4Server) {
  const { fs } = server;
  const mapping = new Mapping();

  return {
    IOMAP_CONFIG(_context, request, out) {
      const { outside } = server;
      if (outside === undefined) return -ENOSYS;
      outside.start();
      fillConfig(out, fs.iomapConfig(), outside.name, request.flagsLo);
      return 0;
    },

    IOMAP_BEGIN(context, request, out) {
      const { outside } = server;
      if (outside === undefined) return -ENOSYS;
      const inode = inodeOf(context, outside, request.attr_ino);
      if (inode === undefined || request.reserved !== 0) return -errno.EINVAL;
      const { opflags, pos, count } = request;
      const isCached = (opflags & Operation.writeback) !== 0;
      const privileged = isCached ? server.writesBackFreely(inode) : server.isPrivileged(context);
      const blocks = inode.statBlocks;
      fs.iomapBegin(inode, pos, count, opflags, mapping, privileged, "outside");
      if ((opflags & WRITING) !== 0) {
        server.noteChange();
        if (inode.statBlocks !== blocks) server.changedBlocks(inode);
      }
      answer(context, outside, inode, opflags, out.read, out.write);
      return 0;
    },

    /**
     * Says that the host need not send it: sizes come with IOEND and SETATTR, and what was allocated in vain is unwritten, reads as
     * zeros, and is the file's as if fallocate had made it. An answer would cost every write that appends a round trip.
     */
    IOMAP_END(context, request) {
      const { outside } = server;
      if (outside !== undefined && inodeOf(context, outside, request.attr_ino) === undefined) return -errno.EINVAL;
      return -ENOSYS;
    },

    IOMAP_IOEND(context, request, out) {
      const { outside } = server;
      if (outside === undefined) return -ENOSYS;
      const inode = inodeOf(context, outside, request.attr_ino);
      if (inode === undefined) return -errno.EINVAL;
      const { flags, error, pos, written } = request;
      const { size } = inode;
      out.newsize = fs.ioend(inode, flags, error, pos, written);
      outside.grew(context.nodeid, inode, size, pos);
      server.noteChange();
      return 0;
    },

    FREEZE_FS(_context, request) {
      fs.freeze(request.unlinkedLo === 0 && request.unlinkedHi === 0);
      return 0;
    },

    UNFREEZE_FS() {
      fs.thaw();
      return 0;
    },

    SHUTDOWN_FS() {
      fs.shutdown(NO_LOG_FLUSH);
      return 0;
    },
  } satisfies Handlers;

  /** The file that a request is about, undefined when it is none of the host's, or not the one that the host means. */
  function inodeOf(context: Context, outside: OutsideHost, attrIno: number): Inode | undefined {
    const inode = server.inode(context.nodeid);
    return inode.ino === attrIno && (outside.owns(inode) || inode.isDirectory) ? inode : undefined;
  }

  /** What is written lies where it is read, in ext4: the write slot never says anything else. */
  function answer(
    context: Context,
    outside: OutsideHost,
    inode: Inode,
    opflags: number,
    read: View<typeof FuseIomapIo>,
    write: View<typeof FuseIomapIo>,
  ): void {
    const { type, offset, length } = mapping;
    // What writing has just allocated will change again with the ioend; a hole is cached until something is written there.
    const cacheable = type !== MappingType.inline && (opflags & UNCACHEABLE) === 0;
    if (cacheable && outside.cachesMappings && outside.cache(context.nodeid, inode, mapping)) {
      fill(read, MappingType.retryCache, offset, length);
      fill(write, MappingType.retryCache, offset, length);
      return;
    }
    fill(read, type, offset, length);
    if (mapping.addr !== NULL_ADDR) read.addr = mapping.addr;
    read.dev = mapping.dev;
    read.flags = mapping.flags;
    fill(write, MappingType.pureOverwrite, offset, length);
  }
}

/** A slot without an address. */
function fill(slot: View<typeof FuseIomapIo>, type: number, offset: number, length: number): void {
  slot.type = type;
  slot.offset = offset;
  slot.length = length;
  slot.addrLo = 0xffff_ffff;
  slot.addrHi = 0xffff_ffff;
}

/** @param offered what the host understands of the flags that say which fields are meant */
function fillConfig(out: View<typeof FuseIomapConfigOut>, config: IomapConfig, name: string, offered: number): void {
  const meant = Field.SID | Field.UUID | Field.BLOCKSIZE | Field.MAX_LINKS | Field.TIME | Field.MAXBYTES;
  out.flagsLo = meant & offered;
  out.s_id.set(new TextEncoder().encode(name).subarray(0, NAME_SIZE - 1));
  out.s_uuid.set(config.uuid);
  out.s_uuid_len = config.uuid.length;
  out.s_blocksize = config.blockSize;
  out.s_max_links = config.maxLinks;
  out.s_time_gran = config.timeGranularity;
  out.s_time_min = config.timeMin;
  out.s_time_max = config.timeMax;
  out.s_maxbytes = config.maxBytes;
}
