import { errno, RenameFlag } from "@bulkhead/ext4";
import type { Context, Handlers } from "@bulkhead/fuse";
import type { Ext4Server } from "../server.js";

/** UNLINK, RMDIR, RENAME, RENAME2. The kernel drops what it knows of both directories and of what lost a name itself. */
export function removalOperations(server: Ext4Server) {
  const { fs } = server;

  function rename(context: Context, name: Uint8Array, newDir: number, newName: Uint8Array, flags: number): number {
    const from = server.inode(context.nodeid);
    const to = server.inode(newDir);
    if (server.refusesMove(from, name, to, newName)) return -errno.ESTALE;
    if ((flags & RenameFlag.exchange) !== 0 && server.refusesMove(to, newName, from, name)) return -errno.ESTALE;
    const { uid, gid } = context;
    fs.rename(from, name, to, newName, flags, { uid, gid, privileged: server.isPrivileged(context) });
    server.changedDirectory(from);
    if (to !== from) server.changedDirectory(to);
    return 0;
  }

  return {
    UNLINK(context, name) {
      const dir = server.inode(context.nodeid);
      fs.unlink(dir, name);
      server.changedDirectory(dir);
      return 0;
    },

    RMDIR(context, name) {
      const dir = server.inode(context.nodeid);
      fs.rmdir(dir, name);
      server.changedDirectory(dir);
      return 0;
    },

    RENAME(context, request, name, newName) {
      return rename(context, name, request.newdir, newName, 0);
    },

    RENAME2(context, request, name, newName) {
      return rename(context, name, request.newdir, newName, request.flags);
    },
  } satisfies Handlers;
}
