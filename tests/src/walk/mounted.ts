/** Walks a mounted filesystem through system calls: the kernel's ext4, or ours behind FUSE. */
import {
  type BigIntStats,
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
} from "node:fs";
import { errorCode, mountStatistics, readXattrs, seekData, seekHole } from "../system/calls.js";
import { CHUNK, digest, showValue } from "./content.js";
import type { FileType, StatisticsRecord, Walker, WalkRecord } from "./record.js";

/** More ranges than any file of ours has; a layout that does not end is an error, not a hang. */
const RANGE_LIMIT = 1_000_000;

type Contents = Pick<WalkRecord, "xattrs" | "link" | "content" | "layout" | "error">;

export class MountedWalker implements Walker {
  readonly #root: Buffer;
  /** Contents of inodes with several names, read once. */
  readonly #seen = new Map<number, Contents>();

  constructor(mountPoint: string) {
    this.#root = Buffer.from(mountPoint);
  }

  async walk(emit: (record: WalkRecord) => void): Promise<void> {
    const pending: string[] = [""];
    for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
      const record = await this.#record(path);
      emit(record);
      if (record.type !== "directory") continue;
      for (const name of this.#list(path, emit)) {
        pending.push(path === "" ? name : `${path}/${name}`);
      }
    }
  }

  async statistics(): Promise<StatisticsRecord> {
    return mountStatistics(this.#root);
  }

  #absolute(path: string): Buffer {
    return Buffer.concat([this.#root, Buffer.from(`/${path}`, "latin1")]);
  }

  #list(path: string, emit: (record: WalkRecord) => void): string[] {
    try {
      const names = readdirSync(this.#absolute(path), { encoding: "buffer" });
      return names.map((name) => name.toString("latin1"));
    } catch (error) {
      emit({ ...failed(`${path}/*`), error: `readdir: ${explain(error)}` });
      return [];
    }
  }

  async #record(path: string): Promise<WalkRecord> {
    const absolute = this.#absolute(path);
    let stats: BigIntStats;
    try {
      stats = lstatSync(absolute, { bigint: true });
    } catch (error) {
      return { ...failed(path), error: `lstat: ${explain(error)}` };
    }
    const ino = Number(stats.ino);
    let contents = this.#seen.get(ino);
    if (contents === undefined) {
      contents = await readContents(absolute, stats);
      if (stats.nlink > 1n && !stats.isDirectory()) this.#seen.set(ino, contents);
    }
    return {
      path,
      type: typeOf(stats),
      mode: Number(stats.mode & 0o7777n),
      ino,
      uid: Number(stats.uid),
      gid: Number(stats.gid),
      size: Number(stats.size),
      blocks: Number(stats.blocks),
      nlink: Number(stats.nlink),
      atime: String(stats.atimeNs),
      mtime: String(stats.mtimeNs),
      ctime: String(stats.ctimeNs),
      rdev: Number(stats.rdev),
      ...contents,
    };
  }
}

async function readContents(path: Buffer, stats: BigIntStats): Promise<Contents> {
  let xattrs: Record<string, string> = {};
  try {
    for (const [name, value] of readXattrs(path)) xattrs[name] = showValue(value);
  } catch (error) {
    xattrs = { "": explain(error) };
  }
  if (stats.isSymbolicLink()) {
    try {
      return { xattrs, link: readlinkSync(path, { encoding: "buffer" }).toString("latin1") };
    } catch (error) {
      return { xattrs, error: `readlink: ${explain(error)}` };
    }
  }
  if (!stats.isFile()) return { xattrs };
  try {
    return { xattrs, ...(await readData(path, Number(stats.size))) };
  } catch (error) {
    return { xattrs, error: `read: ${explain(error)}` };
  }
}

async function readData(path: Buffer, size: number): Promise<Pick<WalkRecord, "content" | "layout">> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const layout: number[] = [];
    for (let at = seekData(fd, 0); at !== undefined; at = seekData(fd, at)) {
      const end = seekHole(fd, at);
      layout.push(at, end);
      if (end <= at || layout.length > 2 * RANGE_LIMIT) throw new Error(`endless layout at ${at}`);
      at = end;
      if (at >= size) break;
    }
    const content = await digest(size, layout, (target, offset) => readFully(fd, target, offset));
    return { content, layout };
  } finally {
    closeSync(fd);
  }
}

/** read(2) until the chunk is full or the file ends. */
function readFully(fd: number, target: Buffer, offset: number): number {
  let done = 0;
  while (done < CHUNK) {
    const got = readSync(fd, target, done, CHUNK - done, offset + done);
    if (got === 0) break;
    done += got;
  }
  return done;
}

function typeOf(stats: BigIntStats): FileType {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "directory";
  if (stats.isSymbolicLink()) return "symlink";
  if (stats.isCharacterDevice()) return "character";
  if (stats.isBlockDevice()) return "block";
  if (stats.isFIFO()) return "fifo";
  return "socket";
}

/** The record of a path of which nothing is known but that it exists. */
export function failed(path: string): WalkRecord {
  return {
    path,
    type: "file",
    mode: 0,
    ino: 0,
    uid: 0,
    gid: 0,
    size: 0,
    blocks: 0,
    nlink: 0,
    atime: "0",
    mtime: "0",
    ctime: "0",
    rdev: 0,
    xattrs: {},
  };
}

/** The errno's name where there is one, so that equal failures compare equal. */
export function explain(error: unknown): string {
  return errorCode(error) ?? (error instanceof Error ? error.message : String(error));
}
