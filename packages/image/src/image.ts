import { nameToString } from "@bulkhead/ext4/names";
import { FuseAnswerError } from "@bulkhead/fuse/client";
import { errnoName } from "@bulkhead/linux";
import {
  checkBytes,
  checkDevice,
  checkInteger,
  checkMode,
  checkOwner,
  checkPosition,
  checkTime,
  piecesOf,
  UNCHANGED,
} from "./arguments.js";
import { explained, ImageError } from "./errors.js";
import { ImageFile } from "./file.js";
import type { FileKind, ImageNode, Stats, Timestamp } from "./node.js";
import { bytesOf, type ImagePath, Paths, type Place, textOf } from "./paths.js";
import { removeTree } from "./remove-tree.js";
import type { Changes, Creation, Entry, ImageTree, Particulars } from "./tree.js";

/** Numbers of a user and a group, from 0 to 2^32 − 2. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface DirectoryEntry {
  /** Bytes that are no UTF-8 are lone surrogates, as everywhere in Bulkhead. */
  readonly name: string;
  readonly nameBytes: Uint8Array;
  readonly ino: number;
  readonly kind: FileKind;
}

/** What statfs(2) says of a mount: in blocks of `blockSize` bytes, and inodes. */
export interface Statistics {
  /** Bytes. */
  readonly blockSize: number;
  readonly blocks: number;
  readonly blocksFree: number;
  /** Without those reserved for the superuser. */
  readonly blocksAvailable: number;
  readonly files: number;
  readonly filesFree: number;
}

export interface ImageParts {
  readonly path: string;
  readonly tree: ImageTree;
  readonly writable: boolean;
  readonly owner: Owner;
  readonly umask: number;
  readonly serverPid: number;
  /** Called when the server is not asked any more. */
  leave(): void;
}

/** Bytes of file data that are moved at a time. */
const CHUNK = 1024 * 1024;
/** Longest file that readFile takes unless it is told otherwise. */
const MOST_FILE_BYTES = 2 ** 30;
const ENOENT = 2;
const EBUSY = 16;
const EISDIR = 21;
const EINVAL = 22;
const EFBIG = 27;
const NO_DEVICE = { major: 0, minor: 0 };

/**
 * An open image. Calls block, and throw {@link ImageError} with the errno that Linux gives; no permissions are checked:
 * whoever may write to the image owns what is in it, as under fakeroot.
 */
export class Image {
  /** The image itself. */
  readonly path: string;
  readonly writable: boolean;
  /** The inodes, for who walks or copies whole trees. */
  readonly tree: ImageTree;
  /** Whose new files are, and the umask. */
  readonly creation: Creation;
  /** The process that has the file system. */
  readonly serverPid: number;
  readonly #paths: Paths;
  readonly #leave: () => void;

  constructor({ path, tree, writable, owner, umask, serverPid, leave }: ImageParts) {
    this.path = path;
    this.tree = tree;
    this.writable = writable;
    this.creation = { ...owner, umask };
    this.serverPid = serverPid;
    this.#paths = new Paths(tree);
    this.#leave = leave;
  }

  /** The node that a path leads to. */
  find(path: ImagePath, { followLinks = true } = {}): ImageNode {
    return this.#do("open", path, (bytes) => this.#paths.find(bytes, followLinks));
  }

  /** Where a path's last name is, whether it is there or not; its directory is. */
  place(path: ImagePath): Place {
    return this.#do("open", path, (bytes) => this.#paths.place(bytes));
  }

  /** Whether a path leads somewhere; symbolic links are followed. */
  exists(path: ImagePath): boolean {
    try {
      this.#paths.find(bytesOf(path), true);
      return true;
    } catch (error) {
      if (error instanceof FuseAnswerError && (error.code === "ENOENT" || error.code === "ENOTDIR")) return false;
      throw explained("stat", path, error);
    }
  }

  /** Attributes; symbolic links are followed. */
  stat(path: ImagePath): Stats {
    return this.#do("stat", path, (bytes) => this.#statsOf(this.#paths.find(bytes, true)));
  }

  /** Of a symbolic link itself. */
  lstat(path: ImagePath): Stats {
    return this.#do("lstat", path, (bytes) => this.#statsOf(this.#paths.find(bytes, false)));
  }

  /** What was just looked up is known; the root is not looked up. */
  #statsOf(node: ImageNode): Stats {
    return node === this.tree.root ? this.tree.stat(node) : node.stats;
  }

  /** Creation time, inode flags, generation and project; of a symbolic link itself. */
  particulars(path: ImagePath): Particulars {
    return this.#do("statx", path, (bytes) => this.tree.particulars(this.#paths.find(bytes, false)));
  }

  /** All entries but `.` and `..`, in the directory's own order. @throws ImageError ENOTDIR */
  readdir(path: ImagePath): DirectoryEntry[] {
    return this.#do("readdir", path, (bytes) => {
      const node = this.#paths.find(bytes, true);
      let entries: Entry[] = [];
      this.tree.list(node, entries, false);
      // File systems without the feature filetype have kinds in inodes alone.
      if (entries.some(({ kind }) => kind === "unknown")) {
        entries = [];
        this.tree.list(node, entries);
      }
      return entries.map(({ name, ino, kind }) => ({ name: nameToString(name), nameBytes: name, ino, kind }));
    });
  }

  /** Where a symbolic link points. @throws ImageError EINVAL when it is none */
  readlink(path: ImagePath): string {
    return this.#do("readlink", path, (bytes) => nameToString(this.tree.readLink(this.#paths.find(bytes, false))));
  }

  /** A regular file, for many reads and writes at once. */
  open(path: ImagePath): ImageFile {
    return this.#do("open", path, (bytes) => new ImageFile(this.tree, this.#file(bytes), textOf(path)));
  }

  /**
   * A whole file.
   *
   * @param options.limit most bytes that it may have, or it is EFBIG: an image can say of a file that it has 2^44. Default 1 GiB
   */
  readFile(path: ImagePath, { limit = MOST_FILE_BYTES } = {}): Uint8Array {
    checkPosition("a limit", limit);
    return this.#do("read", path, (bytes) => {
      const node = this.#file(bytes);
      if (node.size > limit) throw new FuseAnswerError("READ", EFBIG);
      const contents = new Uint8Array(node.size);
      let at = 0;
      for (;;) {
        const got = answered("READ", this.tree.data.read(node, at, contents.subarray(at)));
        at += got;
        if (got === 0 || at === contents.length) return contents.subarray(0, at);
      }
    });
  }

  /** A file's bytes in order, some at a time: each piece is overwritten by the next. */
  *readChunks(
    path: ImagePath,
    { start = 0, end = Number.MAX_SAFE_INTEGER, chunk = CHUNK } = {},
  ): Generator<Uint8Array> {
    for (const value of [start, end]) checkPosition("a position", value);
    checkInteger("a chunk", chunk, 1, Number.MAX_SAFE_INTEGER);
    const node = this.#do("read", path, (bytes) => this.#file(bytes));
    const buffer = new Uint8Array(chunk);
    for (let at = start; at < end; ) {
      const got = this.tree.data.read(node, at, buffer.subarray(0, Math.min(chunk, end - at)));
      if (got < 0) throw new ImageError(errnoName(got), -got, "read", textOf(path));
      if (got === 0) return;
      yield buffer.subarray(0, got);
      at += got;
    }
  }

  #file(path: Uint8Array): ImageNode {
    const node = this.#paths.find(path, true);
    if (node.stats.kind !== "file") throw new FuseAnswerError("OPEN", node.isDirectory ? EISDIR : EINVAL);
    return node;
  }

  /** Bytes from `position` on into `target`. @returns how many; 0 at the end */
  read(path: ImagePath, target: Uint8Array, position: number): number {
    checkBytes("what is read into", target);
    checkPosition("a position", position);
    return this.#do("read", path, (bytes) =>
      answered("READ", this.tree.data.read(this.#paths.find(bytes, true), position, target)),
    );
  }

  /**
   * Makes a file hold these bytes; what was there is replaced, and keeps its owner, mode and other names.
   *
   * @param options.mode of a new file, shorn of the umask; default 0666
   */
  writeFile(path: ImagePath, data: string | Uint8Array | Iterable<Uint8Array>, { mode = 0o666 } = {}): void {
    checkMode(mode);
    const pieces = piecesOf(data);
    this.#do("writeFile", path, (bytes) => {
      const node = this.#openForWriting(bytes, mode);
      let at = 0;
      for (const piece of pieces) {
        checkBytes("a piece of a file", piece);
        this.#writeAll(node, at, piece);
        at += piece.length;
      }
      answered("SETATTR", this.tree.data.touch(node));
    });
  }

  /** Writes into a file that is there, past its end too: what is left out in between reads as zeros. */
  write(path: ImagePath, data: Uint8Array, position: number): void {
    checkBytes("what is written", data);
    checkPosition("a position", position);
    this.#do("write", path, (bytes) => {
      const node = this.#paths.find(bytes, true);
      this.#writeAll(node, position, data);
      answered("SETATTR", this.tree.data.touch(node));
    });
  }

  #openForWriting(path: Uint8Array, mode: number): ImageNode {
    const { dir, name } = this.#paths.place(path, EISDIR);
    const there = this.tree.lookup(dir, name);
    if (there === undefined) return this.tree.makeNode(dir, name, (mode & 0o7777) | 0o100000, NO_DEVICE, this.creation);
    const node = there.stats.kind === "symlink" ? this.#paths.find(path, true) : there;
    this.tree.setAttributes(node, { size: 0 });
    return node;
  }

  #writeAll(node: ImageNode, position: number, data: Uint8Array): void {
    for (let done = 0; done < data.length; ) {
      const put = answered("WRITE", this.tree.data.write(node, position + done, data.subarray(done)));
      if (put === 0) throw new FuseAnswerError("WRITE", 5);
      done += put;
    }
  }

  /** Makes a directory; with `recursive` those above it as well, and none of what is there is an error. */
  mkdir(path: ImagePath, { recursive = false, mode = 0o777 } = {}): void {
    checkMode(mode);
    this.#do("mkdir", path, (bytes) => {
      if (!recursive) {
        const { dir, name } = this.#paths.place(bytes);
        this.tree.makeDirectory(dir, name, mode, this.creation);
        return;
      }
      for (let end = bytes.indexOf(SLASH, 1); ; end = bytes.indexOf(SLASH, end + 1)) {
        this.#ensureDirectory(end < 0 ? bytes : bytes.subarray(0, end), end < 0 ? mode : 0o777);
        if (end < 0) return;
      }
    });
  }

  #ensureDirectory(path: Uint8Array, mode: number): void {
    try {
      if (!this.#paths.find(path, true).isDirectory) throw new FuseAnswerError("MKDIR", 20);
    } catch (error) {
      if (!(error instanceof FuseAnswerError) || error.code !== "ENOENT") throw error;
      const { dir, name } = this.#paths.place(path);
      this.tree.makeDirectory(dir, name, mode, this.creation);
    }
  }

  /** Removes a file; with `recursive` a directory with all that is in it; with `force` it need not be there. */
  rm(path: ImagePath, { recursive = false, force = false } = {}): void {
    this.#do("rm", path, (bytes) => {
      const { dir, name, isSlashed } = this.#paths.place(bytes);
      const node = this.tree.lookup(dir, name);
      if (node === undefined) {
        if (force) return;
        throw new FuseAnswerError("UNLINK", 2);
      }
      if (!node.isDirectory && isSlashed) throw new FuseAnswerError("UNLINK", 20);
      if (!node.isDirectory) this.tree.unlink(dir, name);
      else if (recursive) removeTree(this.tree, dir, name, node);
      else throw new FuseAnswerError("UNLINK", 21);
    });
  }

  /** Removes an empty directory. */
  rmdir(path: ImagePath): void {
    this.#do("rmdir", path, (bytes) => {
      const { dir, name } = this.#paths.place(bytes);
      this.tree.removeDirectory(dir, name);
    });
  }

  /** Moves a name, over what has the new one. */
  rename(from: ImagePath, to: ImagePath): void {
    this.#do("rename", from, (bytes) => {
      const old = this.#paths.place(bytes);
      const next = this.#paths.place(bytesOf(to));
      if (old.isSlashed || next.isSlashed) {
        const node = this.tree.lookup(old.dir, old.name);
        if (node?.isDirectory === false) throw new FuseAnswerError("RENAME", 20);
      }
      this.tree.rename(old.dir, old.name, next.dir, next.name);
    });
  }

  /** Gives a file another name. */
  link(existing: ImagePath, path: ImagePath): void {
    this.#do("link", path, (bytes) => {
      const node = this.#paths.find(bytesOf(existing), false);
      const { dir, name } = this.#paths.place(bytes, ENOENT);
      this.tree.link(node, dir, name);
    });
  }

  /** Makes a symbolic link, whose text is `target` as it is. */
  symlink(target: ImagePath, path: ImagePath): void {
    this.#do("symlink", path, (bytes) => {
      const { dir, name } = this.#paths.place(bytes, ENOENT);
      this.tree.symlink(dir, name, bytesOf(target), this.creation);
    });
  }

  /** A device, fifo, socket or file: `mode` includes the type. */
  mknod(path: ImagePath, mode: number, device: Stats["device"] = NO_DEVICE): void {
    checkMode(mode);
    checkDevice(device);
    this.#do("mknod", path, (bytes) => {
      const { dir, name } = this.#paths.place(bytes, ENOENT);
      this.tree.makeNode(dir, name, mode, device, this.creation);
    });
  }

  /** Sets permission, set-id and sticky bits; symbolic links are followed. */
  chmod(path: ImagePath, mode: number): void {
    checkMode(mode);
    this.#change("chmod", path, { mode: mode & 0o7777 });
  }

  /** An id of −1 stays what it is. Of a symbolic link itself with `followLinks: false`. */
  chown(path: ImagePath, uid: number, gid: number, { followLinks = true } = {}): void {
    checkOwner({ uid, gid }, UNCHANGED);
    const changes = { ...(uid === UNCHANGED ? {} : { uid }), ...(gid === UNCHANGED ? {} : { gid }) };
    this.#change("chown", path, changes, followLinks);
  }

  /** Bytes; what a file grows by reads as zeros, and takes no space. */
  truncate(path: ImagePath, size: number): void {
    checkPosition("a size", size);
    this.#change("truncate", path, { size });
  }

  /** Sets times, to the nanosecond. Of a symbolic link itself with `followLinks: false`. */
  utimes(path: ImagePath, atime: Timestamp, mtime: Timestamp, { followLinks = true } = {}): void {
    for (const time of [atime, mtime]) checkTime(time);
    this.#change("utimes", path, { atime, mtime }, followLinks);
  }

  #change(call: string, path: ImagePath, changes: Changes, followLinks = true): void {
    this.#do(call, path, (bytes) => this.tree.setAttributes(this.#paths.find(bytes, followLinks), changes));
  }

  /** Names of extended attributes; of a symbolic link itself. */
  listXattrs(path: ImagePath): string[] {
    return this.#do("listxattr", path, (bytes) =>
      this.tree.listXattrs(this.#paths.find(bytes, false)).map((name) => nameToString(name)),
    );
  }

  /** An attribute's value by its full name (`user.comment`), undefined when it is not there; of a symbolic link itself. */
  getXattr(path: ImagePath, name: string): Uint8Array | undefined {
    return this.#do("getxattr", path, (bytes) => this.tree.getXattr(this.#paths.find(bytes, false), bytesOf(name)));
  }

  /** Makes or replaces an attribute; of a symbolic link itself. @throws ImageError ENOSPC when there is no room for it */
  setXattr(path: ImagePath, name: string, value: Uint8Array): void {
    checkBytes("an attribute's value", value);
    this.#do("setxattr", path, (bytes) => this.tree.setXattr(this.#paths.find(bytes, false), bytesOf(name), value));
  }

  /** @throws ImageError ENODATA when it is not there */
  removeXattr(path: ImagePath, name: string): void {
    this.#do("removexattr", path, (bytes) => this.tree.removeXattr(this.#paths.find(bytes, false), bytesOf(name)));
  }

  /** How full it is. */
  statfs(): Statistics {
    return this.#do("statfs", "/", () => {
      const [out] = this.tree.client.request("STATFS", this.tree.root.id, {}).out;
      const { frsize = 0, blocks = 0, bfree = 0, bavail = 0, files = 0, ffree = 0 } = out?.st ?? {};
      return { blockSize: frsize, blocks, blocksFree: bfree, blocksAvailable: bavail, files, filesFree: ffree };
    });
  }

  /** When this returns, all that was done is on the image. */
  sync(): void {
    this.#do("sync", "/", () => {
      answered("WRITE", this.tree.data.flush());
      if (this.writable) this.tree.sync();
    });
  }

  /**
   * Brings everything home and ends the server: when this returns, nobody uses the image any more.
   *
   * @throws ImageError for what could not be brought home
   */
  close(): void {
    if (!this.tree.client.isOpen) {
      this.tree.data.close();
      this.#leave();
      return;
    }
    this.#do("close", "/", () => {
      if (this.tree.data.isBusy) throw new FuseAnswerError("DESTROY", EBUSY);
      try {
        answered("WRITE", this.tree.data.flush());
      } finally {
        this.tree.client.destroy({ untilGone: true });
        this.tree.data.close();
        this.#leave();
      }
    });
  }

  #do<T>(call: string, path: ImagePath, run: (path: Uint8Array) => T): T {
    try {
      return run(bytesOf(path));
    } catch (error) {
      throw explained(call, path, error);
    }
  }
}

const SLASH = 0x2f;

/** @throws FuseAnswerError for a negative errno */
function answered(operation: string, result: number): number {
  if (result < 0) throw new FuseAnswerError(operation, result);
  return result;
}
