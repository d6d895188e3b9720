import { errno, type Inode, InodeFlag } from "@bulkhead/ext4";
import { type Handlers, SetxattrFlag } from "@bulkhead/fuse";
import { CAPABILITIES, type Ext4Server } from "../server.js";

/** Names are bytes; a latin1 string holds one a character. */
function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** Bytes of a capability attribute of version 2. */
const CAPABILITY_SIZE = 20;
const ACL_ACCESS = "system.posix_acl_access";
const S_ISGID = 0o2000;

/** GETXATTR, LISTXATTR. */
export function xattrOperations(server: Ext4Server) {
  const { fs } = server;
  return {
    GETXATTR(context, _request, name, window) {
      const inode = server.inode(context.nodeid);
      const attribute = latin1(name);
      const value = fs.getXattr(inode, attribute);
      if (value === undefined) return refusesWrites(inode, attribute, window) ? CAPABILITY_SIZE : -errno.ENODATA;
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

  /**
   * Before the first write to a file the kernel asks how long its capabilities are, to take them away. It does not know that a
   * file is immutable, and would collect what is written to it; but it gives up when it may not take them away.
   */
  function refusesWrites(inode: Inode, attribute: string, window: Uint8Array): boolean {
    return server.writable && window.length === 0 && inode.has(InodeFlag.immutable) && attribute === CAPABILITIES;
  }
}

/** SETXATTR, REMOVEXATTR. Who may is the kernel's business, immutable and append-only inodes aside. */
export function xattrWritingOperations(server: Ext4Server) {
  const { fs } = server;
  return {
    SETXATTR(context, request, name, value) {
      const inode = server.inode(context.nodeid);
      if (inode.has(InodeFlag.immutable | InodeFlag.append)) return -errno.EPERM;
      const attribute = latin1(name);
      const { statBlocks } = inode;
      fs.setXattr(inode, attribute, value, request.flags, server.isPrivileged(context));
      if ((request.setxattr_flags & SetxattrFlag.ACL_KILL_SGID) !== 0 && attribute === ACL_ACCESS) {
        fs.setAttributes(inode, { mode: inode.mode & ~S_ISGID });
      }
      changed(inode, statBlocks);
      return 0;
    },

    REMOVEXATTR(context, name) {
      const inode = server.inode(context.nodeid);
      if (inode.has(InodeFlag.immutable | InodeFlag.append)) return -errno.EPERM;
      const { statBlocks } = inode;
      fs.removeXattr(inode, latin1(name));
      changed(inode, statBlocks);
      return 0;
    },
  } satisfies Handlers;

  /** The kernel expects no more than another time of change: of a block that comes or goes it has to be told. */
  function changed(inode: Inode, blocksBefore: number): void {
    if (inode.statBlocks === blocksBefore) server.changed(inode);
    else server.changedUnseen(inode);
  }
}
