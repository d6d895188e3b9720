/** The system calls of a mount as a subject: the kernel's ext4 on a loop device, or our own server behind FUSE. */
import {
  chmodSync,
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { errorCode, fallocate, ioctl, makeNode, readXattrs, seekData, seekHole, setTimes } from "../system/calls.js";
import { copyRange, linkDescriptor, removeXattr, rename, setXattr, syncFileSystem } from "./calls.js";
import type { Range } from "./contents.js";
import type { Kind } from "./model.js";
import type { Status, Subject, Target } from "./subject.js";

const O_TMPFILE = 0o20200000;
const FS_IOC_GETFLAGS = 0x80086601;
const FS_IOC_SETFLAGS = 0x40086602;
const SECOND = 1_000_000_000n;

/** Mounts and unmounts one image at one place. */
export interface Mounter {
  /** @returns the mount point */
  mount(): Promise<string>;
  unmount(): Promise<void>;
}

/** What differs between the kernel's own file system and one that it asks through FUSE. */
export interface Manners {
  /**
   * Whether to live with what the kernel's ext4 does to SEEK_HOLE: ENOENT where inline data ends before the file, the start of
   * the data as its end where pages are larger than blocks and not written back yet.
   */
  readonly vagueHoles: boolean;
  readonly shiftsRanges: boolean;
  readonly refusesForGood: boolean;
  /** Where stat shows a time as it was set though the inode cannot hold it: what the inode holds of it. */
  readonly keptTime?: (time: bigint) => bigint;
}

export class SystemSubject implements Subject {
  readonly shiftsRanges: boolean;
  readonly refusesForGood: boolean;
  readonly #mounter: Mounter;
  readonly #vagueHoles: boolean;
  readonly #keptTime: (time: bigint) => bigint;
  readonly #handles = new Map<number, { fd: number; append: boolean }>();
  #root: Buffer;

  private constructor(mounter: Mounter, mountPoint: string, manners: Manners) {
    this.#mounter = mounter;
    this.#vagueHoles = manners.vagueHoles;
    this.shiftsRanges = manners.shiftsRanges;
    this.refusesForGood = manners.refusesForGood;
    this.#keptTime = manners.keptTime ?? ((time) => time);
    this.#root = Buffer.from(`${mountPoint}/`);
  }

  static async start(mounter: Mounter, manners: Manners): Promise<SystemSubject> {
    return new SystemSubject(mounter, await mounter.mount(), manners);
  }

  #path(path: string): Buffer {
    return Buffer.concat([this.#root, Buffer.from(path, "latin1")]);
  }

  #handle(slot: number): number {
    const handle = this.#handles.get(slot);
    if (handle === undefined) throw new Error(`handle ${slot} is not open`);
    return handle.fd;
  }

  #with<T>(target: Target, flags: number, work: (fd: number) => T): T {
    if (typeof target === "number") return work(this.#handle(target));
    const fd = openSync(this.#path(target), flags | constants.O_NOFOLLOW);
    try {
      return work(fd);
    } finally {
      closeSync(fd);
    }
  }

  create(path: string, mode: number): void {
    closeSync(openSync(this.#path(path), constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, mode));
  }
  mkdir(path: string, mode: number): void {
    mkdirSync(this.#path(path), mode);
  }
  mknod(path: string, mode: number, rdev: number): void {
    makeNode(this.#path(path), mode, rdev);
  }
  symlink(target: string, path: string): void {
    symlinkSync(Buffer.from(target, "latin1"), this.#path(path));
  }
  link(from: string, to: string): void {
    linkSync(this.#path(from), this.#path(to));
  }
  unlink(path: string): void {
    unlinkSync(this.#path(path));
  }
  rmdir(path: string): void {
    rmdirSync(this.#path(path));
  }
  rename(from: string, to: string, flags: number): void {
    rename(this.#path(from), this.#path(to), flags);
  }

  open(slot: number, path: string, append: boolean): void {
    const flags = constants.O_RDWR | (append ? constants.O_APPEND : 0);
    this.#handles.set(slot, { fd: openSync(this.#path(path), flags), append });
  }
  temporary(slot: number, directory: string, mode: number): void {
    this.#handles.set(slot, {
      fd: openSync(this.#path(directory), constants.O_RDWR | O_TMPFILE, mode),
      append: false,
    });
  }
  linkHandle(slot: number, path: string): void {
    linkDescriptor(this.#handle(slot), this.#path(path));
  }
  close(slot: number): void {
    const fd = this.#handle(slot);
    this.#handles.delete(slot);
    closeSync(fd);
  }

  write(target: Target, offset: number, bytes: Buffer): number {
    return this.#with(target, constants.O_RDWR, (fd) => writeSync(fd, bytes, 0, bytes.length, offset));
  }
  append(target: Target, bytes: Buffer): number {
    return this.#with(target, constants.O_RDWR | constants.O_APPEND, (fd) => writeSync(fd, bytes));
  }
  read(target: Target, offset: number, length: number): Buffer {
    return this.#with(target, constants.O_RDONLY, (fd) => {
      const out = Buffer.alloc(length);
      let done = 0;
      while (done < length) {
        const got = readSync(fd, out, done, length - done, offset + done);
        if (got === 0) break;
        done += got;
      }
      return out.subarray(0, done);
    });
  }
  truncate(target: Target, size: number): void {
    this.#with(target, constants.O_RDWR, (fd) => ftruncateSync(fd, size));
  }
  fallocate(target: Target, mode: number, offset: number, length: number): void {
    this.#with(target, constants.O_RDWR, (fd) => fallocate(fd, mode, offset, length));
  }
  copyRange(from: Target, fromOffset: number, to: Target, toOffset: number, length: number): number {
    return this.#with(from, constants.O_RDONLY, (source) =>
      this.#with(to, constants.O_RDWR, (destination) => {
        let done = 0;
        while (done < length) {
          const got = copyRange(source, fromOffset + done, destination, toOffset + done, length - done);
          if (got === 0) break;
          done += got;
        }
        return done;
      }),
    );
  }
  sync(target: Target, dataOnly: boolean): void {
    this.#with(target, constants.O_RDONLY, dataOnly ? fdatasyncSync : fsyncSync);
  }
  syncAll(): void {
    this.#with("", constants.O_RDONLY, syncFileSystem);
  }

  chmod(path: string, mode: number): void {
    chmodSync(this.#path(path), mode);
  }
  chown(path: string, uid: number, gid: number): void {
    lchownSync(this.#path(path), uid, gid);
  }
  setTimes(path: string, atime: bigint, mtime: bigint): void {
    setTimes(this.#path(path), timestamp(this.#keptTime(atime)), timestamp(this.#keptTime(mtime)));
  }
  setXattr(path: string, name: string, value: Buffer, flags: number): void {
    setXattr(this.#path(path), name, value, flags);
  }
  removeXattr(path: string, name: string): void {
    removeXattr(this.#path(path), name);
  }
  setFlags(path: string, flags: number): void {
    const argument = Buffer.alloc(8);
    argument.writeUInt32LE(flags, 0);
    this.#with(path, constants.O_RDONLY | constants.O_NONBLOCK, (fd) => ioctl(fd, FS_IOC_SETFLAGS, argument));
  }
  getFlags(path: string): number {
    const argument = Buffer.alloc(8);
    this.#with(path, constants.O_RDONLY | constants.O_NONBLOCK, (fd) => ioctl(fd, FS_IOC_GETFLAGS, argument));
    return argument.readUInt32LE(0);
  }

  stat(target: Target): Status {
    const stats =
      typeof target === "number"
        ? fstatSync(this.#handle(target), { bigint: true })
        : lstatSync(this.#path(target), { bigint: true });
    return {
      ino: Number(stats.ino),
      kind: kindOf(Number(stats.mode)),
      mode: Number(stats.mode & 0o7777n),
      uid: Number(stats.uid),
      gid: Number(stats.gid),
      nlink: Number(stats.nlink),
      size: Number(stats.size),
      rdev: Number(stats.rdev),
      atime: stats.atimeNs,
      mtime: stats.mtimeNs,
    };
  }
  list(path: string): string[] {
    return readdirSync(this.#path(path), { encoding: "buffer" }).map((name) => name.toString("latin1"));
  }
  readLink(path: string): string {
    return readlinkSync(this.#path(path), { encoding: "buffer" }).toString("latin1");
  }
  xattrs(path: string): Map<string, Buffer> {
    return readXattrs(this.#path(path));
  }
  dataRanges(target: Target, size: number): Range[] {
    return this.#with(target, constants.O_RDONLY, (fd) => {
      const ranges: Range[] = [];
      for (let start = seekData(fd, 0); start !== undefined; ) {
        const end = this.#seekHole(fd, start, size);
        if (end <= start) throw new Error(`SEEK_HOLE at ${start} gives ${end}`);
        ranges.push({ start, end });
        start = end >= size ? undefined : seekData(fd, end);
      }
      return ranges;
    });
  }

  /** Where data ends; the rest of the file counts as data where the kernel's ext4 cannot tell. */
  #seekHole(fd: number, start: number, size: number): number {
    if (!this.#vagueHoles) return seekHole(fd, start);
    try {
      const end = seekHole(fd, start);
      return end > start ? end : Math.max(size, start + 1);
    } catch (error) {
      const code = errorCode(error);
      if (code === "ENOENT" || code === "ENXIO") return Math.max(size, start + 1);
      throw error;
    }
  }

  async remount(): Promise<void> {
    await this.end();
    this.#root = Buffer.from(`${await this.#mounter.mount()}/`);
  }
  async end(): Promise<void> {
    let failure: unknown;
    for (const { fd } of this.#handles.values()) {
      try {
        closeSync(fd); // closes it also when what was cached finds no room
      } catch (error) {
        failure = error;
      }
    }
    this.#handles.clear();
    await this.#mounter.unmount();
    if (failure !== undefined) throw failure;
  }
}

function timestamp(time: bigint): { seconds: number; nanoseconds: number } {
  const nanoseconds = ((time % SECOND) + SECOND) % SECOND;
  return { seconds: Number((time - nanoseconds) / SECOND), nanoseconds: Number(nanoseconds) };
}

const KINDS: ReadonlyMap<number, Kind> = new Map([
  [0o100000, "file"],
  [0o040000, "directory"],
  [0o120000, "symlink"],
  [0o010000, "fifo"],
  [0o140000, "socket"],
  [0o020000, "character"],
  [0o060000, "block"],
]);

/** What the type's bits of a mode say. */
export function kindOf(mode: number): Kind {
  const kind = KINDS.get(mode & 0o170000);
  if (kind === undefined) throw new Error(`mode 0${mode.toString(8)} names no type`);
  return kind;
}
