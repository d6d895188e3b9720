/** Walks an image with the library: no mount, no kernel. Every name is looked up by its path, as a user would. */
import * as fs from "node:fs";
import {
  type BlockDevice,
  Ext4,
  errnoOf,
  FileDevice,
  type Inode,
  openPartition,
  readPartitions,
  SubRangeDevice,
} from "@bulkhead/ext4";
import { digest, showValue } from "./content.js";
import { failed } from "./mounted.js";
import type { FileType, StatisticsRecord, Walker, WalkRecord } from "./record.js";

export interface LibraryOptions {
  /** Byte offset of the filesystem in the file. */
  readonly offset?: number;
  readonly loadJournal?: boolean;
  /** Place of the superblock to use, in units of 1 KiB. */
  readonly superblock?: number;
}

const RANGE_LIMIT = 1_000_000;
const TYPES: Readonly<Record<string, FileType>> = {
  file: "file",
  directory: "directory",
  symlink: "symlink",
  "character-device": "character",
  "block-device": "block",
  fifo: "fifo",
  socket: "socket",
};

type Contents = Pick<WalkRecord, "xattrs" | "link" | "content" | "layout" | "error">;

export class LibraryWalker implements Walker {
  readonly #ext4: Ext4;
  /** Contents of inodes with several names, read once. */
  readonly #seen = new Map<number, Contents>();

  constructor(image: string, options: LibraryOptions = {}) {
    this.#ext4 = Ext4.open(openAt(image, options.offset ?? 0), {
      loadJournal: options.loadJournal ?? true,
      ...(options.superblock === undefined ? {} : { superblock: options.superblock }),
    });
  }

  async walk(emit: (record: WalkRecord) => void): Promise<void> {
    const pending: string[] = [""];
    for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
      const record = await this.#record(path);
      emit(record);
      if (record.type !== "directory") continue;
      for (const name of this.#list(path, emit)) pending.push(path === "" ? name : `${path}/${name}`);
    }
  }

  async statistics(): Promise<StatisticsRecord> {
    const statfs = this.#ext4.statfs();
    return {
      bsize: statfs.blockSize,
      frsize: statfs.blockSize,
      blocks: statfs.blocks,
      bfree: statfs.blocksFree,
      bavail: statfs.blocksAvailable,
      files: statfs.files,
      ffree: statfs.filesFree,
      namelen: statfs.nameLength,
    };
  }

  close(): void {
    this.#ext4.close();
  }

  #list(path: string, emit: (record: WalkRecord) => void): string[] {
    const names: string[] = [];
    try {
      for (const entry of this.#ext4.readDirectory(bytesOf(path))) {
        names.push(Buffer.from(entry.nameBytes).toString("latin1"));
      }
    } catch (error) {
      emit({ ...failed(`${path}/*`), error: `readdir: ${explain(error)}` });
    }
    return names;
  }

  async #record(path: string): Promise<WalkRecord> {
    let inode: Inode;
    try {
      inode = this.#ext4.inode(bytesOf(path), { followLinks: false });
    } catch (error) {
      return { ...failed(path), error: `lstat: ${explain(error)}` };
    }
    const stats = this.#ext4.lstat(inode.ino);
    let contents = this.#seen.get(inode.ino);
    if (contents === undefined) {
      contents = await this.#contents(inode, stats.kind);
      if (stats.links > 1 && stats.kind !== "directory") this.#seen.set(inode.ino, contents);
    }
    return {
      path,
      type: TYPES[stats.kind] ?? "file",
      mode: stats.mode & 0o7777,
      ino: stats.ino,
      uid: stats.uid,
      gid: stats.gid,
      size: stats.size,
      blocks: stats.blocks,
      nlink: stats.links,
      atime: nanoseconds(stats.atime),
      mtime: nanoseconds(stats.mtime),
      ctime: nanoseconds(stats.ctime),
      rdev: inode.rdev,
      ...contents,
    };
  }

  async #contents(inode: Inode, kind: string): Promise<Contents> {
    let xattrs: Record<string, string> = {};
    try {
      for (const name of this.#ext4.listXattrs(inode.ino)) {
        const value = this.#ext4.getXattr(inode.ino, name);
        xattrs[name] = value === undefined ? "listed but not there" : showValue(value);
      }
    } catch (error) {
      xattrs = { "": explain(error) };
    }
    try {
      if (kind === "symlink") {
        return { xattrs, link: Buffer.from(this.#ext4.readLinkBytes(inode.ino)).toString("latin1") };
      }
    } catch (error) {
      return { xattrs, error: `readlink: ${explain(error)}` };
    }
    if (kind !== "file") return { xattrs };
    try {
      return { xattrs, ...(await this.#data(inode.ino)) };
    } catch (error) {
      return { xattrs, error: `read: ${explain(error)}` };
    }
  }

  async #data(ino: number): Promise<Pick<WalkRecord, "content" | "layout">> {
    const file = this.#ext4.open(ino);
    const layout: number[] = [];
    for (let at = file.seekData(0); at !== undefined; ) {
      const end = file.seekHole(at) ?? file.size;
      layout.push(at, end);
      if (end <= at || layout.length > 2 * RANGE_LIMIT) throw new Error(`endless layout at ${at}`);
      at = file.seekData(end);
    }
    const content = await digest(file.size, layout, (target, offset) => file.read(offset, target));
    return { content, layout };
  }
}

/** An offset that is a partition's is found in the partition table, as a user would name it. */
function openAt(image: string, offset: number): BlockDevice {
  const whole = new FileDevice(fs, fs.openSync(image, "r"));
  if (offset === 0) return whole;
  const partition = readPartitions(whole)?.partitions.find((candidate) => candidate.offset === offset);
  return partition === undefined ? new SubRangeDevice(whole, offset) : openPartition(whole, partition.number);
}

function bytesOf(path: string): Uint8Array {
  return Buffer.from(`/${path}`, "latin1");
}

function nanoseconds(time: { readonly seconds: number; readonly nanoseconds: number }): string {
  return String(BigInt(time.seconds) * 1_000_000_000n + BigInt(time.nanoseconds));
}

/** The errno's name that a system call would give, so that equal failures compare equal; with the engine's own words. */
function explain(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : undefined;
  if (code !== undefined && /^E[A-Z0-9]+$/.test(code)) return code;
  return `${errnoOf(error)} ${error instanceof Error ? error.message : String(error)}`;
}
