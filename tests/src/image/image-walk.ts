/** Walks an image without a mount: through a server in a process of its own, every name looked up by its path. */
import { stringToName } from "@bulkhead/ext4/names";
import { type Image, type ImageNode, type ImageOptions, openImage, type Stats } from "@bulkhead/image";
import { errnoName } from "@bulkhead/linux";
import { digest, showValue } from "../walk/content.js";
import { failed } from "../walk/mounted.js";
import type { FileType, StatisticsRecord, Walk, WalkRecord } from "../walk/record.js";

const RANGE_LIMIT = 1_000_000;
const ENXIO = -6;
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

/** The walk of an image that a server of its own has. */
export async function imageWalk(path: string, options: ImageOptions = {}): Promise<Walk> {
  const image = openImage(path, { log: "ignore", ...options });
  try {
    const records = new Map<string, WalkRecord>();
    const duplicates: string[] = [];
    const emit = (record: WalkRecord) => {
      if (records.has(record.path)) duplicates.push(record.path);
      records.set(record.path, record);
    };
    await walk(image, emit);
    return { records, duplicates, statistics: statistics(image) };
  } finally {
    image.close();
  }
}

function statistics(image: Image): StatisticsRecord {
  const { blockSize, blocks, blocksFree, blocksAvailable, files, filesFree } = image.statfs();
  return {
    bsize: blockSize,
    frsize: blockSize,
    blocks,
    bfree: blocksFree,
    bavail: blocksAvailable,
    files,
    ffree: filesFree,
    namelen: 255,
  };
}

async function walk(image: Image, emit: (record: WalkRecord) => void): Promise<void> {
  /** Contents of inodes with several names, read once. */
  const seen = new Map<number, Contents>();
  const pending: string[] = [""];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    let stats: Stats;
    let node: ImageNode;
    try {
      node = image.find(bytesOf(path), { followLinks: false });
      stats = image.tree.stat(node);
    } catch (error) {
      emit({ ...failed(path), error: `lstat: ${codeOf(error)}` });
      continue;
    }
    let contents = seen.get(stats.ino);
    if (contents === undefined) {
      contents = await contentsOf(image, node);
      if (stats.links > 1 && stats.kind !== "directory") seen.set(stats.ino, contents);
    }
    emit(recordOf(path, stats, contents));
    if (stats.kind !== "directory") continue;
    try {
      for (const { nameBytes } of image.readdir(bytesOf(path))) {
        const name = Buffer.from(nameBytes).toString("latin1");
        pending.push(path === "" ? name : `${path}/${name}`);
      }
    } catch (error) {
      emit({ ...failed(`${path}/*`), error: `readdir: ${codeOf(error)}` });
    }
  }
}

function recordOf(path: string, stats: Stats, contents: Contents): WalkRecord {
  const { major, minor } = stats.device;
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
    rdev: ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0,
    ...contents,
  };
}

async function contentsOf(image: Image, node: ImageNode): Promise<Contents> {
  const { tree } = image;
  let xattrs: Record<string, string> = {};
  try {
    for (const name of tree.listXattrs(node)) {
      const value = tree.getXattr(node, name);
      xattrs[Buffer.from(name).toString("latin1")] = value === undefined ? "listed but not there" : showValue(value);
    }
  } catch (error) {
    xattrs = { "": codeOf(error) };
  }
  const { kind } = node.stats;
  try {
    if (kind === "symlink") return { xattrs, link: Buffer.from(tree.readLink(node)).toString("latin1") };
  } catch (error) {
    return { xattrs, error: `readlink: ${codeOf(error)}` };
  }
  if (kind !== "file") return { xattrs };
  try {
    return { xattrs, ...(await dataOf(image, node)) };
  } catch (error) {
    return { xattrs, error: `read: ${codeOf(error)}` };
  }
}

async function dataOf({ tree: { data } }: Image, node: ImageNode): Promise<Pick<WalkRecord, "content" | "layout">> {
  const layout: number[] = [];
  for (let at = data.seek(node, 0, "data"); at !== ENXIO; at = data.seek(node, layout.at(-1)!, "data")) {
    const end = answered(data.seek(node, answered(at), "hole"));
    layout.push(at, end);
    if (end <= at || layout.length > 2 * RANGE_LIMIT) throw new Error(`endless layout at ${at}`);
    if (end >= node.size) break;
  }
  const content = await digest(node.size, layout, (target, offset) => {
    const wanted = Math.min(target.length, node.size - offset);
    return answered(data.read(node, offset, target.subarray(0, wanted)));
  });
  return { content, layout };
}

function answered(result: number): number {
  if (result < 0) throw Object.assign(new Error("refused"), { code: errnoName(result) });
  return result;
}

function bytesOf(path: string): Uint8Array {
  return path === "" ? stringToName("/") : Buffer.from(`/${path}`, "latin1");
}

function nanoseconds(time: { readonly seconds: number; readonly nanoseconds: number }): string {
  return String(BigInt(time.seconds) * 1_000_000_000n + BigInt(time.nanoseconds));
}

/** The errno's name that a system call would give, so that equal failures compare equal. */
function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
