/** stat, chmod, chown, truncate, utimens, statfs and extended attributes. */
import { chmodSync } from "node:fs";
import { Fattr, type Handlers } from "@bulkhead/fuse";
import {
  chownDescriptor,
  descriptorPath,
  Errno,
  ftruncate,
  getxattr,
  listxattr,
  removexattr,
  setxattr,
  statfs,
  truncate,
  UTIME_NOW,
  UTIME_OMIT,
  utimens,
} from "@bulkhead/linux";
import { describe } from "./inodes.js";
import { withoutSetIdPower } from "./set-id.js";
import { attributesValid, type MirrorState } from "./state.js";

const UNCHANGED = -1;

/** Copies a value if it fits; its length in any case, as the session wants it. */
function put(value: Uint8Array, window: Uint8Array): number {
  if (value.length <= window.length) window.set(value);
  return value.length;
}

/** A time of SETATTR. */
function timeOf(valid: number, set: number, now: number, seconds: number, nanoseconds: number) {
  if (valid & now) return { seconds: 0, nanoseconds: UTIME_NOW };
  return valid & set ? { seconds, nanoseconds } : { seconds: 0, nanoseconds: UTIME_OMIT };
}

export function attributeHandlers(state: MirrorState): Handlers {
  const { inodes } = state;
  const pathOf = (nodeid: number) => descriptorPath(inodes.get(nodeid).fd);

  return {
    GETATTR(context, _request, reply) {
      const inode = inodes.get(context.nodeid);
      const result = inodes.stat(inode.fd);
      if (result < 0) return result;
      reply.attr_valid = attributesValid(state, inode);
      describe(inodes.statx, reply.attr);
      return 0;
    },

    // One after the other: the source has no call that changes all at once. The owner first, as that clears set-id bits.
    SETATTR(context, request, reply) {
      const inode = inodes.get(context.nodeid);
      const { valid } = request;
      const path = descriptorPath(inode.fd);
      if (valid & (Fattr.UID | Fattr.GID)) {
        const uid = valid & Fattr.UID ? request.uid : UNCHANGED;
        chownDescriptor(inode.fd, uid, valid & Fattr.GID ? request.gid : UNCHANGED);
      }
      if (valid & Fattr.MODE) chmodSync(path, request.mode & 0o7777);
      if (valid & Fattr.SIZE) {
        const shorten = () => {
          if (valid & Fattr.FH) ftruncate(state.files.get(request.fh).fd, request.size);
          else truncate(path, request.size);
        };
        if (valid & Fattr.KILL_SUIDGID) withoutSetIdPower(shorten);
        else shorten();
      }
      if (valid & (Fattr.ATIME | Fattr.MTIME)) {
        const atime = timeOf(valid, Fattr.ATIME, Fattr.ATIME_NOW, request.atime, request.atimensec);
        const mtime = timeOf(valid, Fattr.MTIME, Fattr.MTIME_NOW, request.mtime, request.mtimensec);
        utimens(path, atime, mtime);
      }
      const result = inodes.stat(inode.fd);
      if (result < 0) return result;
      reply.attr_valid = attributesValid(state, inode);
      describe(inodes.statx, reply.attr);
      return 0;
    },

    STATFS(context, reply) {
      const { st } = reply;
      const counts = statfs(pathOf(context.nodeid));
      st.blocks = counts.blocks;
      st.bfree = counts.bfree;
      st.bavail = counts.bavail;
      st.files = counts.files;
      st.ffree = counts.ffree;
      st.bsize = counts.bsize;
      st.frsize = counts.frsize;
      st.namelen = counts.namelen;
      return 0;
    },

    SETXATTR(context, { flags }, name, value) {
      setxattr(pathOf(context.nodeid), name, value, flags);
      return 0;
    },

    GETXATTR(context, _request, name, window) {
      const value = getxattr(pathOf(context.nodeid), name);
      return value === undefined ? -Errno.ENODATA : put(value, window);
    },

    LISTXATTR(context, _request, window) {
      return put(listxattr(pathOf(context.nodeid)), window);
    },

    REMOVEXATTR(context, name) {
      removexattr(pathOf(context.nodeid), name);
      return 0;
    },
  };
}
