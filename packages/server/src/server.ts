import {
  CorruptionError,
  DeviceError,
  errno,
  errnoOf,
  type FileSystem,
  FileSystemError,
  type Inode,
  UnsupportedFeatureError,
} from "@bulkhead/ext4";
import type { Handlers, SessionOptions } from "@bulkhead/fuse";
import { DeviceRegistry, IomapHost } from "@bulkhead/iomap";
import { EngineMappings } from "./engine-mappings.js";
import { attributeOperations } from "./operations/attributes.js";
import { directoryOperations } from "./operations/directories.js";
import { fileOperations } from "./operations/file-io.js";
import { ioctlOperations } from "./operations/ioctl.js";
import { refusals } from "./operations/refusals.js";
import { xattrOperations } from "./operations/xattrs.js";

/** nodeid = inode number, the root aside: FUSE calls it 1, ext4 calls it 2 (and has another inode 1, which no name leads to). */
const ROOT_NODEID = 1;
const ROOT_INODE = 2;

export function inodeNumber(nodeid: number): number {
  return nodeid === ROOT_NODEID ? ROOT_INODE : nodeid;
}

export function nodeId(ino: number): number {
  return ino === ROOT_INODE ? ROOT_NODEID : ino;
}

/**
 * How long the kernel may believe what it was told, in seconds: a day. Nobody else writes to the image, so an answer does
 * not go stale; the kernel asks again when it has dropped the answer for memory.
 */
export const VALID_SECONDS = 86_400;

/** Errors that are an answer: the caller's mistakes, and what recordError has logged already. Others are mistakes of ours. */
function isExpected(error: unknown): boolean {
  return (
    error instanceof FileSystemError ||
    error instanceof CorruptionError ||
    error instanceof DeviceError ||
    error instanceof UnsupportedFeatureError
  );
}

/** What the handlers share. */
export class Ext4Server {
  readonly fs: FileSystem;
  readonly host: IomapHost<Inode>;

  constructor(fs: FileSystem) {
    this.fs = fs;
    const devices = new DeviceRegistry();
    const dev = devices.add(fs.device);
    const { blockSize } = fs.geometry;
    // File blocks are 32-bit numbers, so no file is longer than this.
    const maxBytes = 2 ** 32 * blockSize;
    const limits = { blockSize, maxBytes };
    this.host = new IomapHost(new EngineMappings(fs, dev), devices, limits, (error) => fs.logError(error));
  }

  /** The inode that a request is about. */
  inode(nodeid: number): Inode {
    return this.fs.inode(inodeNumber(nodeid));
  }

  /** The handlers, one family a file. */
  handlers(): Handlers {
    return {
      ...attributeOperations(this),
      ...directoryOperations(this),
      ...fileOperations(this),
      ...xattrOperations(this),
      ...ioctlOperations(this),
      ...refusals(),
    };
  }

  /**
   * What to ask of the kernel at INIT.
   *
   * @param posixAcl whether the kernel shall evaluate ACLs, and with them all permissions
   */
  sessionOptions(posixAcl: boolean, log: (message: string, error?: unknown) => void): SessionOptions {
    return {
      want: [
        "EXPORT_SUPPORT",
        "DO_READDIRPLUS",
        "READDIRPLUS_AUTO",
        "CACHE_SYMLINKS",
        "NO_OPEN_SUPPORT",
        "NO_OPENDIR_SUPPORT",
        "ABORT_ERROR",
        ...(posixAcl ? (["POSIX_ACL"] as const) : []),
      ],
      // The kernel caches pages for as long as the inode: nobody changes files behind its back.
      without: ["AUTO_INVAL_DATA"],
      toErrno: (error) => this.toErrno(error),
      log(message, error) {
        if (!isExpected(error)) log(message, error);
      },
    };
  }

  /** The one place where the engine's errors become errnos; what is wrong with image or device is put on record on the way. */
  toErrno(error: unknown): number {
    if (error instanceof CorruptionError || error instanceof DeviceError) this.fs.recordError(error);
    const number = errnoOf(error);
    return number === 0 ? errno.EIO : number;
  }
}
