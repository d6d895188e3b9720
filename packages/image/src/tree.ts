import { type Caller, FuseAnswerError, type FuseClient } from "@bulkhead/fuse/client";
import { type DirectoryRecord, Fattr, type FuseEntryOut } from "@bulkhead/fuse/protocol";
import type { View } from "@bulkhead/linux/struct";
import type { FileData } from "./data/file-data.js";
import { type FileKind, ImageNode, kindOfEntryType, rdevOf, type Stats, statsOf, type Timestamp } from "./node.js";

const ROOT = 1;
/** Nodes that the server is to remember for us; those known for longest are given back. */
const MOST_NODES = 32_768;
/** Names in a directory that are held in memory, at most: what a hostile image has more of is an error. */
const MOST_ENTRIES = 1 << 24;
/** The largest value of an extended attribute, and the longest list of names. */
const LARGEST_XATTR = 65_536;
const FS_IOC_GETFLAGS = 0x8008_6601;
const FS_IOC_SETFLAGS = 0x4008_6602;
const FS_IOC_GETVERSION = 0x8008_7601;
const FS_IOC_FSGETXATTR = 0x801c_581f;
const DOT = 0x2e;

/** A name in a directory. */
export interface Entry {
  readonly name: Uint8Array;
  readonly ino: number;
  /** As the directory has it; `unknown` where it does not say. */
  readonly kind: FileKind;
  /** Undefined where the server was not asked, or could not tell with the name: a look-up says why. */
  readonly node: ImageNode | undefined;
}

/** What can be changed of an inode. */
export interface Changes {
  /** Permission, set-id and sticky bits. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Bytes. */
  readonly size?: number;
  readonly atime?: Timestamp;
  readonly mtime?: Timestamp;
}

/** Whose a new file is, and what its mode is shorn of. */
export interface Creation {
  readonly uid: number;
  readonly gid: number;
  readonly umask: number;
}

/** What ext4 knows of an inode beyond `Stats`. */
export interface Particulars {
  /** Undefined where inodes are too small to hold it. */
  readonly crtime: Timestamp | undefined;
  /** Inode flags that Linux shows. */
  readonly flags: number;
  readonly generation: number;
  readonly projectId: number;
}

const STATX_BTIME = 0x800;
const STATX_ALL = 0xfff;

/**
 * The inodes of an image: every operation of FUSE that changes or shows one, by node and name. Errors are
 * {@link FuseAnswerError}, with the errno that a system call would give.
 */
export class ImageTree {
  readonly client: FuseClient;
  readonly data: FileData;
  readonly root: ImageNode;
  /** Files without a name, which are gone when the server is told that they are not used. */
  readonly #unnamed = new Set<number>();

  constructor(client: FuseClient, data: FileData) {
    this.client = client;
    this.data = data;
    this.root = this.node(ROOT);
  }

  /** What a name stands for, undefined if there is none. */
  lookup(dir: ImageNode, name: Uint8Array): ImageNode | undefined {
    const [entry] = this.client.request("LOOKUP", dir.id, { names: [name] }).out;
    if (entry === undefined || entry.nodeid === 0) return undefined;
    const node = this.nodeOf(entry);
    this.#bound();
    return node;
  }

  /** The inode of a number: one that was told of before. */
  node(id: number): ImageNode {
    const [out] = this.client.request("GETATTR", id, {}).out;
    if (out === undefined) throw new FuseAnswerError("GETATTR", 5);
    return new ImageNode(id, statsOf(out.attr), out.attr.flags, this.client.requests);
  }

  /** Asks anew. */
  stat(node: ImageNode): Stats {
    const [out] = this.client.request("GETATTR", node.id, {}).out;
    if (out !== undefined) node.update(statsOf(out.attr), this.client.requests);
    return node.stats;
  }

  particulars(node: ImageNode): Particulars {
    const [out] = this.client.request("STATX", node.id, { request: { sx_mask: STATX_ALL } }).out;
    const birth = out !== undefined && (out.stat.mask & STATX_BTIME) !== 0 ? out.stat.btime : undefined;
    const crtime = birth && { seconds: birth.tv_sec, nanoseconds: birth.tv_nsec };
    const flags = this.#ioctl(node, FS_IOC_GETFLAGS, 4, 0);
    const generation = this.#ioctl(node, FS_IOC_GETVERSION, 4, 0);
    const projectId = this.#ioctl(node, FS_IOC_FSGETXATTR, 28, 12);
    return { crtime, flags, generation, projectId };
  }

  /** Inode flags, as chattr(1) sets them. */
  setFlags(node: ImageNode, flags: number): void {
    if (this.data.isUsing(node.id)) throw new FuseAnswerError("IOCTL", EBUSY);
    const data = Buffer.alloc(4);
    data.writeUInt32LE(flags);
    this.client.request("IOCTL", node.id, { request: { cmd: FS_IOC_SETFLAGS, in_size: data.length }, data });
    this.data.forget(node.id); // what may be done with its data has changed
  }

  /** 32 bits at `offset` of an ioctl's answer. */
  #ioctl(node: ImageNode, cmd: number, size: number, offset: number): number {
    const { data } = this.client.request("IOCTL", node.id, {
      request: { cmd, out_size: size },
      data: new Uint8Array(0),
    });
    return data.length < offset + 4 ? 0 : new DataView(data.buffer, data.byteOffset).getUint32(offset, true);
  }

  /**
   * Puts the names in a directory into `into`, without `.` and `..`; those before an error as well.
   *
   * @param nodes whether with them: a directory of a million takes ten times as long
   * @throws FuseAnswerError
   */
  list(dir: ImageNode, into: Entry[], nodes = true): void {
    const each = ({ name, ino, type, entry }: DirectoryRecord) => {
      if (name[0] === DOT && (name.length === 1 || (name.length === 2 && name[1] === DOT))) return;
      if (into.length === MOST_ENTRIES) throw new FuseAnswerError("READDIR", 27);
      const node = entry === undefined || entry.nodeid === 0 ? undefined : this.nodeOf(entry);
      into.push({ name: name.slice(), ino, kind: node?.stats.kind ?? kindOfEntryType(type), node });
    };
    this.client.list(dir.id, each, nodes);
    this.#bound();
  }

  readLink(node: ImageNode): Uint8Array {
    return this.client.request("READLINK", node.id, {}).data.slice();
  }

  listXattrs(node: ImageNode): Uint8Array[] {
    const { data } = this.client.request("LISTXATTR", node.id, { request: { size: LARGEST_XATTR } });
    const names: Uint8Array[] = [];
    for (let at = 0; at < data.length; ) {
      const end = data.indexOf(0, at);
      if (end < 0) break;
      names.push(data.slice(at, end));
      at = end + 1;
    }
    return names;
  }

  /** Undefined if there is none. */
  getXattr(node: ImageNode, name: Uint8Array): Uint8Array | undefined {
    const request = { size: LARGEST_XATTR };
    const { error, data } = this.client.call("GETXATTR", node.id, { request, names: [name] });
    if (error === -ENODATA) return undefined;
    if (error !== 0) throw new FuseAnswerError("GETXATTR", error);
    return data.slice();
  }

  /** @param flags XATTR_CREATE (1), XATTR_REPLACE (2) or 0 */
  setXattr(node: ImageNode, name: Uint8Array, value: Uint8Array, flags = 0): void {
    this.client.request("SETXATTR", node.id, { request: { size: value.length, flags }, names: [name], data: value });
  }

  removeXattr(node: ImageNode, name: Uint8Array): void {
    this.client.request("REMOVEXATTR", node.id, { names: [name] });
  }

  /** @param mode with the type of a file, device, fifo or socket */
  makeNode(dir: ImageNode, name: Uint8Array, mode: number, device: Stats["device"], by: Creation): ImageNode {
    const request = { mode, rdev: rdevOf(device), umask: by.umask };
    return this.#made(this.client.request("MKNOD", dir.id, { request, names: [name] }, caller(by)).out);
  }

  makeDirectory(dir: ImageNode, name: Uint8Array, mode: number, by: Creation): ImageNode {
    const request = { mode, umask: by.umask };
    return this.#made(this.client.request("MKDIR", dir.id, { request, names: [name] }, caller(by)).out);
  }

  symlink(dir: ImageNode, name: Uint8Array, target: Uint8Array, by: Creation): ImageNode {
    return this.#made(this.client.request("SYMLINK", dir.id, { names: [name, target] }, caller(by)).out);
  }

  /** A regular file without a name, which is gone with the connection unless it is linked. */
  makeTemporary(dir: ImageNode, mode: number, by: Creation): ImageNode {
    const request = { mode: mode | 0o100000, umask: by.umask };
    const node = this.#made(this.client.request("TMPFILE", dir.id, { request, names: [SLASH] }, caller(by)).out);
    this.#unnamed.add(node.id);
    return node;
  }

  link(node: ImageNode, dir: ImageNode, name: Uint8Array): void {
    if (node.isDirectory) throw new FuseAnswerError("LINK", 1);
    const [entry] = this.client.request("LINK", dir.id, { request: { oldnodeid: node.id }, names: [name] }).out;
    if (entry !== undefined) node.update(statsOf(entry.attr), this.client.requests);
    this.#unnamed.delete(node.id);
  }

  /** Takes a name away; what has none any more is gone with it. @param victim what has the name, if that is known */
  unlink(dir: ImageNode, name: Uint8Array, victim = this.lookup(dir, name)): void {
    this.client.request("UNLINK", dir.id, { names: [name] });
    if (victim !== undefined) this.forget(victim);
  }

  removeDirectory(dir: ImageNode, name: Uint8Array, victim = this.lookup(dir, name)): void {
    this.client.request("RMDIR", dir.id, { names: [name] });
    if (victim !== undefined) this.forget(victim);
  }

  /**
   * Moves a name, over another one if there is one.
   *
   * @param flags of renameat2(2): RENAME_NOREPLACE (1), RENAME_EXCHANGE (2), RENAME_WHITEOUT (4)
   */
  rename(dir: ImageNode, name: Uint8Array, newDir: ImageNode, newName: Uint8Array, flags = 0): void {
    const victim = this.lookup(newDir, newName);
    const moved = this.lookup(dir, name);
    this.client.request("RENAME2", dir.id, { request: { newdir: newDir.id, flags }, names: [name, newName] });
    const isReplaced = (flags & RENAME_EXCHANGE) === 0 && victim?.id !== moved?.id;
    if (victim !== undefined && isReplaced) this.forget(victim);
  }

  setAttributes(node: ImageNode, changes: Changes): void {
    const { mode, uid, gid, size, atime, mtime } = changes;
    if (size !== undefined) {
      const failure = this.data.resize(node, size);
      if (failure !== 0) throw new FuseAnswerError("SETATTR", failure);
    }
    let valid = 0;
    if (mode !== undefined) valid |= Fattr.MODE;
    if (uid !== undefined) valid |= Fattr.UID;
    if (gid !== undefined) valid |= Fattr.GID;
    if (atime !== undefined) valid |= Fattr.ATIME;
    if (mtime !== undefined) valid |= Fattr.MTIME;
    if (valid === 0) return;
    const request = {
      valid,
      ...(mode === undefined ? {} : { mode }),
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
      ...(atime === undefined ? {} : { ...halves("atime", atime.seconds), atimensec: atime.nanoseconds }),
      ...(mtime === undefined ? {} : { ...halves("mtime", mtime.seconds), mtimensec: mtime.nanoseconds }),
    };
    const [out] = this.client.request("SETATTR", node.id, { request }).out;
    if (out !== undefined) node.update(statsOf(out.attr), this.client.requests);
  }

  /** A file, or a directory's names, are durable when this returns. */
  fsync(node: ImageNode, dataOnly = false): void {
    const failure = node.isDirectory
      ? this.client.call("FSYNCDIR", node.id, { request: {} }).error
      : this.data.sync(node, dataOnly);
    if (failure !== 0) throw new FuseAnswerError("FSYNC", failure);
  }

  /** Everything that was changed is durable. */
  sync(): void {
    this.client.request("SYNCFS", ROOT, {});
  }

  /** A node that is not used any more; one without a name is deleted now. */
  forget(node: ImageNode): void {
    // Blocks that are read or written are not freed.
    this.data.whenIdle(node.id, () => {
      this.data.gone(node.id);
      this.#unnamed.delete(node.id);
      this.client.release(node.id);
      this.client.forget();
    });
  }

  #made(out: readonly [] | readonly [View<typeof FuseEntryOut>, ...unknown[]]): ImageNode {
    const [entry] = out;
    if (entry === undefined || entry.nodeid === 0) throw new FuseAnswerError("MKNOD", 5);
    const node = this.nodeOf(entry);
    this.#bound();
    return node;
  }

  /** The inode that an answer of the server has told of. */
  nodeOf(entry: View<typeof FuseEntryOut>): ImageNode {
    const { nodeid, attr, generation } = entry;
    return new ImageNode(nodeid, statsOf(attr), attr.flags, this.client.requests, generation);
  }

  /**
   * Gives back what was known for longest. Nodes are inode numbers, and the server understands those that it has forgotten:
   * what is still used, still works, as long as it has a name.
   */
  #bound(): void {
    const { nodes } = this.client;
    if (nodes.size <= MOST_NODES) return;
    for (const nodeid of [...nodes.keys()].slice(0, nodes.size - MOST_NODES / 2)) {
      if (this.data.isUsing(nodeid) || this.#unnamed.has(nodeid)) continue;
      this.data.forget(nodeid);
      this.client.release(nodeid);
    }
    this.client.forget();
  }
}

const RENAME_EXCHANGE = 2;
const EBUSY = 16;
const ENODATA = 61;
/** TMPFILE has a name part that says nothing; the kernel sends a slash. */
const SLASH = Uint8Array.of(0x2f);

function caller({ uid, gid }: Creation): Caller {
  return { uid, gid, pid: 0 };
}

/** Seconds as the wire has them: 64 bits with a sign. */
function halves<const K extends "atime" | "mtime">(name: K, seconds: number) {
  return { [`${name}Lo`]: seconds >>> 0, [`${name}Hi`]: Math.floor(seconds / 2 ** 32) >>> 0 } as {
    readonly [P in `${K}Lo` | `${K}Hi`]: number;
  };
}
