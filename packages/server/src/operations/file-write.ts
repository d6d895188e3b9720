import { constants } from "node:fs";
import { errno, FallocateMode, FileSystemError, type Inode, InodeFlag } from "@bulkhead/ext4";
import { type Context, type Handlers, WriteFlag } from "@bulkhead/fuse";
import { Operation } from "@bulkhead/iomap/in-process";
import type { Ext4Server } from "../server.js";
import { fallocateOutside, writeInside } from "./outside-data.js";

const ENOSYS = 38;
const O_DSYNC = 0o10000;
const O_SYNC = 0o4010000;

/** The engine leaves the times of a write alone: the kernel keeps them, or they are set here, where overwrites are seen too. */
const WRITE_OPERATION = Operation.write | Operation.writeback;

/** Bytes of one copy request at most: others wait meanwhile, and callers ask for the rest. */
const MOST_COPIED = 16 * 1024 * 1024;

/** Whether a mode of fallocate(2) moves the end of a file that ends before the range does. */
function grows(mode: number): boolean {
  const { keepSize, zeroRange } = FallocateMode;
  return (mode & keepSize) === 0 && (mode & ~zeroRange) === 0;
}

/** WRITE, FALLOCATE, COPY_FILE_RANGE and its 64-bit form. The bytes of a WRITE go from the request's buffer to the device. */
export function fileWritingOperations(server: Ext4Server) {
  const { fs, host } = server;

  return {
    WRITE(context, request, data, out) {
      const inode = server.inode(context.nodeid);
      const { offset, write_flags: how, flags } = request;
      if (server.isOutside(inode)) {
        const put = writeInside(server, inode, offset, data);
        if (put >= 0) out.size = put;
        return Math.min(put, 0);
      }
      if ((how & WriteFlag.KILL_SUIDGID) !== 0) server.dropPrivileges(inode);
      const cached = (how & WriteFlag.CACHE) !== 0;
      server.mappings.privileged = cached ? server.writesBackFreely(inode) : server.isPrivileged(context);
      const appends = cached && inode.has(InodeFlag.append);
      const whole = cached || (flags & constants.O_DIRECT) !== 0;
      const blocks = inode.statBlocks;
      const written = appends ? append(inode, offset, data) : write(inode, offset, data, whole);
      if (cached && inode.statBlocks !== blocks) server.changedBlocks(inode);
      if (written < 0) {
        if (cached) server.lost(inode, written);
        return written;
      }
      if (!server.kernelKeepsTimes) fs.setModificationTime(inode);
      server.changed(inode);
      // Pages of the cache are written for whoever: their file's fsync comes after them.
      if ((flags & O_DSYNC) !== 0) fs.fsync(inode, (flags & O_SYNC) !== O_SYNC);
      out.size = written;
      return 0;
    },

    FALLOCATE(context, request) {
      const inode = server.inode(context.nodeid);
      server.mappings.privileged = server.isPrivileged(context);
      fs.checkFallocate(inode, request.mode, request.offset, request.length);
      const { outside } = server;
      if (outside !== undefined && server.isOutside(inode)) {
        fallocateOutside(server, outside, context.nodeid, inode, request);
        return 0;
      }
      server.dropPrivilegesUnseen(context, inode);
      const failure = change(inode, request.mode, request.offset, request.length);
      server.changed(inode);
      return failure;
    },

    COPY_FILE_RANGE(context, request, out) {
      const copied = copy(context, request);
      if (copied < 0) return copied;
      out.size = copied;
      return 0;
    },

    COPY_FILE_RANGE_64(context, request, out) {
      const copied = copy(context, request);
      if (copied < 0) return copied;
      out.bytes_copied = copied;
      return 0;
    },
  } satisfies Handlers;

  /** As FileSystem.fallocate; the kernel's times stay, where it keeps them. */
  function allocate(inode: Inode, mode: number, offset: number, length: number): void {
    const { mtime, mtimeNanoseconds, ctime, ctimeNanoseconds } = inode;
    fs.fallocate(inode, mode, offset, length, server.mappings.privileged);
    if (server.kernelKeepsTimes) fs.setAttributes(inode, { mtime, mtimeNanoseconds, ctime, ctimeNanoseconds });
  }

  /**
   * fallocate(2), parts of blocks included. What fails for lack of space changes neither contents nor size: the kernel goes on
   * showing what it has cached of both.
   *
   * @returns 0, or a negative errno
   */
  function change(inode: Inode, mode: number, offset: number, length: number): number {
    const { size, statBlocks } = inode;
    const end = offset + length;
    if (grows(mode) && end > size) {
      const failure = host.zeroTail(inode, size, end);
      if (failure !== 0) return failure;
    }
    try {
      allocate(inode, mode, offset, length);
    } catch (error) {
      if ((mode & FallocateMode.zeroRange) === 0 || !(error instanceof FileSystemError) || error.code !== "ENOSPC")
        throw error;
      // There may be room for the range, but none for a larger map of the file: then zeros are written.
      allocate(inode, mode & FallocateMode.keepSize, offset, length);
      const failure = host.zero(inode, offset, Math.min(end, inode.size) - offset);
      if (failure !== 0) return failure;
    } finally {
      if (inode.statBlocks !== statBlocks) server.changedBlocks(inode);
    }
    return zeroEdges(inode, mode, offset, Math.min(end, size));
  }

  /**
   * Bytes written, or a negative errno.
   *
   * @param whole whether what could be written in part only has to fail: the kernel takes a page of its cache for written unless
   *   there is an error, and makes EIO of a short direct write, whatever the reason; where that was to extend the file, it
   *   truncates it again
   */
  function write(inode: Inode, offset: number, data: Uint8Array, whole: boolean): number {
    let done = host.write(inode, offset, data, WRITE_OPERATION);
    while (whole && done >= 0 && done < data.length) {
      const more = host.write(inode, offset + done, data.subarray(done), WRITE_OPERATION);
      if (more <= 0) return more < 0 ? more : -errno.EIO;
      done += more;
    }
    return done;
  }

  /**
   * Writes a page of the cache to an append-only file: it begins with what the file holds there, if nobody but O_APPEND was at
   * it. The kernel would tell at the open, but does not know of the flag.
   */
  function append(inode: Inode, offset: number, data: Uint8Array): number {
    const there = Math.min(Math.max(inode.size - offset, 0), data.length);
    if (there === 0) return write(inode, offset, data, true);
    const old = new Uint8Array(there);
    const got = host.read(inode, offset, old);
    if (got < there) return got < 0 ? got : -errno.EIO;
    for (let at = 0; at < there; at++) if (old[at] !== data[at]) return -errno.EPERM;
    if (there === data.length) return there;
    const written = write(inode, offset + there, data.subarray(there), true);
    return written < 0 ? written : there + written;
  }

  /**
   * Zeros the parts of blocks at the ends of a range that is to read as zeros.
   *
   * @param limit where the range or the file ended before
   */
  function zeroEdges(inode: Inode, mode: number, offset: number, limit: number): number {
    if ((mode & (FallocateMode.punchHole | FallocateMode.zeroRange)) === 0 || offset >= limit) return 0;
    const { blockSize } = fs.geometry;
    const head = Math.min(Math.ceil(offset / blockSize) * blockSize, limit);
    const tail = Math.max(Math.floor(limit / blockSize) * blockSize, head);
    const failure = offset < head ? host.zero(inode, offset, head - offset) : 0;
    return failure === 0 && tail < limit ? host.zero(inode, tail, limit - tail) : failure;
  }

  function copy(
    context: Context,
    request: {
      readonly off_in: number;
      readonly nodeid_out: number;
      readonly off_out: number;
      readonly len: number;
      readonly flagsLo: number;
      readonly flagsHi: number;
    },
  ): number {
    // Its pages are not here: a host that has them copies by reading and writing.
    if (server.outside !== undefined) return -ENOSYS;
    if (request.flagsLo !== 0 || request.flagsHi !== 0) return -errno.EINVAL;
    const from = server.inode(context.nodeid);
    const to = server.inode(request.nodeid_out);
    if (from.isDirectory || to.isDirectory) return -errno.EISDIR;
    if (!from.isRegular || !to.isRegular) return -errno.EINVAL;
    const length = Math.min(request.len, MOST_COPIED);
    server.mappings.privileged = server.isPrivileged(context);
    server.dropPrivilegesUnseen(context, to);
    const copied = host.copy(from, request.off_in, to, request.off_out, length, WRITE_OPERATION);
    if (copied > 0) {
      if (!server.kernelKeepsTimes) fs.setModificationTime(to);
      // The kernel expects to have read the source itself.
      if (server.accessed(from)) server.expire(from);
      server.changed(to);
    }
    return copied;
  }
}
