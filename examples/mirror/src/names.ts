/** Looking names up, making, moving and removing them. */
import { chmodSync } from "node:fs";
import type { Context, Handlers } from "@bulkhead/fuse";
import {
  chownDescriptor,
  descriptorPath,
  Errno,
  linkAt,
  makedev,
  mkdirAt,
  mknodAt,
  readlinkDescriptor,
  renameAt,
  symlinkAt,
  unlinkAt,
} from "@bulkhead/linux";
import type { Inode } from "./inodes.js";
import { type EntryReply, enter, type MirrorState } from "./state.js";

const S_ISUID_ISGID = 0o6000;
const S_ISGID = 0o2000;
const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;

/**
 * Gives what was just made to its maker: this process made it as root. In a directory with the set-group-id bit the group is
 * inherited. `mode`: set-id bits that a change of owner takes away are set again.
 */
export function giveTo(state: MirrorState, context: Context, parent: Inode, fd: number, mode: number): void {
  if (process.getuid?.() !== 0) return;
  const inherits = state.inodes.stat(parent.fd) === 0 && (state.inodes.statx.mode & S_ISGID) !== 0;
  if (context.uid === 0 && (inherits || context.gid === 0)) return;
  chownDescriptor(fd, context.uid, inherits ? -1 : context.gid);
  if (mode & S_ISUID_ISGID && (mode & S_IFMT) !== S_IFDIR) chmodSync(descriptorPath(fd), mode & 0o7777);
}

export function nameHandlers(state: MirrorState): Handlers {
  const { inodes } = state;

  /** Answers with what `name` is now; made by the caller, if it says with which mode. */
  function reply(context: Context, parent: Inode, name: Uint8Array, entry: EntryReply, madeWith?: number): number {
    const inode = inodes.lookup(parent, name);
    if (typeof inode === "number") return inode;
    if (madeWith !== undefined) {
      giveTo(state, context, parent, inode.fd, madeWith);
      inodes.stat(inode.fd);
    }
    enter(state, inode, entry);
    return 0;
  }

  return {
    LOOKUP(context, name, entry) {
      const result = reply(context, inodes.get(context.nodeid), name, entry);
      if (result !== -Errno.ENOENT) return result;
      entry.entry_valid = state.valid; // nodeid 0: there is no such name
      return 0;
    },

    FORGET(context, { nlookup }) {
      inodes.forget(context.nodeid, nlookup);
      return 0;
    },

    BATCH_FORGET(_context, _request, list) {
      for (let i = 0; i < list.length; i++) {
        const { nodeid, nlookup } = list.get(i);
        inodes.forget(nodeid, nlookup);
      }
      return 0;
    },

    READLINK(context, window) {
      const target = readlinkDescriptor(inodes.get(context.nodeid).fd);
      if (target.length > window.length) return -Errno.ENAMETOOLONG;
      window.set(target);
      return target.length;
    },

    MKDIR(context, { mode }, name, entry) {
      const parent = inodes.get(context.nodeid);
      mkdirAt(parent.fd, name, mode);
      return reply(context, parent, name, entry, mode | S_IFDIR);
    },

    MKNOD(context, { mode, rdev }, name, entry) {
      const parent = inodes.get(context.nodeid);
      const device = makedev((rdev >>> 8) & 0xfff, (rdev & 0xff) | ((rdev >>> 12) & 0xfff00));
      mknodAt(parent.fd, name, mode, device);
      return reply(context, parent, name, entry, mode);
    },

    SYMLINK(context, name, target, entry) {
      const parent = inodes.get(context.nodeid);
      symlinkAt(target, parent.fd, name);
      return reply(context, parent, name, entry, 0);
    },

    LINK(context, { oldnodeid }, name, entry) {
      const parent = inodes.get(context.nodeid);
      linkAt(inodes.get(oldnodeid).fd, parent.fd, name);
      return reply(context, parent, name, entry);
    },

    UNLINK(context, name) {
      unlinkAt(inodes.get(context.nodeid).fd, name);
      return 0;
    },

    RMDIR(context, name) {
      unlinkAt(inodes.get(context.nodeid).fd, name, true);
      return 0;
    },

    RENAME(context, { newdir }, name, newName) {
      renameAt(inodes.get(context.nodeid).fd, name, inodes.get(newdir).fd, newName);
      return 0;
    },

    RENAME2(context, { newdir, flags }, name, newName) {
      renameAt(inodes.get(context.nodeid).fd, name, inodes.get(newdir).fd, newName, flags);
      return 0;
    },
  };
}
