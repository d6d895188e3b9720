/** An image without a mount as a subject: what Linux does before and after it asks a file system, the library or its user does here. */
import { type Image, type ImageNode, openImage, type Timestamp } from "@bulkhead/image";
import { errnoName } from "@bulkhead/linux";
import { SystemCallError } from "../system/calls.js";
import { directoriesOf, RenameFlag } from "./calls.js";
import type { Range } from "./contents.js";
import type { Status, Subject, Target } from "./subject.js";
import { kindOf } from "./system-subject.js";
import { keptTime, type ModelVariant } from "./variants.js";

const ROOT = { uid: 0, gid: 0, umask: 0 } as const;
const REGULAR = 0o100000;
const STICKY = 0o1777;
const SET_USER_ID = 0o4000;
const SET_GROUP_ID = 0o2000;
const GROUP_EXECUTE = 0o010;
const SECOND = 1_000_000_000n;
const NO_DEVICE = { major: 0, minor: 0 };
const ENOENT = 2;
const EEXIST = 17;
const EINVAL = 22;
const EPERM = 1;
const ENOTEMPTY = 39;
const ENXIO = -6;

interface Handle {
  readonly node: ImageNode;
  readonly append: boolean;
}

interface Place {
  readonly dir: ImageNode;
  readonly name: Buffer;
}

export class ImageSubject implements Subject {
  readonly shiftsRanges = true;
  readonly refusesForGood = true;
  readonly #path: string;
  readonly #variant: ModelVariant;
  readonly #handles = new Map<number, Handle>();
  /** Files of O_TMPFILE that have no name yet. */
  readonly #temporaries = new Set<number>();
  #image: Image;

  constructor(path: string, variant: ModelVariant) {
    this.#path = path;
    this.#variant = variant;
    this.#image = this.#open();
  }

  #open(): Image {
    return openImage(this.#path, { writable: true, owner: ROOT, umask: 0 });
  }

  get #tree(): Image["tree"] {
    return this.#image.tree;
  }

  #node(target: Target): ImageNode {
    if (typeof target === "number") return this.#handle(target).node;
    let node = this.#tree.root;
    for (const name of target.split("/")) {
      if (name === "") continue;
      const next = this.#tree.lookup(node, Buffer.from(name, "latin1"));
      if (next === undefined) throw new SystemCallError("lookup", ENOENT);
      node = next;
    }
    return this.#opened(node);
  }

  /** Who has a file open and who finds it by name have the same file. */
  #opened(node: ImageNode): ImageNode {
    for (const handle of this.#handles.values()) if (handle.node.id === node.id) return handle.node;
    return node;
  }

  #handle(slot: number): Handle {
    const handle = this.#handles.get(slot);
    if (handle === undefined) throw new Error(`handle ${slot} is not open`);
    return handle;
  }

  #isOpen(node: ImageNode): boolean {
    return [...this.#handles.values()].some((handle) => handle.node.id === node.id);
  }

  #place(path: string): Place {
    const slash = path.lastIndexOf("/");
    const dir = this.#node(slash < 0 ? "" : path.slice(0, slash));
    return { dir, name: Buffer.from(path.slice(slash + 1), "latin1") };
  }

  #find({ dir, name }: Place): ImageNode | undefined {
    return this.#tree.lookup(dir, name);
  }

  create(path: string, mode: number): void {
    this.mknod(path, REGULAR | mode, 0);
  }
  mkdir(path: string, mode: number): void {
    const { dir, name } = this.#place(path);
    this.#tree.makeDirectory(dir, name, mode & STICKY, ROOT);
  }
  mknod(path: string, mode: number, rdev: number): void {
    const { dir, name } = this.#place(path);
    const device = rdev === 0 ? NO_DEVICE : { major: (rdev >>> 8) & 0xfff, minor: minorOf(rdev) };
    this.#tree.makeNode(dir, name, mode, device, ROOT);
  }
  symlink(target: string, path: string): void {
    const { dir, name } = this.#place(path);
    this.#tree.symlink(dir, name, Buffer.from(target, "latin1"), ROOT);
  }
  link(from: string, to: string): void {
    const node = this.#node(from);
    const place = this.#place(to);
    if (this.#find(place) !== undefined) fail("link", EEXIST);
    this.#tree.link(node, place.dir, place.name);
  }
  unlink(path: string): void {
    const { dir, name } = this.#place(path);
    const victim = this.#find({ dir, name });
    // The library lets go of what it unlinks; what is still open is let go of when it is closed.
    if (victim !== undefined && this.#isOpen(victim)) this.#tree.client.request("UNLINK", dir.id, { names: [name] });
    else this.#tree.unlink(dir, name);
  }
  rmdir(path: string): void {
    const { dir, name } = this.#place(path);
    this.#tree.removeDirectory(dir, name);
  }
  rename(from: string, to: string, flags: number): void {
    const exchange = (flags & RenameFlag.exchange) !== 0;
    if (exchange && flags !== RenameFlag.exchange) fail("rename", EINVAL);
    const source = this.#place(from);
    const target = this.#place(to);
    const moved = this.#find(source);
    if (moved === undefined) fail("rename", ENOENT);
    const replaced = this.#find(target);
    if (replaced !== undefined && (flags & RenameFlag.noReplace) !== 0) fail("rename", EEXIST);
    if (replaced === undefined && exchange) fail("rename", ENOENT);
    const leadsThrough = (path: string, id: number | undefined) =>
      directoriesOf(path).some((above) => this.#node(above).id === id);
    if (leadsThrough(to, moved.id)) fail("rename", EINVAL);
    if (leadsThrough(from, replaced?.id)) fail("rename", exchange ? EINVAL : ENOTEMPTY);
    if (moved?.id === replaced?.id) return;
    if (replaced === undefined || !this.#isOpen(replaced)) {
      this.#tree.rename(source.dir, source.name, target.dir, target.name, flags);
      return;
    }
    const request = { newdir: target.dir.id, flags };
    this.#tree.client.request("RENAME2", source.dir.id, { request, names: [source.name, target.name] });
  }

  open(slot: number, path: string, append: boolean): void {
    this.#handles.set(slot, { node: this.#node(path), append });
  }
  temporary(slot: number, directory: string, mode: number): void {
    const node = this.#tree.makeTemporary(this.#node(directory), mode, ROOT);
    this.#temporaries.add(node.id);
    this.#handles.set(slot, { node, append: false });
  }
  linkHandle(slot: number, path: string): void {
    const { node } = this.#handle(slot);
    const place = this.#place(path);
    const nameless = this.#tree.stat(node).links === 0 && !this.#temporaries.has(node.id);
    if (nameless && this.#find(place) === undefined) fail("linkat", ENOENT);
    this.#tree.link(node, place.dir, place.name);
    this.#temporaries.delete(node.id);
  }
  close(slot: number): void {
    const { node } = this.#handle(slot);
    this.#handles.delete(slot);
    if (this.#isOpen(node) || this.#tree.stat(node).links > 0) return;
    this.#tree.forget(node);
    this.#temporaries.delete(node.id);
  }

  write(target: Target, offset: number, bytes: Buffer): number {
    const node = this.#node(target);
    const append = typeof target === "number" && this.#handle(target).append;
    return this.#write(node, append ? node.size : offset, bytes);
  }
  append(target: Target, bytes: Buffer): number {
    const node = this.#node(target);
    return this.#write(node, node.size, bytes);
  }
  #write(node: ImageNode, offset: number, bytes: Buffer): number {
    const written = count(this.#tree.data.write(node, offset, bytes), "write");
    count(this.#tree.data.touch(node), "touch");
    return written;
  }
  read(target: Target, offset: number, length: number): Buffer {
    const out = Buffer.alloc(length);
    return out.subarray(0, count(this.#tree.data.read(this.#node(target), offset, out), "read"));
  }
  truncate(target: Target, size: number): void {
    this.#tree.setAttributes(this.#node(target), { size });
  }
  fallocate(target: Target, mode: number, offset: number, length: number): void {
    const node = this.#node(target);
    count(this.#tree.data.fallocate(node, mode, offset, length), "fallocate");
    count(this.#tree.data.touch(node), "touch");
  }
  copyRange(from: Target, fromOffset: number, to: Target, toOffset: number, length: number): number {
    const source = this.#node(from);
    const destination = this.#node(to);
    const most = Math.max(0, Math.min(length, source.size - fromOffset));
    if (source.id === destination.id && Math.abs(fromOffset - toOffset) < most) fail("copy_file_range", EINVAL);
    if (most === 0) return 0;
    return this.#write(destination, toOffset, this.read(from, fromOffset, most));
  }
  sync(target: Target, dataOnly: boolean): void {
    this.#tree.fsync(this.#node(target), dataOnly);
  }
  syncAll(): void {
    this.#image.sync();
  }

  chmod(path: string, mode: number): void {
    this.#tree.setAttributes(this.#node(path), { mode });
  }
  chown(path: string, uid: number, gid: number): void {
    const node = this.#node(path);
    let mode = this.#tree.stat(node).mode & 0o7777;
    if (!node.isDirectory) {
      mode &= ~SET_USER_ID;
      if ((mode & GROUP_EXECUTE) !== 0) mode &= ~SET_GROUP_ID;
    }
    this.#tree.setAttributes(node, { uid, gid, mode });
  }
  setTimes(path: string, atime: bigint, mtime: bigint): void {
    this.#tree.setAttributes(this.#node(path), {
      atime: split(keptTime(this.#variant, atime)),
      mtime: split(keptTime(this.#variant, mtime)),
    });
  }
  setXattr(path: string, name: string, value: Buffer, flags: number): void {
    const node = this.#node(path);
    if (name.startsWith("user.") && node.stats.kind !== "file" && !node.isDirectory) fail("setxattr", EPERM);
    this.#tree.setXattr(node, Buffer.from(name, "latin1"), value, flags);
  }
  removeXattr(path: string, name: string): void {
    this.#tree.removeXattr(this.#node(path), Buffer.from(name, "latin1"));
  }
  setFlags(path: string, flags: number): void {
    this.#tree.setFlags(this.#node(path), flags);
  }
  getFlags(path: string): number {
    return this.#tree.particulars(this.#node(path)).flags;
  }

  stat(target: Target): Status {
    const { ino, mode, uid, gid, links, size, device, atime, mtime } = this.#tree.stat(this.#node(target));
    return {
      ino,
      kind: kindOf(mode),
      mode: mode & 0o7777,
      uid,
      gid,
      nlink: links,
      size,
      rdev: (device.minor & 0xff) + device.major * 0x100 + (device.minor >>> 8) * 0x100000,
      atime: join(atime),
      mtime: join(mtime),
    };
  }
  list(path: string): string[] {
    return this.#image
      .readdir(Buffer.from(`/${path}`, "latin1"))
      .map(({ nameBytes }) => Buffer.from(nameBytes).toString("latin1"));
  }
  readLink(path: string): string {
    return Buffer.from(this.#tree.readLink(this.#node(path))).toString("latin1");
  }
  xattrs(path: string): Map<string, Buffer> {
    const node = this.#node(path);
    const found = new Map<string, Buffer>();
    for (const name of this.#tree.listXattrs(node)) {
      const value = this.#tree.getXattr(node, name);
      if (value !== undefined) found.set(Buffer.from(name).toString("latin1"), Buffer.from(value));
    }
    return found;
  }
  dataRanges(target: Target, size: number): Range[] {
    const node = this.#node(target);
    const ranges: Range[] = [];
    for (let at = 0; at < size; ) {
      const start = this.#tree.data.seek(node, at, "data");
      if (start === ENXIO) break;
      const end = count(this.#tree.data.seek(node, count(start, "lseek"), "hole"), "lseek");
      ranges.push({ start, end });
      at = end;
    }
    return ranges;
  }

  async remount(): Promise<void> {
    await this.end();
    this.#image = this.#open();
  }
  async end(): Promise<void> {
    this.#handles.clear();
    this.#temporaries.clear();
    this.#image.close();
  }
}

function fail(call: string, errno: number): never {
  throw new SystemCallError(call, errno);
}

function count(result: number, call: string): number {
  if (result < 0) throw new SystemCallError(`${call} (${errnoName(result)})`, -result);
  return result;
}

function minorOf(rdev: number): number {
  return (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
}

function split(time: bigint): Timestamp {
  const nanoseconds = ((time % SECOND) + SECOND) % SECOND;
  return { seconds: Number((time - nanoseconds) / SECOND), nanoseconds: Number(nanoseconds) };
}

function join({ seconds, nanoseconds }: Timestamp): bigint {
  return BigInt(seconds) * SECOND + BigInt(nanoseconds);
}
