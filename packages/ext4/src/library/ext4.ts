import type { BlockDevice } from "../device/device.js";
import type { Environment } from "../environment.js";
import { CorruptionError, type ErrnoName, FileSystemError } from "../errors.js";
import { FileSystem, type MountOptions } from "../filesystem.js";
import type { Inode } from "../inode/inode.js";
import type { FileSystemStatistics } from "../superblock/statfs.js";
import { DirectoryListing } from "./directory.js";
import { Ext4File, type FileExtent } from "./file.js";
import { nameToString } from "./names.js";
import { type ResolveOptions, resolvePath } from "./path.js";
import { type Stats, statsOf } from "./stats.js";
import { type SuperblockInfo, superblockInfo } from "./superblock-info.js";

/**
 * What a call is about: a path from the root (a string, or bytes for any name; see library/names.ts), or an inode number.
 */
export type Target = string | Uint8Array | number;

/** Longest file that readFile takes unless it is told otherwise: 1 GiB. */
const MOST_FILE_BYTES = 2 ** 30;

const absent: ReadonlySet<ErrnoName> = new Set(["ENOENT", "ENOTDIR", "ESTALE"]);

/**
 * Reads an ext2, ext3 or ext4 file system on any block device, without mounting it: the library's door.
 *
 * ```ts
 * const ext4 = Ext4.open(new FileDevice(fs, fs.openSync("disk.img", "r")));
 * for (const entry of ext4.readDirectory("/")) console.log(entry.name, entry.kind);
 * const bytes = ext4.readFile("/etc/hostname");
 * ext4.close();
 * ```
 *
 * Calls are synchronous, as the device is. They throw FileSystemError (the caller's mistake; `code` is an errno's name),
 * CorruptionError (the image is damaged; `kind` and `location` say how and where), UnsupportedFeatureError or DeviceError.
 */
export class Ext4 {
  /** The engine, for operations by inode. */
  readonly fs: FileSystem;

  private constructor(fs: FileSystem) {
    this.fs = fs;
  }

  /**
   * Opens the file system on a device, read-only. A journal that needs recovery is replayed into memory.
   *
   * @throws CorruptionError, UnsupportedFeatureError, DeviceError
   */
  static open(device: BlockDevice, options: MountOptions = {}, environment?: Environment): Ext4 {
    return new Ext4(FileSystem.mount(device, options, environment));
  }

  /**
   * The inode that a path or a number names.
   *
   * @throws FileSystemError ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG; ESTALE for the number of an unused inode, or of none;
   * TypeError for what is neither
   */
  inode(target: Target, options: ResolveOptions = {}): Inode {
    return this.#recorded(() =>
      typeof target === "number" ? this.#numbered(target) : resolvePath(this.fs, target, options),
    );
  }

  /** That the caller knows a number says nothing of the image. */
  #numbered(ino: number): Inode {
    const { inodeCount } = this.fs.geometry;
    if (Number.isInteger(ino) && ino >= 1 && ino <= inodeCount) return this.fs.inode(ino);
    throw new FileSystemError("ESTALE", `there is no inode ${ino}; there are ${inodeCount}`);
  }

  /** Whether a path leads somewhere, or the inode is in use. */
  exists(target: Target): boolean {
    try {
      this.inode(target);
      return true;
    } catch (error) {
      if (error instanceof FileSystemError && absent.has(error.code)) return false;
      throw error;
    }
  }

  /** What is known of a file; symbolic links are followed. @throws as `inode` */
  stat(target: Target): Stats {
    return statsOf(this.inode(target), this.fs.geometry.blockSize);
  }

  /** What is known of a file; a symbolic link as last component is not followed. @throws as `inode` */
  lstat(target: Target): Stats {
    return statsOf(this.inode(target, { followLinks: false }), this.fs.geometry.blockSize);
  }

  /**
   * The entries of a directory, for `for … of` and `for await … of`; they are read while the loop runs.
   *
   * @throws FileSystemError ENOTDIR; CorruptionError, from the loop as well
   */
  readDirectory(target: Target): DirectoryListing {
    const inode = this.inode(target);
    if (!inode.isDirectory) throw new FileSystemError("ENOTDIR", `inode ${inode.ino} is no directory`);
    return new DirectoryListing(this.fs, inode);
  }

  /** Opens a regular file for reading at positions. @throws FileSystemError EISDIR, EINVAL, ENOKEY */
  open(target: Target): Ext4File {
    return new Ext4File(this.fs, this.inode(target));
  }

  /**
   * The contents of a regular file.
   *
   * @param limit most bytes that are read; default 1 GiB
   * @throws FileSystemError EFBIG when the file is longer than the limit, and as `open`
   */
  readFile(target: Target, limit = MOST_FILE_BYTES): Uint8Array {
    const file = this.open(target);
    if (file.size > limit) throw new FileSystemError("EFBIG", `a file of ${file.size} bytes; the limit is ${limit}`);
    const contents = new Uint8Array(file.size);
    this.#recorded(() => file.read(0, contents));
    return contents;
  }

  /** The target of a symbolic link. @throws FileSystemError EINVAL when it is none */
  readLink(target: Target): string {
    return nameToString(this.readLinkBytes(target));
  }

  /** The target of a symbolic link as bytes. */
  readLinkBytes(target: Target): Uint8Array {
    const inode = this.inode(target, { followLinks: false });
    return this.#recorded(() => this.fs.readLink(inode).slice());
  }

  /**
   * The value of an extended attribute by its full name (`user.comment`), undefined when it is not there. ACLs come in the
   * form of system calls. A symbolic link's own attributes with `followLinks: false`.
   */
  getXattr(target: Target, name: string, options: ResolveOptions = {}): Uint8Array | undefined {
    const inode = this.inode(target, options);
    return this.#recorded(() => this.fs.getXattr(inode, name)?.slice());
  }

  /** The full names of a file's extended attributes, a byte a char. */
  listXattrs(target: Target, options: ResolveOptions = {}): string[] {
    const inode = this.inode(target, options);
    return this.#recorded(() => this.fs.listXattrs(inode));
  }

  /** A regular file's extents in order, holes included. Lazy: a file may have millions. @throws as `open` */
  extents(target: Target): Iterable<FileExtent> {
    return this.open(target).extents();
  }

  /** What statfs(2) would answer. */
  statfs(): FileSystemStatistics {
    return this.#recorded(() => this.fs.statfs());
  }

  /** The superblock in readable form, as plain data. */
  info(): SuperblockInfo {
    return superblockInfo(this.fs);
  }

  /** Closes the device. */
  close(): void {
    this.fs.close();
  }

  /** Damage that a call meets goes on the file system's record. */
  #recorded<T>(call: () => T): T {
    try {
      return call();
    } catch (error) {
      if (error instanceof CorruptionError) this.fs.recordError(error);
      throw error;
    }
  }
}
