import * as fs from "node:fs";
import { setImmediate } from "node:timers/promises";
import { type Ext4, Ext4File, type Inode, statsOf } from "@bulkhead/ext4";
import { walk } from "../source/walk.js";
import { type HostPath, lstatOrUndefined, makeDirectory, moveInto, pathIn, temporaryBeside } from "./destination.js";
import type { Host } from "./host.js";
import type { Attributes } from "./preserve.js";
import type { Progress } from "./progress.js";

const CHUNK = 1024 * 1024;
/** How long the copy may go on without looking at signals and timers, in ms. */
const TURN = 50;
const { O_CREAT, O_EXCL, O_NOFOLLOW = 0, O_WRONLY } = fs.constants;

export interface CopierOptions {
  readonly host: Host;
  readonly attributes: Attributes;
  readonly keepLinks: boolean;
  /** Leave what is there already. */
  readonly noClobber: boolean;
  /** Whether ACLs that copies get from DEST's default ACL are to be removed. */
  readonly inheritsAcl: boolean;
  readonly progress: Progress;
  /** Stops the copy between two chunks. */
  readonly signal: AbortSignal;
  /** Told of each file that is done. */
  done(path: HostPath): void;
  /** Told of each file that failed, or lacks something. */
  failed(path: HostPath, error: unknown): void;
}

/** Copies out of images onto the host. One for a whole command, so that links between its sources are kept. */
export class Copier {
  readonly #options: CopierOptions;
  readonly #buffer = new Uint8Array(CHUNK);
  /** The first copy of each inode with several links. */
  readonly #links = new Map<Ext4, Map<number, HostPath>>();
  #turn = performance.now();

  constructor(options: CopierOptions) {
    this.#options = options;
  }

  /** Copies a directory and what is in it to `path`, which may be a directory already. @param keepTop leave the attributes of one that is */
  async copyTree(ext4: Ext4, root: Inode, path: HostPath, keepTop: boolean): Promise<void> {
    const { failed } = this.#options;
    /** The copies of the directories that the walk is in. */
    const directories: HostPath[] = [];
    let made: HostPath | undefined;
    let isNew: boolean;
    try {
      isNew = makeDirectory(path);
    } catch (error) {
      failed(path, error);
      return;
    }
    directories[0] = path;
    const steps = walk(ext4.fs, root, {
      enter: () => made !== undefined,
      failed: (error, _directory, entry) => {
        const where = directories.at(-1) ?? path;
        failed(entry === undefined ? where : Buffer.concat([where, Buffer.from("/"), entry.nameBytes]), error);
      },
    });
    for (const { kind, at } of steps) {
      if (kind === "end") {
        this.#finishDirectory(ext4, at.inode, directories.pop()!);
        continue;
      }
      made = undefined;
      directories.length = at.depth;
      const parent = directories[at.depth - 1]!;
      try {
        const target = pathIn(parent, at.entry.nameBytes);
        if (at.inode.isDirectory) {
          makeDirectory(target);
          made = target;
          directories[at.depth] = target;
        } else {
          await this.copyFile(ext4, at.inode, target, at.entry.nameBytes);
        }
      } catch (error) {
        if (this.#options.signal.aborted) throw error;
        failed(Buffer.concat([parent, Buffer.from("/"), at.entry.nameBytes]), error);
      }
      await this.#pause();
    }
    if (isNew || !keepTop) this.#finishDirectory(ext4, root, path);
  }

  #finishDirectory(ext4: Ext4, inode: Inode, path: HostPath): void {
    try {
      this.#options.attributes.set(ext4, inode, path, this.#options.inheritsAcl);
      this.#options.done(path);
    } catch (error) {
      this.#options.failed(path, error);
    }
  }

  /**
   * Copies anything but a directory to `path`. It is made under another name, and gets its own when it is complete.
   *
   * @throws what went wrong; nothing is left of it then
   */
  async copyFile(ext4: Ext4, inode: Inode, path: HostPath, name: Uint8Array): Promise<void> {
    const { attributes, done, inheritsAcl, noClobber, progress } = this.#options;
    if (noClobber && lstatOrUndefined(path) !== undefined) return;
    progress.file(name);
    const temporary = temporaryBeside(path);
    try {
      if (this.#link(ext4, inode, temporary)) {
        moveInto(temporary, path);
      } else {
        await this.#make(ext4, inode, temporary);
        attributes.set(ext4, inode, temporary, inheritsAcl);
        moveInto(temporary, path);
        this.#remember(ext4, inode, path);
      }
      done(path);
    } catch (error) {
      fs.rmSync(temporary, { force: true });
      throw error;
    }
  }

  async #make(ext4: Ext4, inode: Inode, path: HostPath): Promise<void> {
    if (inode.isRegular) {
      await this.#writeContents(new Ext4File(ext4.fs, inode), path);
    } else if (inode.isSymlink) {
      fs.symlinkSync(Buffer.from(ext4.fs.readLink(inode)), path);
    } else {
      const { kind, mode, device } = statsOf(inode, ext4.fs.geometry.blockSize);
      if (kind === "unknown") throw new Error("a file of an unknown type");
      this.#options.host.makeNode(path, (mode & 0xf000) | 0o600, device);
    }
  }

  /** Writes the ranges that hold data, and leaves holes and unwritten space out. */
  async #writeContents(file: Ext4File, path: HostPath): Promise<void> {
    const fd = fs.openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      fs.ftruncateSync(fd, file.size);
      for (const { kind, offset, length } of file.extents()) {
        if (kind === "data" || kind === "inline") {
          await this.#writeRange(file, fd, offset, Math.min(offset + length, file.size));
        } else {
          if (kind === "unwritten") this.#options.progress.add(Math.min(length, file.size - offset));
          await this.#pause();
        }
      }
    } finally {
      fs.closeSync(fd);
    }
  }

  async #writeRange(file: Ext4File, fd: number, from: number, to: number): Promise<void> {
    for (let position = from; position < to; ) {
      const count = file.read(position, this.#buffer.subarray(0, Math.min(CHUNK, to - position)));
      for (let written = 0; written < count; ) {
        written += fs.writeSync(fd, this.#buffer, written, count - written, position + written);
      }
      position += count;
      this.#options.progress.add(count);
      await this.#pause();
    }
  }

  /** Links to an earlier copy of the same inode, if there is one that can be linked to. */
  #link(ext4: Ext4, inode: Inode, path: HostPath): boolean {
    const earlier = this.#links.get(ext4)?.get(inode.ino);
    if (earlier === undefined) return false;
    try {
      fs.linkSync(earlier, path);
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // The copy was moved away, or the host's file system allows no more links: a copy of its own, then.
      if (code === "ENOENT" || code === "EMLINK" || code === "EXDEV" || code === "EPERM") return false;
      throw error;
    }
  }

  #remember(ext4: Ext4, inode: Inode, path: HostPath): void {
    if (!this.#options.keepLinks || inode.linksCount < 2) return;
    let ofImage = this.#links.get(ext4);
    if (ofImage === undefined) {
      ofImage = new Map();
      this.#links.set(ext4, ofImage);
    }
    ofImage.set(inode.ino, path);
  }

  /** Lets signals and the progress bar have their turn. @throws when the copy is to stop */
  async #pause(): Promise<void> {
    if (performance.now() - this.#turn < TURN) return;
    await setImmediate();
    this.#turn = performance.now();
    this.#options.signal.throwIfAborted();
  }
}
