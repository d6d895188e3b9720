import type { ConfigReply, Configuration } from "./config.js";
import type { DeviceRegistry } from "./devices.js";
import type { Mapping } from "./mapping.js";
import type { FileIdentity } from "./server.js";

/** How bytes are to be read or written; may be combined. */
export const IoFlag = {
  /** Rather -EAGAIN than an upcall. */
  nowait: 0x1,
  /** Leave nothing of it in the page cache. */
  dontCache: 0x2,
  /** Write at the end of the file, wherever that is: the position given is ignored. */
  append: 0x4,
  /** Return when the data, and what is needed to find it, is durable. */
  dataSync: 0x8,
  /** Return when all is durable. */
  sync: 0x10,
  /** Direct writes of one block only: all or nothing. */
  atomic: 0x20,
  /** Direct writes: into mapped space only, else -EAGAIN of the server. */
  overwriteOnly: 0x40,
  /** The file was opened with FOPEN_DIRECT_IO: what cannot be done directly is -EIO, and not done through the page cache. */
  directOnly: 0x80,
  /** Direct writes: what was written before an error counts, and the error is for the next call to see. */
  partial: 0x100,
} as const;

/** Modes of fallocate, as in Linux. */
export const FallocateMode = {
  keepSize: 0x1,
  punchHole: 0x2,
  collapseRange: 0x8,
  zeroRange: 0x10,
  insertRange: 0x20,
} as const;

export interface IomapOptions {
  /** Bytes, a power of two: what inodes that name none have. Default 4096. */
  readonly blockSize?: number;
  /** Largest file size in bytes. Default 2^53 - 1. */
  readonly maxBytes?: number;
  /** Bytes of mappings that a fork of one file caches, 32 for each. Default 262,144. */
  readonly mappingCacheBytes?: number;
  readonly pageCache?: PageCacheOptions;
  /** Hears of what the caller sees as an errno only: what a device or the server threw, which rule an answer broke. */
  readonly onError?: (error: unknown) => void;
  /** Whether whoever waits has been interrupted: asked before a server is asked the same question again. */
  readonly isInterrupted?: () => boolean;
}

/** The page cache, one for all files of a connection. */
export interface PageCacheOptions {
  /** Most bytes of file data in memory. Default 64 MiB. */
  readonly bytes?: number;
  /** Most dirty bytes before a writer has to write back. Default a quarter of `bytes`. */
  readonly dirtyBytes?: number;
  /** Bytes of one page, a power of two, at least a block. Default 65,536. */
  readonly pageBytes?: number;
  /** Most bytes that are read ahead of a sequential reader. Default 1 MiB. */
  readonly readAhead?: number;
}

/** What the first attributes of an inode say; later the host's own are true. */
export interface FileAttributes {
  readonly size: number;
  /** Bytes, a power of two. */
  readonly blockSize?: number;
  /** ATTR flag ATOMIC: `IoFlag.atomic` is accepted. */
  readonly atomic?: boolean;
  /** ATTR flags as Linux has them: every write is synchronous; writes at the end alone; no writes. */
  readonly sync?: boolean;
  readonly append?: boolean;
  readonly immutable?: boolean;
}

/** A range of one fork that is no longer true; length 0 leaves the fork alone, TO_EOF drops all that follows. */
export interface FileRange {
  readonly offset: number;
  readonly length: number;
}

/** One piece of a file for fiemap. */
export interface FileExtent {
  readonly offset: number;
  readonly length: number;
  /** Byte address on `dev`, 0 where there is none. */
  readonly addr: number;
  readonly dev: number;
  /** ExtentFlag. */
  readonly flags: number;
}

/** Page-aligned pieces of a swap file, in the order of the file. */
export interface SwapExtent {
  /** Page number in the swap space. */
  readonly page: number;
  readonly pages: number;
  /** Byte address. */
  readonly addr: number;
}

/** What has happened so far. */
export interface Counters {
  begins: number;
  ends: number;
  ioends: number;
  /** Lookups that the mapping cache answered, and that it did not. */
  hits: number;
  misses: number;
  inlineReads: number;
  inlineWrites: number;
  deviceReads: number;
  deviceWrites: number;
  bytesRead: number;
  bytesWritten: number;
  /** Mappings that had changed by the time they were used. */
  stale: number;
}

/**
 * The host of one server: what a kernel is to a mounted file system. Its calls never throw; they answer a count or 0, or a
 * negative errno. Calls of one connection do not overlap: from within an answer of the server they are -EDEADLK, except
 * `upsert`, `invalidate`, `invalidateDevice`, `invalidatePages` and `abort`.
 */
export interface IomapConnection<F extends FileIdentity> {
  readonly devices: DeviceRegistry;
  readonly counters: Readonly<Counters>;
  /** What the server has configured, and defaults for the rest. */
  readonly configuration: Readonly<Configuration>;
  /** Largest file size. */
  readonly maxBytes: number;
  /** The answer to IOMAP_CONFIG, or its error. @returns 0; a negative errno when the connection must not be used */
  configure(reply: ConfigReply | number): number;
  /** The file of an inode, the same one as long as it is in memory; `attributes` count the first time. */
  open(identity: F, attributes: FileAttributes): IomapFile<F>;
  /** The file of a nodeid, if it is in memory. */
  file(nodeid: number): IomapFile<F> | undefined;
  /** Notification UPSERT_MAPPINGS. @returns 0 or a negative errno, which the server is told */
  upsert(nodeid: number, ino: number, read: Readonly<Mapping>, write: Readonly<Mapping>): number;
  /** Notification INVAL_MAPPINGS. */
  invalidate(nodeid: number, ino: number, read: FileRange, write: FileRange): number;
  /** Notification DEV_INVAL: what is cached of the device itself is dropped. */
  invalidateDevice(dev: number, offset: number, length: number, reserved?: number): number;
  /** Writes back every file, then SYNCFS. */
  sync(): number;
  /** sync, then FREEZE_FS: writes answer -EROFS until `thaw`. */
  freeze(unlinked: number): number;
  thaw(): number;
  /** The server is gone or stalls: it is asked nothing more, everything fails with EIO, dirty data is lost. */
  abort(): void;
  readonly isAborted: boolean;
  /** Writes back and forgets every file; for an unmount. @returns the first error */
  close(): number;
}

/** The regular file of one inode. */
export interface IomapFile<F extends FileIdentity> {
  readonly identity: F;
  /** Bytes, as readers see it. */
  readonly size: number;
  /** Bytes that the server has recorded, as far as the host knows. */
  readonly diskSize: number;
  readonly blockSize: number;
  /** Dirty bytes in the page cache. */
  readonly dirtyBytes: number;

  /** Through the page cache. @returns bytes, fewer at the end of the file or after an error with progress */
  read(pos: number, target: Uint8Array, flags?: number): number;
  /** Into the page cache. @returns bytes; fewer after an error with progress */
  write(pos: number, source: Uint8Array, flags?: number): number;
  /** From the device; `pos` and `target.length` are multiples of the device's logical block, else -EINVAL. */
  readDirect(pos: number, target: Uint8Array, flags?: number): number;
  /** To the device, at any byte: parts of blocks are completed with what is there. @returns all bytes, or a negative errno */
  writeDirect(pos: number, source: Uint8Array, flags?: number): number;
  /**
   * A direct read or write of `length` bytes as one operation, so that the server is asked for all of it at once, whose data
   * goes through `buffer` (at least a block) piece by piece.
   *
   * @param take gets each piece, a window of `buffer`; what it answers but 0 ends the read: the errno is the result
   * @param give fills `target` with what belongs at `pos`; answers bytes, 0 for a write that ends here, or a negative errno
   * @returns bytes moved, or a negative errno
   */
  streamOut(
    pos: number,
    length: number,
    buffer: Uint8Array,
    take: (bytes: Uint8Array, pos: number) => number,
    flags?: number,
  ): number;
  streamIn(
    pos: number,
    length: number,
    buffer: Uint8Array,
    give: (target: Uint8Array, pos: number) => number,
    flags?: number,
  ): number;

  /**
   * As `readDirect`, while other reads and writes are under way. Until then `target` is not to be touched.
   *
   * @param done gets the result later, if it is not returned
   * @returns the result, or undefined while it is under way
   */
  submitRead(pos: number, target: Uint8Array, done: (result: number) => void): number | undefined;
  /** As `writeDirect`; see `submitRead`. Parts of blocks, and what extends the file, wait until nothing else is under way. */
  submitWrite(pos: number, source: Uint8Array, done: (result: number) => void, flags?: number): number | undefined;
  /** Whether something submitted is under way: what would change the file otherwise, or forget it, is -EBUSY. */
  readonly isBusy: boolean;
  /** Calls back when nothing is under way any more; at once, if so already. */
  whenIdle(run: () => void): void;

  /** Writes back and waits. The error is that of any write-back which no `fsync` has told of yet, and `fsync` tells of it, too. */
  flush(): number;
  /** flush, then FSYNC; also reports a write-back error that nobody has been told. */
  fsync(dataOnly?: boolean): number;
  truncate(size: number): number;
  /** What OPEN with O_TRUNC does where the server truncates itself: the answer says that it has. */
  truncatedAtOpen(): void;
  /** @param mode FallocateMode */
  fallocate(mode: number, offset: number, length: number): number;
  /** Makes a range inside the file read as zeros, without allocating and without changing the size. */
  zero(pos: number, length: number): number;
  /** Gives the range blocks of its own. */
  unshare(pos: number, length: number): number;
  /** copy_file_range through the server; -EOPNOTSUPP where it cannot. */
  copyRange(pos: number, to: IomapFile<F>, target: number, length: number): number;

  seek(offset: number, wanted: "data" | "hole"): number;
  /** @param flags FiemapFlag @param visit is given each extent; false ends the walk. @returns 0 or a negative errno */
  fiemap(start: number, length: number, flags: number, visit: (extent: FileExtent) => boolean): number;
  /** FIBMAP. @returns the device's block, 0 for none */
  bmap(block: number): number;
  /** Pins the layout. @returns its extents, or a negative errno */
  swapOn(): readonly SwapExtent[] | number;
  swapOff(): number;

  /** Drops clean pages (INVAL_INODE). */
  invalidatePages(pos?: number, length?: number): void;
  /** The server's newest attr.size: only the recorded size follows it. */
  serverSize(size: number): void;
  /** Writes back and forgets the file. @returns what fsync would, and the file is gone in any case; -EBUSY while something is under way: then it is not */
  evict(): number;
}
