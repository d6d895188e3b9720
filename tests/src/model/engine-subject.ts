/** The engine as a subject, called as a file system in user space is called: what Linux's VFS checks before is checked here. */
import { FileSystemError, FileType, type Inode } from "@bulkhead/ext4";
import { SystemCallError } from "../system/calls.js";
import { directoriesOf, RenameFlag } from "./calls.js";
import type { Range } from "./contents.js";
import { type EngineHost, openEngine } from "./engine-host.js";
import type { Status, Subject, Target } from "./subject.js";
import { kindOf } from "./system-subject.js";
import { keptTime, type ModelVariant } from "./variants.js";

const ROOT_CREDENTIALS = { uid: 0, gid: 0, privileged: true } as const;
const SET_USER_ID = 0o4000;
const SET_GROUP_ID = 0o2000;
const GROUP_EXECUTE = 0o010;
const SECOND = 1_000_000_000n;
const PUNCH_HOLE = 2;
const ZERO_RANGE = 0x10;
const EINVAL = 22;
const EPERM = 1;
const ENOENT = 2;
const EEXIST = 17;
const ENOTEMPTY = 39;

interface Handle {
  readonly ino: number;
  readonly append: boolean;
}

interface Place {
  readonly directory: Inode;
  readonly name: Buffer;
}

export class EngineSubject implements Subject {
  readonly shiftsRanges = true;
  readonly refusesForGood = true;
  readonly #image: string;
  readonly #variant: ModelVariant;
  readonly #handles = new Map<number, Handle>();
  /** Files of O_TMPFILE that have no name yet. */
  readonly #temporaries = new Set<number>();
  #engine: EngineHost;

  constructor(image: string, variant: ModelVariant) {
    this.#image = image;
    this.#variant = variant;
    this.#engine = openEngine(image);
  }

  get #fs(): EngineHost["fs"] {
    return this.#engine.fs;
  }

  #inode(target: Target): Inode {
    if (typeof target === "number") return this.#fs.inode(this.#handle(target).ino);
    let inode = this.#fs.root;
    for (const name of target.split("/")) {
      if (name === "") continue;
      const ino = this.#fs.lookup(inode, Buffer.from(name, "latin1"));
      if (ino === 0) throw new FileSystemError("ENOENT", target);
      inode = this.#fs.inode(ino);
    }
    return inode;
  }

  #handle(slot: number): Handle {
    const handle = this.#handles.get(slot);
    if (handle === undefined) throw new Error(`handle ${slot} is not open`);
    return handle;
  }

  #place(path: string): Place {
    const slash = path.lastIndexOf("/");
    const directory = this.#inode(slash < 0 ? "" : path.slice(0, slash));
    return { directory, name: Buffer.from(path.slice(slash + 1), "latin1") };
  }

  /** The inode that a name leads to, 0 when it is free. */
  #find({ directory, name }: Place): number {
    return this.#fs.lookup(directory, name);
  }

  /** The kernel forgets what has no name and is not open. */
  #forget(ino: number): void {
    if (ino === 0 || this.#fs.inode(ino).linksCount > 0) return;
    for (const handle of this.#handles.values()) if (handle.ino === ino) return;
    this.#fs.release(ino);
    this.#temporaries.delete(ino);
  }

  create(path: string, mode: number): void {
    const { directory, name } = this.#place(path);
    this.#fs.create(directory, name, { ...ROOT_CREDENTIALS, mode: FileType.regular | mode });
  }
  mkdir(path: string, mode: number): void {
    const { directory, name } = this.#place(path);
    this.#fs.mkdir(directory, name, { ...ROOT_CREDENTIALS, mode: mode & 0o1777 });
  }
  mknod(path: string, mode: number, rdev: number): void {
    const { directory, name } = this.#place(path);
    this.#fs.create(directory, name, { ...ROOT_CREDENTIALS, mode, rdev });
  }
  symlink(target: string, path: string): void {
    const { directory, name } = this.#place(path);
    this.#fs.symlink(directory, name, Buffer.from(target, "latin1"), ROOT_CREDENTIALS);
  }
  link(from: string, to: string): void {
    const inode = this.#inode(from);
    const place = this.#place(to);
    if (this.#find(place) !== 0) fail("link", EEXIST);
    if (inode.isDirectory) fail("link", EPERM);
    this.#fs.link(inode, place.directory, place.name);
  }
  unlink(path: string): void {
    const place = this.#place(path);
    const ino = this.#find(place);
    this.#fs.unlink(place.directory, place.name);
    this.#forget(ino);
  }
  rmdir(path: string): void {
    const place = this.#place(path);
    const ino = this.#find(place);
    this.#fs.rmdir(place.directory, place.name);
    this.#forget(ino);
  }
  rename(from: string, to: string, flags: number): void {
    const exchange = (flags & RenameFlag.exchange) !== 0;
    if (exchange && flags !== RenameFlag.exchange) fail("rename", EINVAL);
    const source = this.#place(from);
    const target = this.#place(to);
    const moved = this.#find(source);
    if (moved === 0) fail("rename", ENOENT);
    const replaced = this.#find(target);
    if (replaced !== 0 && (flags & RenameFlag.noReplace) !== 0) fail("rename", EEXIST);
    if (replaced === 0 && exchange) fail("rename", ENOENT);
    const leadsThrough = (path: string, ino: number) =>
      directoriesOf(path).some((above) => this.#inode(above).ino === ino);
    if (leadsThrough(to, moved)) fail("rename", EINVAL);
    if (leadsThrough(from, replaced)) fail("rename", exchange ? EINVAL : ENOTEMPTY);
    if (moved === replaced) return;
    this.#fs.rename(source.directory, source.name, target.directory, target.name, flags);
    if (!exchange) this.#forget(replaced);
  }

  open(slot: number, path: string, append: boolean): void {
    this.#handles.set(slot, { ino: this.#inode(path).ino, append });
  }
  temporary(slot: number, directory: string, mode: number): void {
    const inode = this.#fs.tmpfile(this.#inode(directory), { ...ROOT_CREDENTIALS, mode: FileType.regular | mode });
    this.#temporaries.add(inode.ino);
    this.#handles.set(slot, { ino: inode.ino, append: false });
  }
  linkHandle(slot: number, path: string): void {
    const inode = this.#inode(slot);
    const place = this.#place(path);
    const nameless = inode.linksCount === 0 && !this.#temporaries.has(inode.ino);
    if (nameless && this.#find(place) === 0) fail("linkat", ENOENT);
    this.#fs.link(inode, place.directory, place.name);
    this.#temporaries.delete(inode.ino);
  }
  close(slot: number): void {
    const { ino } = this.#handle(slot);
    this.#handles.delete(slot);
    this.#forget(ino);
  }

  write(target: Target, offset: number, bytes: Buffer): number {
    const inode = this.#inode(target);
    const append = typeof target === "number" && this.#handle(target).append;
    return this.#write(inode, append ? inode.size : offset, bytes);
  }
  append(target: Target, bytes: Buffer): number {
    const inode = this.#inode(target);
    return this.#write(inode, inode.size, bytes);
  }
  /** The engine hears nothing of a write to space that is mapped already; the times are the kernel's to set then. */
  #write(inode: Inode, offset: number, bytes: Buffer): number {
    const written = count(this.#engine.host.write(inode, offset, bytes), "write");
    this.#touch(inode);
    return written;
  }
  #touch(inode: Inode): void {
    const now = split(BigInt(Date.now()) * 1_000_000n);
    this.#fs.setAttributes(inode, { mtime: now.seconds, mtimeNanoseconds: now.nanoseconds });
  }
  read(target: Target, offset: number, length: number): Buffer {
    const out = Buffer.alloc(length);
    return out.subarray(0, count(this.#engine.host.read(this.#inode(target), offset, out), "read"));
  }
  truncate(target: Target, size: number): void {
    const inode = this.#inode(target);
    count(this.#engine.host.zeroTail(inode, Math.min(size, inode.size)), "truncate");
    this.#fs.resize(inode, size);
  }
  fallocate(target: Target, mode: number, offset: number, length: number): void {
    const inode = this.#inode(target);
    const { blockSize } = this.#fs.geometry;
    const end = offset + length;
    this.#fs.fallocate(inode, mode, offset, length);
    if ((mode & (PUNCH_HOLE | ZERO_RANGE)) !== 0) {
      const firstWhole = Math.min(end, Math.ceil(offset / blockSize) * blockSize);
      const lastWhole = Math.max(firstWhole, Math.floor(end / blockSize) * blockSize);
      count(this.#engine.host.zero(inode, offset, firstWhole - offset), "zero");
      count(this.#engine.host.zero(inode, lastWhole, end - lastWhole), "zero");
    }
  }
  copyRange(from: Target, fromOffset: number, to: Target, toOffset: number, length: number): number {
    const source = this.#inode(from);
    const destination = this.#inode(to);
    const most = Math.max(0, Math.min(length, source.size - fromOffset));
    if (source === destination && Math.abs(fromOffset - toOffset) < most) fail("copy_file_range", EINVAL);
    const copied = count(this.#engine.host.copy(source, fromOffset, destination, toOffset, most), "copy_file_range");
    if (copied > 0) this.#touch(destination);
    return copied;
  }
  sync(target: Target, dataOnly: boolean): void {
    this.#fs.fsync(this.#inode(target), dataOnly);
  }
  syncAll(): void {
    this.#fs.sync();
  }

  chmod(path: string, mode: number): void {
    this.#fs.setAttributes(this.#inode(path), { mode, privileged: true });
  }
  chown(path: string, uid: number, gid: number): void {
    const inode = this.#inode(path);
    let mode = inode.mode & 0o7777;
    if (!inode.isDirectory) {
      mode &= ~SET_USER_ID;
      if ((mode & GROUP_EXECUTE) !== 0) mode &= ~SET_GROUP_ID;
    }
    this.#fs.setAttributes(inode, { uid, gid, mode, privileged: true });
  }
  setTimes(path: string, atime: bigint, mtime: bigint): void {
    const at = split(keptTime(this.#variant, atime));
    const mt = split(keptTime(this.#variant, mtime));
    this.#fs.setAttributes(this.#inode(path), {
      atime: at.seconds,
      atimeNanoseconds: at.nanoseconds,
      mtime: mt.seconds,
      mtimeNanoseconds: mt.nanoseconds,
    });
  }
  setXattr(path: string, name: string, value: Buffer, flags: number): void {
    const inode = this.#inode(path);
    if (name.startsWith("user.") && !inode.isRegular && !inode.isDirectory) fail("setxattr", EPERM);
    this.#fs.setXattr(inode, name, value, flags);
  }
  removeXattr(path: string, name: string): void {
    this.#fs.removeXattr(this.#inode(path), name);
  }
  setFlags(path: string, flags: number): void {
    this.#fs.setFlags(this.#inode(path), flags);
  }
  getFlags(path: string): number {
    return this.#inode(path).flags;
  }

  stat(target: Target): Status {
    const inode = this.#inode(target);
    return {
      ino: inode.ino,
      kind: kindOf(inode.mode),
      mode: inode.mode & 0o7777,
      uid: inode.uid,
      gid: inode.gid,
      nlink: inode.linksCount,
      size: inode.size,
      rdev: inode.rdev,
      atime: join(inode.atime, inode.atimeNanoseconds),
      mtime: join(inode.mtime, inode.mtimeNanoseconds),
    };
  }
  list(path: string): string[] {
    const names: string[] = [];
    this.#fs.readDirectory(this.#inode(path), 0, 0, (_ino, _type, bytes, start, length) => {
      names.push(Buffer.from(bytes.subarray(start, start + length)).toString("latin1"));
      return true;
    });
    return names.filter((name) => name !== "." && name !== "..");
  }
  readLink(path: string): string {
    return Buffer.from(this.#fs.readLink(this.#inode(path))).toString("latin1");
  }
  xattrs(path: string): Map<string, Buffer> {
    const inode = this.#inode(path);
    const found = new Map<string, Buffer>();
    for (const name of this.#fs.listXattrs(inode)) {
      const value = this.#fs.getXattr(inode, name);
      if (value !== undefined) found.set(name, Buffer.from(value));
    }
    return found;
  }
  dataRanges(target: Target, size: number): Range[] {
    const inode = this.#inode(target);
    const ranges: Range[] = [];
    for (let at = 0; at < size; ) {
      const start = this.#engine.host.seek(inode, at, "data");
      if (start < 0) break;
      const end = count(this.#engine.host.seek(inode, start, "hole"), "lseek");
      ranges.push({ start, end });
      at = end;
    }
    return ranges;
  }

  async remount(): Promise<void> {
    await this.end();
    this.#engine = openEngine(this.#image);
  }
  async end(): Promise<void> {
    for (const slot of [...this.#handles.keys()]) this.close(slot);
    this.#engine.close();
  }
}

function fail(call: string, errno: number): never {
  throw new SystemCallError(call, errno);
}

/** What the host answered; a negative number is an errno. */
function count(answer: number, call: string): number {
  if (answer < 0) fail(call, -answer);
  return answer;
}

function split(time: bigint): { seconds: number; nanoseconds: number } {
  const nanoseconds = ((time % SECOND) + SECOND) % SECOND;
  return { seconds: Number((time - nanoseconds) / SECOND), nanoseconds: Number(nanoseconds) };
}

function join(seconds: number, nanoseconds: number): bigint {
  return BigInt(seconds) * SECOND + BigInt(nanoseconds);
}
