/** Opening files, and their data: passed through by the kernel where it can, else by READ and WRITE. */
import { fdatasyncSync, fsyncSync } from "node:fs";
import { type Context, Fopen, FsyncFlag, type Handlers, OpenFlag, type OpenReply, WriteFlag } from "@bulkhead/fuse";
import {
  close,
  copyFileRange,
  descriptorPath,
  Errno,
  fallocate,
  LinuxError,
  O_PATH,
  open,
  openAt,
  pread,
  pwrite,
  seekData,
  seekHole,
} from "@bulkhead/linux";
import type { Inode } from "./inodes.js";
import { giveTo } from "./names.js";
import { withoutSetIdPower } from "./set-id.js";
import { type EntryReply, enter, type MirrorState } from "./state.js";

const O_ACCMODE = 0o3;
const O_CREAT = 0o100;
const O_EXCL = 0o200;
const O_NOCTTY = 0o400;
const O_APPEND = 0o2000;
const O_NONBLOCK = 0o4000;
const O_DIRECT = 0o40000;
const O_NOFOLLOW = 0o400000;
const O_TMPFILE = 0o20200000;
const SEEK_DATA = 3;

/** Of an opener's flags, those that are not for our own descriptor: where it writes, and how, comes with each request. */
const OPENERS_OWN = O_CREAT | O_EXCL | O_NOCTTY | O_APPEND | O_NONBLOCK | O_DIRECT | O_NOFOLLOW;

export function fileHandlers(state: MirrorState, passthrough: boolean, log: (message: string) => void): Handlers {
  const { inodes, files, modes } = state;
  let passes = passthrough;

  /** Answers an open of `inode`, for which `fd` is open here. −errno leaves `fd` with the caller. */
  function answer(inode: Inode, fd: number, flags: number, reply: OpenReply): number {
    const result = openMode(inode, reply);
    if (result < 0) return result;
    if ((flags & O_ACCMODE) !== 0) inode.written = true;
    reply.fh = files.add({ inode, fd, flags: reply.open_flags });
    return 0;
  }

  function openMode(inode: Inode, reply: OpenReply): number {
    // As it is open already, if it is: the kernel mixes nothing.
    const mode = modes.mode(inode.nodeid);
    if (mode === "passthrough" || (passes && mode !== "cached")) {
      try {
        // Nothing waits in the kernel's cache of this mount, so there is nothing to write back when a descriptor is closed.
        reply.open_flags = Fopen.NOFLUSH;
        return modes.passThrough(inode.nodeid, inode.fd, reply);
      } catch (error) {
        if (!(error instanceof LinuxError)) throw error;
        log(`without passthrough: ${error.message}`);
        // These two are said of the mount, and would be every time; others are about this file.
        if (error.errno === Errno.EPERM || error.errno === Errno.ENOTTY) passes = false;
      }
    }
    reply.open_flags = 0;
    return modes.open(inode.nodeid, reply);
  }

  /** Answers CREATE and TMPFILE with what `fd` is; `made`: with which mode it was made just now. */
  function created(
    context: Context,
    fd: number,
    flags: number,
    made: number | undefined,
    entry: EntryReply,
    reply: OpenReply,
  ): number {
    try {
      const parent = inodes.get(context.nodeid);
      if (made !== undefined) giveTo(state, context, parent, fd, made);
      // By descriptor, as the name may be another's by now.
      const held = openAt(parent.fd, descriptorPath(fd), O_PATH);
      const inode = held < 0 ? held : inodes.adopt(held);
      const result = typeof inode === "number" ? inode : answer(inode, fd, flags, reply);
      if (typeof inode === "number" || result < 0) {
        if (typeof inode !== "number") inodes.forget(inode.nodeid, 1); // an error counts as no look-up
        close(fd);
        return result;
      }
      inodes.stat(inode.fd);
      enter(state, inode, entry);
      return 0;
    } catch (error) {
      close(fd);
      throw error;
    }
  }

  return {
    OPEN(context, { flags, open_flags }, reply) {
      const inode = inodes.get(context.nodeid);
      const opening = () => open(descriptorPath(inode.fd), flags & ~OPENERS_OWN);
      // O_TRUNC of somebody whose writing takes set-id bits away.
      const fd = open_flags & OpenFlag.KILL_SUIDGID ? withoutSetIdPower(opening) : opening();
      const result = answer(inode, fd, flags, reply);
      if (result < 0) close(fd);
      return result;
    },

    CREATE(context, { flags, mode, open_flags }, name, entry, reply) {
      const parent = inodes.get(context.nodeid);
      const plain = (flags & ~OPENERS_OWN) | O_NOFOLLOW;
      let fd = openAt(parent.fd, name, plain | O_CREAT | O_EXCL, mode);
      const made = fd >= 0 ? mode : undefined;
      // It came into being after the kernel looked: opened as it is, unless that was not wanted.
      if (fd === -Errno.EEXIST && (flags & O_EXCL) === 0) {
        const opening = () => openAt(parent.fd, name, plain);
        fd = open_flags & OpenFlag.KILL_SUIDGID ? withoutSetIdPower(opening) : opening();
      }
      return fd < 0 ? fd : created(context, fd, flags, made, entry, reply);
    },

    TMPFILE(context, { flags, mode }, _name, entry, reply) {
      const kept = (flags & ~OPENERS_OWN) | (flags & O_EXCL);
      const fd = openAt(inodes.get(context.nodeid).fd, ".", kept | O_TMPFILE, mode);
      return fd < 0 ? fd : created(context, fd, flags, mode, entry, reply);
    },

    RELEASE(context, { fh }) {
      const file = files.remove(fh);
      close(file.fd);
      modes.release(context.nodeid, file.flags);
      return 0;
    },

    READ(_context, { fh, offset, size }, window) {
      return pread(files.get(fh).fd, window, 0, size, offset);
    },

    WRITE(_context, { fh, offset, write_flags }, data, reply) {
      const { fd } = files.get(fh);
      const writing = () => pwrite(fd, data, 0, data.length, offset);
      const n = write_flags & WriteFlag.KILL_SUIDGID ? withoutSetIdPower(writing) : writing();
      if (n < 0) return n;
      reply.size = n;
      return 0;
    },

    FSYNC(_context, { fh, fsync_flags }) {
      const { fd } = files.get(fh);
      if (fsync_flags & FsyncFlag.FDATASYNC) fdatasyncSync(fd);
      else fsyncSync(fd);
      return 0;
    },

    FALLOCATE(_context, { fh, mode, offset, length }) {
      fallocate(files.get(fh).fd, mode, offset, length);
      return 0;
    },

    LSEEK(_context, { fh, offset, whence }, reply) {
      const { fd } = files.get(fh);
      const at = whence === SEEK_DATA ? seekData(fd, offset) : seekHole(fd, offset);
      if (at < 0) return -Errno.ENXIO;
      reply.offset = at;
      return 0;
    },

    COPY_FILE_RANGE(_context, { fh_in, off_in, fh_out, off_out, len, flags }, reply) {
      reply.size = copyFileRange(files.get(fh_in).fd, off_in, files.get(fh_out).fd, off_out, len, flags);
      return 0;
    },

    COPY_FILE_RANGE_64(_context, { fh_in, off_in, fh_out, off_out, len, flags }, reply) {
      reply.bytes_copied = copyFileRange(files.get(fh_in).fd, off_in, files.get(fh_out).fd, off_out, len, flags);
      return 0;
    },
  };
}
