import type { Mapping } from "./mapping.js";

/** What names a file between host and server. */
export interface FileIdentity {
  /** The server's number for it, as notifications name it. */
  readonly nodeid: number;
  /** The inode number of its attributes. */
  readonly ino: number;
}

/** Data reached the device, or failed to: the request of an ioend. Reused; a server keeps none of it. */
export interface Ioend {
  /** IoendFlag. */
  readonly flags: number;
  /** 0, or the negative errno of the data's I/O: then nothing of the range may become part of the file. */
  readonly error: number;
  /** First byte in the file; any byte, not only a block's first. */
  readonly pos: number;
  /** Bytes from `pos` on. */
  readonly written: number;
  /** Device and byte address where write-back put them; 0 and NULL_ADDR for direct I/O. */
  readonly dev: number;
  readonly newAddr: number;
}

/** One of several ioends. */
export interface IoendQuestion<F extends FileIdentity> {
  readonly file: F;
  readonly ioend: Ioend;
}

/**
 * A server that speaks all of fuse-iomap, as an in-process object or a socket's other end. Calls block until the answer is
 * there. A transport that loses or gives up on its server answers -ENOTCONN or -ECONNABORTED (or throws): from then on the host
 * asks nothing more, and every call fails with EIO.
 *
 * Errors are negative errnos; -ENOSYS is remembered for `end`, `ioend`, `syncFs`.
 */
export interface IomapServer<F extends FileIdentity> {
  /**
   * IOMAP_BEGIN. Maps at least byte `pos`; fills both slots (write: pureOverwrite where writes go to the read mapping). May
   * call `IomapConnection.upsert` and `invalidate`, and answer with retryCache.
   *
   * @param count bytes that the operation still has to do from `pos` on; may be huge
   * @param operation Operation flags
   */
  begin(file: F, pos: number, count: number, operation: number, read: Mapping, write: Mapping): number;
  /** IOMAP_END: one mapping was worked on. `written` of `count` bytes were done. */
  end(file: F, pos: number, count: number, written: number, operation: number, mapping: Readonly<Mapping>): number;
  /** IOMAP_IOEND. @returns the size on disk afterwards, or a negative errno */
  ioend(file: F, ioend: Ioend): number;
  /**
   * Several at once, in any order, for who would have to be waited for each time. Fills `answers`, one for each.
   */
  ioends?(questions: readonly IoendQuestion<F>[], answers: number[]): void;
  /** READ of inline data with fh 0. @returns bytes, fewer at the end of the data */
  readInline(file: F, pos: number, target: Uint8Array): number;
  /** WRITE of inline data with fh 0; the size on disk grows with it. @returns bytes written; 1 to `source.length` */
  writeInline(file: F, pos: number, source: Uint8Array): number;
  /**
   * SETATTR of the size: frees what lies wholly behind a smaller one, zeroes nothing.
   *
   * @param changes whether the size differs from before: then mtime and ctime are set too
   * @returns the size afterwards
   */
  setSize(file: F, size: number, changes: boolean): number;
  /** FALLOCATE: whole blocks inside the range only; records a larger size. @returns 0 */
  fallocate?(file: F, mode: number, offset: number, length: number): number;
  /** COPY_FILE_RANGE. @returns bytes copied */
  copyRange?(from: F, pos: number, to: F, target: number, length: number): number;
  /** FSYNC: makes durable what is known of the file, and the device's cache. @returns 0 */
  fsync?(file: F, dataOnly: boolean): number;
  /** LSEEK, for a server that does not answer reports. */
  seek?(file: F, offset: number, wanted: "data" | "hole"): number;
  /** SYNCFS. @returns 0 */
  syncFs?(): number;
  /** FREEZE_FS. @param unlinked inodes that are unlinked and still open */
  freeze?(unlinked: number): number;
  /** UNFREEZE_FS. */
  thaw?(): number;
}
