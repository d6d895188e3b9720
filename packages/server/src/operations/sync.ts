import { FsyncFlag, type Handlers } from "@bulkhead/fuse";
import type { Ext4Server } from "../server.js";

/**
 * FSYNC, FSYNCDIR, SYNCFS, DESTROY. FLUSH has no handler: closing a file makes nothing durable, and the kernel has written
 * its pages before.
 */
export function syncOperations(server: Ext4Server) {
  const { fs } = server;
  return {
    FSYNC(context, request) {
      const inode = server.inode(context.nodeid);
      const dataOnly = (request.fsync_flags & FsyncFlag.FDATASYNC) !== 0;
      return server.sync(context, inode, dataOnly, () => server.settled(inode));
    },

    FSYNCDIR(context, request) {
      return server.sync(context, server.inode(context.nodeid), (request.fsync_flags & FsyncFlag.FDATASYNC) !== 0);
    },

    SYNCFS(context) {
      return server.sync(context, undefined, false);
    },

    /** Only some connections send it; where it comes, the unmount waits for the answer. */
    DESTROY() {
      fs.unmount();
      return 0;
    },
  } satisfies Handlers;
}
