/** What is left of a file's data for the server, where the other end does the file I/O: what lies in the inode, and what is mapped. */
import { errno, type Inode } from "@bulkhead/ext4";
import type { OutsideHost } from "../outside-host.js";
import type { Ext4Server } from "../server.js";

/**
 * READ of what is in the inode. It is filled up with zeros: a host asks for blocks, and takes an empty answer for an error.
 *
 * @returns bytes, or a negative errno: EIO for data that is on the device, where the host has to read it
 */
export function readInside(server: Ext4Server, inode: Inode, offset: number, window: Uint8Array): number {
  if (!inode.hasInlineData) return -errno.EIO;
  const got = server.mappings.readInline(inode, offset, window);
  if (got < 0) return got;
  window.fill(0, got);
  return window.length;
}

/** WRITE into the inode, without a change of times. Bytes written, or a negative errno. */
export function writeInside(server: Ext4Server, inode: Inode, offset: number, data: Uint8Array): number {
  if (!inode.hasInlineData) return -errno.EIO;
  const put = server.mappings.writeInline(inode, offset, data);
  if (put < 0) return put;
  // It has moved out, against what the mapping said: nothing was written.
  if (put === 0 && data.length > 0) return -errno.EIO;
  server.changed(inode);
  return put;
}

/** FALLOCATE: whoever has the pages zeroes parts of blocks, takes the set-id bits and keeps the times. */
export function fallocateOutside(
  server: Ext4Server,
  outside: OutsideHost,
  nodeid: number,
  inode: Inode,
  { mode, offset, length }: { readonly mode: number; readonly offset: number; readonly length: number },
): void {
  const { fs } = server;
  const { mtime, mtimeNanoseconds, ctime, ctimeNanoseconds } = inode;
  outside.guarded(nodeid, inode, Math.min(offset, inode.size), () => {
    fs.fallocate(inode, mode, offset, length, server.mappings.privileged);
  });
  fs.setAttributes(inode, { mtime, mtimeNanoseconds, ctime, ctimeNanoseconds });
  server.changed(inode);
}
