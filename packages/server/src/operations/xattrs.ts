import { errno } from "@bulkhead/ext4";
import type { Handlers } from "@bulkhead/fuse";
import type { Ext4Server } from "../server.js";

/** Names are bytes; a latin1 string holds one a character. */
function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** GETXATTR, LISTXATTR. */
export function xattrOperations(server: Ext4Server) {
  const { fs } = server;
  return {
    GETXATTR(context, _request, name, window) {
      const value = fs.getXattr(server.inode(context.nodeid), latin1(name));
      if (value === undefined) return -errno.ENODATA;
      if (value.length <= window.length) window.set(value);
      return value.length;
    },

    LISTXATTR(context, _request, window) {
      const inode = server.inode(context.nodeid);
      if (inode.noXattrs) return 0;
      let length = 0;
      for (const name of fs.listXattrs(inode)) {
        // Only the administrator may know of these; the kernel's own file systems hide them from others too.
        if (context.uid !== 0 && name.startsWith("trusted.")) continue;
        if (length + name.length + 1 <= window.length) {
          for (let at = 0; at < name.length; at++) window[length + at] = name.charCodeAt(at);
          window[length + name.length] = 0;
        }
        length += name.length + 1;
      }
      return length;
    },
  } satisfies Handlers;
}
