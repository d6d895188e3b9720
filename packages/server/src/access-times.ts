import { CorruptionError, type FileSystem, type Inode, InodeFlag, isEngineError, type Timestamp } from "@bulkhead/ext4";

/** Which reads change access times: those that mount(8)'s relatime means, or none. */
export type AccessTimes = "relatime" | "noatime";

const DAY = 86_400;
const O_NOATIME = 0o1000000;
const O_ACCMODE = 0o3;
const O_WRONLY = 0o1;

/**
 * Keeps access times, which FUSE leaves to the file system: of reads that reach it. What the kernel has in its page cache is
 * read without a change.
 */
export class AccessTimer {
  readonly #fs: FileSystem;
  readonly #now: () => Timestamp;
  readonly #off: boolean;
  readonly #directories: boolean;

  /** @param directories whether reading directories counts: mount's nodiratime is false */
  constructor(fs: FileSystem, kind: AccessTimes, directories: boolean, now: () => Timestamp) {
    this.#fs = fs;
    this.#now = now;
    this.#off = kind === "noatime" || fs.volume.transactions === undefined;
    this.#directories = directories;
  }

  /**
   * The inode was read, by a file open with `flags`.
   *
   * @returns whether its access time changed: it was not later than the last change, or is a day old
   */
  read(inode: Inode, flags = 0): boolean {
    if (this.#off || (flags & O_NOATIME) !== 0 || inode.has(InodeFlag.noAtime)) return false;
    // The kernel reads what is around the bytes that are written, for files that may not be read, too.
    if ((flags & O_ACCMODE) === O_WRONLY) return false;
    if (inode.isDirectory && !this.#directories) return false;
    const { atime, atimeNanoseconds } = inode;
    const old =
      isOver(inode.mtime, inode.mtimeNanoseconds, atime, atimeNanoseconds) ||
      isOver(inode.ctime, inode.ctimeNanoseconds, atime, atimeNanoseconds) ||
      this.#now().seconds - atime >= DAY;
    if (!old) return false;
    return this.#set(inode);
  }

  /** Whoever reads gets what was read, whatever becomes of the time: after an error, for one, nothing can be changed any more. */
  #set(inode: Inode): boolean {
    try {
      this.#fs.setAccessTime(inode);
      return true;
    } catch (error) {
      if (!isEngineError(error)) throw error;
      if (error instanceof CorruptionError) this.#fs.recordError(error);
      return false;
    }
  }
}

/** Whether a time is another or after it. */
function isOver(seconds: number, nanoseconds: number, than: number, thanNanoseconds: number): boolean {
  return seconds > than || (seconds === than && nanoseconds >= thanNanoseconds);
}
