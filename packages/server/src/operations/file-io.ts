import { errno } from "@bulkhead/ext4";
import { DEFERRED, type Handlers } from "@bulkhead/fuse";
import type { Ext4Server } from "../server.js";
import { readInside } from "./outside-data.js";

const ENOSYS = 38;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/**
 * READ and LSEEK, through the iomap host. OPEN is left out where no file can be refused, so that the kernel opens without
 * a round trip; an image that may hold encrypted files has it, because without a key those do not open.
 */
export function fileOperations(server: Ext4Server) {
  const { fs, host } = server;
  return {
    OPEN(context) {
      if (!fs.hasEncryption) return -ENOSYS;
      fs.checkReadable(server.inode(context.nodeid));
      return 0;
    },

    READ(context, request, window) {
      const inode = server.inode(context.nodeid);
      if (!inode.isRegular) return inode.isDirectory ? -errno.EISDIR : -errno.EINVAL;
      const { offset, flags } = request;
      if (server.isOutside(inode)) return readInside(server, inode, offset, window);
      const { slowReads } = server;
      const wanted = Math.min(window.length, inode.size - offset);
      let got = 0;
      if (slowReads?.waitsAtOnce() !== true) {
        got = host.readNow(inode, offset, window);
        if (got < 0) return got;
        // What is not at hand has to be waited for, by this thread only if there is nothing else to do.
        if (got < wanted && slowReads?.takeOver(context, inode, offset, wanted) === true) {
          server.accessed(inode, flags);
          return DEFERRED;
        }
        if (got === wanted) slowReads?.hit();
      }
      // A short answer means the end of the file, behind which the kernel shows zeros: an error on the way must be one.
      while (got < wanted) {
        const more = host.read(inode, offset + got, window.subarray(got));
        if (more <= 0) return more < 0 ? more : -errno.EIO;
        got += more;
      }
      server.accessed(inode, flags);
      return got;
    },

    LSEEK(context, request, out) {
      // What the kernel's cache has not written yet looks like a hole from here, and it does not write before it asks. Unanswered,
      // it takes all of a file for data: right, if not the whole truth.
      if (server.kernelKeepsTimes) return -ENOSYS;
      const { whence } = request;
      if (whence !== SEEK_DATA && whence !== SEEK_HOLE) return -errno.EINVAL;
      const found = host.seek(server.inode(context.nodeid), request.offset, whence === SEEK_DATA ? "data" : "hole");
      if (found < 0) return found;
      out.offset = found;
      return 0;
    },
  } satisfies Handlers;
}
