import { errno, type Inode, isEngineError } from "@bulkhead/ext4";
import type { DirentPlusWriter, DirentWriter, Handlers } from "@bulkhead/fuse";
import type { Ext4Server } from "../server.js";

const DOT = 0x2e;

function isDotOrDotDot(bytes: Uint8Array, start: number, length: number): boolean {
  return bytes[start] === DOT && (length === 1 || (length === 2 && bytes[start + 1] === DOT));
}

/** LOOKUP, READDIR, READDIRPLUS, READLINK. OPENDIR has no handler: the kernel then caches listings, and needs no handle. */
export function directoryOperations(server: Ext4Server) {
  const { fs } = server;
  return {
    LOOKUP(context, name, out) {
      const dir = server.inode(context.nodeid);
      // The kernel asks "." and ".." of any inode when a file handle has to be turned back into a path.
      const isSelf = name.length === 1 && name[0] === DOT;
      if (isSelf && dir.linksCount === 0) return -errno.ESTALE; // Its last FORGET is under way.
      const ino = isSelf ? dir.ino : fs.lookup(dir, name);
      if (ino === 0) {
        out.entry_valid = server.absenceValidity; // node id 0: "not there", to be remembered
        return 0;
      }
      server.fillEntry(out, dir, name, ino === dir.ino ? dir : fs.inode(ino));
      return 0;
    },

    READDIR(context, request, entries) {
      return list(server.inode(context.nodeid), request.offsetHi, request.offsetLo, entries, undefined);
    },

    READDIRPLUS(context, request, entries) {
      return list(server.inode(context.nodeid), request.offsetHi, request.offsetLo, entries, entries);
    },

    READLINK(context, window) {
      const inode = server.inode(context.nodeid);
      if (!inode.isSymlink) return -errno.EINVAL;
      const target = fs.readLink(inode);
      const length = Math.min(target.length, window.length);
      window.set(length === target.length ? target : target.subarray(0, length));
      server.accessed(inode);
      return length;
    },
  } satisfies Handlers;

  /** Packs entries from the cookie on until the reply is full; with `plus`, each with its inode. */
  function list(
    dir: Inode,
    cookieHigh: number,
    cookieLow: number,
    entries: DirentWriter | DirentPlusWriter,
    plus: DirentPlusWriter | undefined,
  ): number {
    try {
      fs.readDirectory(dir, cookieHigh, cookieLow, (ino, type, bytes, start, length, nextHigh, nextLow) => {
        const name = bytes.subarray(start, start + length);
        if (!entries.add(name, ino, type, nextLow, nextHigh)) return false;
        if (plus !== undefined && !isDotOrDotDot(bytes, start, length)) attach(plus, dir, name, ino);
        return true;
      });
    } catch (error) {
      // What was read before the damage is good; the error belongs to the call that begins at it.
      if (entries.length === 0) throw error;
      server.toErrno(error);
    }
    server.accessed(dir);
    return 0;
  }

  /** Adds the inode to the record just written. A damaged inode leaves the name without one: the look-up will say why. */
  function attach(plus: DirentPlusWriter, dir: Inode, name: Uint8Array, ino: number): void {
    let inode: Inode;
    try {
      inode = fs.entryInode(dir, ino);
    } catch (error) {
      server.toErrno(error); // on record, if it is the image's fault
      if (!isEngineError(error)) throw error;
      return;
    }
    server.fillEntry(plus.entry, dir, name, inode);
  }
}
