import { type AttributeChanges, errno, type Inode, InodeFlag } from "@bulkhead/ext4";
import { Fattr, type FuseSetattrIn, type Handlers } from "@bulkhead/fuse";
import type { View } from "@bulkhead/linux/struct";
import { type Ext4Server, VALID_SECONDS } from "../server.js";
import { withoutSetId } from "../set-id.js";

const PERMISSIONS = 0o7777;

type Changes = { -readonly [K in keyof AttributeChanges]: AttributeChanges[K] };

/** What changes the inode itself; the size has its own way. */
const INODE_BITS =
  Fattr.MODE |
  Fattr.UID |
  Fattr.GID |
  Fattr.ATIME |
  Fattr.MTIME |
  Fattr.ATIME_NOW |
  Fattr.MTIME_NOW |
  Fattr.CTIME |
  Fattr.KILL_SUIDGID;

/** Times only, and what comes along with them. */
const TIMES = Fattr.ATIME | Fattr.MTIME | Fattr.CTIME | Fattr.ATIME_NOW | Fattr.MTIME_NOW | Fattr.FH | Fattr.LOCKOWNER;

/** What the kernel's cache sends of an inode that it changed, and as last words of one that has just lost its name. */
const WRITTEN_TIMES = Fattr.MTIME | Fattr.CTIME | Fattr.FH;

/** SETATTR. A handle in it says nothing that the node id does not. */
export function setattrOperations(server: Ext4Server) {
  const { fs } = server;
  return {
    SETATTR(context, request, out) {
      const inode = server.inode(context.nodeid);
      const { valid } = request;
      // A host with the file's pages sends times late, whatever flags the inode has got since.
      const late = server.isOutside(inode) && (valid & ~TIMES) === 0;
      if (!late && forbidden(inode, valid)) return -errno.EPERM;
      if ((valid & Fattr.SIZE) !== 0) {
        const failure = resize(context.nodeid, inode, request.size);
        if (failure !== 0) return failure;
        if (request.size === 0) server.forgetLoss(inode);
      }
      if (inode.linksCount === 0 && (valid & ~WRITTEN_TIMES) === 0 && !isChown(inode, valid)) keepTimes(inode, request);
      else if ((valid & INODE_BITS) !== 0) change(inode, request, server.isPrivileged(context));
      server.changed(inode);
      out.attr_valid = VALID_SECONDS;
      server.fillAttributes(out.attr, inode);
      return 0;
    },
  } satisfies Handlers;

  /**
   * Whether chown(2) was asked to leave owner and group as they are, which ends set-id bits as any chown does: all that is left of it is
   * its own time. The kernel's cache sends no ctime without mtime. A host that keeps set-id bits itself tells what becomes of them.
   */
  function isChown(inode: Inode, valid: number): boolean {
    return (valid & ~(Fattr.FH | Fattr.LOCKOWNER)) === Fattr.CTIME && inode.isRegular && !server.isOutside(inode);
  }

  /** A file's last block must hold zeros past its end before that end moves on, and after it has moved back. */
  function resize(nodeid: number, inode: Inode, size: number): number {
    const { outside } = server;
    if (outside !== undefined && server.isOutside(inode)) {
      // Whoever has the pages has zeroed them.
      outside.guarded(nodeid, inode, Math.min(size, inode.size), () => fs.resize(inode, size));
      return 0;
    }
    const grows = size > inode.size;
    if (grows) {
      const failure = server.host.zeroTail(inode, inode.size, size);
      if (failure !== 0) return failure;
    }
    const shrinks = size < inode.size;
    fs.resize(inode, size);
    return shrinks && !inode.hasInlineData ? server.host.zeroTail(inode, size) : 0;
  }

  function change(inode: Inode, request: View<typeof FuseSetattrIn>, privileged: boolean): void {
    const { valid } = request;
    const changes: Changes = { privileged };
    if ((valid & Fattr.MODE) !== 0) changes.mode = request.mode & PERMISSIONS;
    if ((valid & Fattr.KILL_SUIDGID) !== 0 || isChown(inode, valid)) {
      const mode = changes.mode ?? inode.mode & PERMISSIONS;
      const without = withoutSetId(mode);
      if (without !== mode) changes.mode = without;
      server.dropCapabilities(inode);
    }
    if ((valid & Fattr.UID) !== 0) changes.uid = request.uid;
    if ((valid & Fattr.GID) !== 0) changes.gid = request.gid;
    const now = server.now();
    if ((valid & Fattr.ATIME_NOW) !== 0) {
      changes.atime = now.seconds;
      changes.atimeNanoseconds = now.nanoseconds;
    } else if ((valid & Fattr.ATIME) !== 0) {
      changes.atime = storable(inode, request.atime);
      changes.atimeNanoseconds = nanoseconds(inode, changes.atime, request.atimensec);
    }
    if ((valid & Fattr.MTIME_NOW) !== 0) {
      changes.mtime = now.seconds;
      changes.mtimeNanoseconds = now.nanoseconds;
    } else if ((valid & Fattr.MTIME) !== 0) {
      changes.mtime = storable(inode, request.mtime);
      changes.mtimeNanoseconds = nanoseconds(inode, changes.mtime, request.mtimensec);
    }
    if ((valid & Fattr.CTIME) !== 0) {
      changes.ctime = storable(inode, request.ctime);
      changes.ctimeNanoseconds = nanoseconds(inode, changes.ctime, request.ctimensec);
    }
    fs.setAttributes(inode, changes);
  }
}

/** The times of an inode without a name are for those who have it open; none of it has to reach the device. */
function keepTimes(inode: Inode, request: View<typeof FuseSetattrIn>): void {
  if ((request.valid & Fattr.MTIME) !== 0) {
    inode.mtime = storable(inode, request.mtime);
    inode.mtimeNanoseconds = nanoseconds(inode, inode.mtime, request.mtimensec);
  }
  if ((request.valid & Fattr.CTIME) !== 0) {
    inode.ctime = storable(inode, request.ctime);
    inode.ctimeNanoseconds = nanoseconds(inode, inode.ctime, request.ctimensec);
  }
}

/** The earliest second that an inode can hold, and the last one: of inodes with room for more than 32 bits, and of small ones. */
const FIRST_SECOND = -(2 ** 31);
const LAST_SECOND = 2 ** 34 - 2 ** 31 - 1;
const LAST_SECOND_OF_SMALL = 2 ** 31 - 1;

/** Of a time's seconds, the nearest that the inode can hold. */
function storable(inode: Inode, seconds: number): number {
  return Math.max(FIRST_SECOND, Math.min(seconds, inode.hasCrtime ? LAST_SECOND : LAST_SECOND_OF_SMALL));
}

/** Nanoseconds of a time whose seconds are `storable`. Linux has none in the first and the last one (timestamp_truncate). */
function nanoseconds(inode: Inode, seconds: number, given: number): number {
  if (!inode.hasCrtime || seconds === FIRST_SECOND || seconds === LAST_SECOND) return 0;
  return Math.min(given, 999_999_999);
}

/**
 * Whether a flag of the inode forbids the change. The kernel knows these flags of its own file systems only. Of append-only
 * files the times of a write come this way, too, and cannot be told from utimensat's.
 */
function forbidden(inode: Inode, valid: number): boolean {
  if (inode.has(InodeFlag.immutable)) return (valid & (INODE_BITS | Fattr.SIZE)) !== 0;
  if (!inode.has(InodeFlag.append)) return false;
  const setsAtime = (valid & Fattr.ATIME) !== 0 && (valid & Fattr.ATIME_NOW) === 0;
  return setsAtime || (valid & (Fattr.MODE | Fattr.UID | Fattr.GID)) !== 0;
}
