import * as fs from "node:fs";
import { lgetxattr, llistxattr, lstatx, seekData, seekHole } from "@bulkhead/linux";
import { kindOfMode, type Stats } from "../node.js";
import { type Contents, isRefusal, pathInside, type SourceEntry, type SourceNode } from "./ends.js";

const { O_NOFOLLOW = 0, O_NONBLOCK, O_RDONLY } = fs.constants;
const O_NOATIME = 0o1000000;

/** A file on the host, by its path; a symbolic link is itself. */
export class HostSource implements SourceNode {
  readonly order = "name";
  readonly path: Buffer;
  readonly stats: Stats;
  readonly key: string;

  /** @throws LinuxError when there is none */
  constructor(path: Buffer) {
    this.path = path;
    const { ino, mode, nlink, uid, gid, size, blocks, blksize, ...rest } = lstatx(path);
    this.stats = {
      ino,
      kind: kindOfMode(mode),
      mode,
      links: nlink,
      uid,
      gid,
      size,
      blocks,
      blockSize: blksize,
      device: { major: rest.rdevMajor, minor: rest.rdevMinor },
      atime: rest.atime,
      mtime: rest.mtime,
      ctime: rest.ctime,
    };
    this.key = `host ${rest.devMajor}:${rest.devMinor}:${ino}`;
  }

  list(into: SourceEntry[]): void {
    for (const entry of fs.readdirSync(this.path, { encoding: "buffer" })) {
      const path = pathInside(this.path, entry);
      into.push({ name: entry, ino: 0, kind: "unknown", node: () => new HostSource(path) });
    }
  }

  readLink(): Uint8Array {
    return fs.readlinkSync(this.path, { encoding: "buffer" });
  }

  xattrNames(): Uint8Array[] {
    try {
      return llistxattr(this.path);
    } catch (error) {
      if (isRefusal(error)) return []; // a file system without any
      throw error;
    }
  }

  xattr(name: Uint8Array): Uint8Array | undefined {
    return lgetxattr(this.path, name);
  }

  open(): Contents {
    const flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
    let fd: number;
    try {
      fd = fs.openSync(this.path, flags | O_NOATIME);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EPERM") throw error;
      fd = fs.openSync(this.path, flags); // somebody else's file
    }
    return new HostContents(fd, this.stats.size);
  }
}

class HostContents implements Contents {
  readonly #fd: number;
  readonly #size: number;

  constructor(fd: number, size: number) {
    this.#fd = fd;
    this.#size = size;
  }

  nextRange(position: number) {
    if (position >= this.#size) return undefined;
    const start = seekData(this.#fd, position);
    if (start < 0 || start >= this.#size) return undefined;
    const hole = seekHole(this.#fd, start);
    return { start, end: hole < 0 ? this.#size : Math.min(hole, this.#size) };
  }

  read(position: number, target: Uint8Array): number {
    return fs.readSync(this.#fd, target, 0, target.length, position);
  }

  close(): void {
    fs.closeSync(this.#fd);
  }
}
