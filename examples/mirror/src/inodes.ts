/** What the kernel knows of the source: one inode each, held by an O_PATH descriptor, so that no name can lead elsewhere. */
import { type Attributes, FuseStatx, ROOT_ID } from "@bulkhead/fuse";
import { close, Errno, LinuxError, O_PATH, openAt, orThrow, statxDescriptor } from "@bulkhead/linux";

const AT_FDCWD = -100;
const O_DIRECTORY = 0o200000;
const O_NOFOLLOW = 0o400000;

const TWO_32 = 2 ** 32;

export interface Inode {
  readonly nodeid: number;
  /** O_PATH; closed when the kernel forgets the inode. */
  readonly fd: number;
  readonly key: number | string;
  /** How often the kernel was told of it, and did not forget. */
  lookups: number;
  /** Was open for writing: its times can change without the kernel noticing, by a shared mapping. */
  written: boolean;
}

export class Inodes {
  readonly root: Inode;
  /** What {@link stat} was told last. */
  readonly statx = FuseStatx.view();
  readonly #bytes = new Uint8Array(FuseStatx.size);
  readonly #byNodeid = new Map<number, Inode>();
  readonly #byKey = new Map<number | string, Inode>();
  /** Device numbers of the source: there, an inode number is key enough, unless it has 64 bits, as an overlay's may have. */
  readonly #major: number;
  readonly #minor: number;
  #next = ROOT_ID;
  /** Called when there is one more. */
  onAdded: () => void = () => {};

  /** @throws {LinuxError} if `source` is no directory that can be opened */
  constructor(source: string) {
    this.statx.at(new DataView(this.#bytes.buffer), 0);
    const fd = orThrow(openAt(AT_FDCWD, source, O_PATH | O_DIRECTORY), "open", source);
    orThrow(this.stat(fd), "statx", source);
    this.#major = this.statx.dev_major;
    this.#minor = this.statx.dev_minor;
    this.root = this.#add(fd);
  }

  /** How many the kernel knows. */
  get count(): number {
    return this.#byNodeid.size;
  }

  /** The `count` that have been known longest; not the root. */
  oldest(count: number): number[] {
    const nodeids: number[] = [];
    for (const nodeid of this.#byNodeid.keys()) {
      if (nodeids.length >= count) break;
      if (nodeid !== ROOT_ID) nodeids.push(nodeid);
    }
    return nodeids;
  }

  /** @throws {LinuxError} ESTALE for what the kernel forgot, and cannot ask about */
  get(nodeid: number): Inode {
    const inode = this.#byNodeid.get(nodeid);
    if (inode === undefined) throw new LinuxError("nodeid", Errno.ESTALE, String(nodeid));
    return inode;
  }

  /** Asks about what `fd` is; the answer is in {@link statx}. 0, or −errno. */
  stat(fd: number): number {
    return statxDescriptor(fd, this.#bytes);
  }

  /** The inode that has this name in `parent`, known to the kernel once more, and in {@link statx}; or −errno. */
  lookup(parent: Inode, name: Uint8Array): Inode | number {
    const fd = openAt(parent.fd, name, O_PATH | O_NOFOLLOW);
    return fd < 0 ? fd : this.adopt(fd);
  }

  /** As {@link lookup}, of an O_PATH descriptor, which is ours from here on. */
  adopt(fd: number): Inode | number {
    const result = this.stat(fd);
    if (result < 0) {
      close(fd);
      return result;
    }
    const known = this.#byKey.get(this.#key());
    if (known === undefined) return this.#add(fd);
    close(fd);
    known.lookups++;
    return known;
  }

  forget(nodeid: number, lookups: number): void {
    const inode = this.#byNodeid.get(nodeid);
    if (inode === undefined || inode === this.root) return;
    inode.lookups -= lookups;
    if (inode.lookups > 0) return;
    this.#byNodeid.delete(nodeid);
    this.#byKey.delete(inode.key);
    close(inode.fd);
  }

  /** Lets go of everything. */
  close(): void {
    for (const { fd } of this.#byNodeid.values()) close(fd);
    this.#byNodeid.clear();
    this.#byKey.clear();
  }

  /** Nodeids are never used twice, so a number that the source uses again is another inode to the kernel. */
  #add(fd: number): Inode {
    const inode = { nodeid: this.#next++, fd, key: this.#key(), lookups: 1, written: false };
    this.#byNodeid.set(inode.nodeid, inode);
    this.#byKey.set(inode.key, inode);
    this.onAdded();
    return inode;
  }

  #key(): number | string {
    const { dev_major: major, dev_minor: minor, ino, inoLo, inoHi } = this.statx;
    const isPlain = major === this.#major && minor === this.#minor && Number.isSafeInteger(inoHi * TWO_32 + inoLo);
    return isPlain ? ino : `${major}:${minor}:${inoHi}:${inoLo}`;
  }
}

/** The kernel's 32-bit encoding of a device number. */
export function encodeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

/** `struct statx` as the attributes of a reply. */
export function describe(statx: Inodes["statx"], attr: Attributes): void {
  attr.inoLo = statx.inoLo;
  attr.inoHi = statx.inoHi;
  attr.size = statx.size;
  attr.blocks = statx.blocks;
  attr.mode = statx.mode;
  attr.nlink = statx.nlink;
  attr.uid = statx.uid;
  attr.gid = statx.gid;
  attr.blksize = statx.blksize;
  attr.rdev = encodeDevice(statx.rdev_major, statx.rdev_minor);
  attr.atime = statx.atime.tv_sec;
  attr.atimensec = statx.atime.tv_nsec;
  attr.mtime = statx.mtime.tv_sec;
  attr.mtimensec = statx.mtime.tv_nsec;
  attr.ctime = statx.ctime.tv_sec;
  attr.ctimensec = statx.ctime.tv_nsec;
}
