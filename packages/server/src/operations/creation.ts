import { errno, type Inode } from "@bulkhead/ext4";
import type { Context, Handlers } from "@bulkhead/fuse";
import type { Ext4Server } from "../server.js";

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const NO_NAME = new Uint8Array(0);

/**
 * MKNOD, MKDIR, SYMLINK, LINK, TMPFILE. CREATE has no handler: the kernel then makes a file by MKNOD and opens it without
 * asking, one round trip and no RELEASE, which CREATE would have in the background. It has looked the name up before, with the
 * directory locked, so that nothing is lost by that; O_TRUNC comes as SETATTR, because ATOMIC_O_TRUNC is not agreed on.
 */
export function creationOperations(server: Ext4Server) {
  const { fs } = server;

  /** Who creates what, for the engine. */
  function creation(context: Context, dir: Inode, mode: number, umask: number, rdev = 0) {
    const { uid, gid } = context;
    const final = server.takesFinalModes(dir);
    return { mode, uid, gid, umask, final, privileged: server.isPrivileged(context), rdev };
  }

  return {
    MKNOD(context, request, name, out) {
      const { mode } = request;
      // A mode without a type is a regular file's, as mknod(2) has it.
      const full = (mode & S_IFMT) === 0 ? mode | S_IFREG : mode;
      const dir = server.inode(context.nodeid);
      server.fillEntry(out, dir, name, fs.create(dir, name, creation(context, dir, full, request.umask, request.rdev)));
      server.changedDirectory(dir);
      return 0;
    },

    MKDIR(context, request, name, out) {
      const dir = server.inode(context.nodeid);
      server.fillEntry(out, dir, name, fs.mkdir(dir, name, creation(context, dir, request.mode, request.umask)));
      server.changedDirectory(dir);
      return 0;
    },

    SYMLINK(context, name, target, out) {
      const dir = server.inode(context.nodeid);
      server.fillEntry(out, dir, name, fs.symlink(dir, name, target, creation(context, dir, 0, 0)));
      server.changedDirectory(dir);
      return 0;
    },

    LINK(context, request, name, out) {
      const dir = server.inode(context.nodeid);
      const inode = server.inode(request.oldnodeid);
      fs.link(inode, dir, name, server.isPrivileged(context));
      server.fillEntry(out, dir, name, inode);
      server.changedDirectory(dir);
      return 0;
    },

    TMPFILE(context, request, _name, out) {
      if ((request.mode & S_IFMT) !== S_IFREG) return -errno.EINVAL;
      const dir = server.inode(context.nodeid);
      server.fillEntry(out, dir, NO_NAME, fs.tmpfile(dir, creation(context, dir, request.mode, request.umask)));
      server.changed(dir);
      return 0;
    },
  } satisfies Handlers;
}
