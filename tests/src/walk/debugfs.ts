/**
 * The truth about an image that this kernel cannot mount, which mke2fs -d filled from a tree the kernel did walk: names,
 * contents, links and xattrs are the kernel's word about that tree, each inode's fields and extents are debugfs's.
 */
import { debugfs } from "../images/build.js";
import { run } from "../system/process.js";
import { escapeBytes } from "./compare.js";
import type { StatisticsRecord, Walk, WalkRecord } from "./record.js";

/** ext4_set_resv_clusters: 2% of the clusters, 4,096 at most, are kept from ordinary users beside the reserved ones. */
const RESERVED_SHARE = 50;
const RESERVED_LIMIT = 4096;

/** @param source the kernel's walk of the tree that filled the image */
export function debugfsTruth(image: string, offset: number, source: Walk): Walk {
  const paths = [...source.records.keys()];
  const requests = paths.map((path) => `stat "/${path.replaceAll('"', '""')}"`);
  const answers = debugfs(
    image,
    offset,
    requests.map((request) => Buffer.from(request, "latin1").toString("utf8")),
    false,
  )
    .toString("latin1")
    .split(/^debugfs: stat /m)
    .slice(1);
  if (answers.length !== paths.length)
    throw new Error(`debugfs answered ${answers.length} of ${paths.length} requests`);
  const statistics = superblockStatistics(image);
  const records = new Map<string, WalkRecord>();
  for (const [index, path] of paths.entries()) {
    const from = source.records.get(path)!;
    const record = parseInode(from, answers[index]!, statistics.bsize);
    records.set(path, record);
    assertCopied(from, record);
  }
  return { records, duplicates: [], statistics };
}

const TYPES: Readonly<Record<string, WalkRecord["type"]>> = {
  regular: "file",
  directory: "directory",
  symlink: "symlink",
  "character special": "character",
  "block special": "block",
  FIFO: "fifo",
  socket: "socket",
};

function parseInode(from: WalkRecord, text: string, blockSize: number): WalkRecord {
  const number = (pattern: RegExp): number => {
    const match = pattern.exec(text);
    if (match === null) throw new Error(`debugfs: no ${pattern} in ${text.slice(0, 1000)}`);
    return Number(match[1]);
  };
  const kind = /Type: (.+?)\s+Mode:/.exec(text)?.[1] ?? "";
  const type = TYPES[kind];
  if (type === undefined) throw new Error(`debugfs: type ${kind} of ${escapeBytes(from.path)}`);
  const size = number(/ Size: (\d+)/);
  return {
    ...from,
    type,
    mode: Number.parseInt(/Mode:\s+(\d+)/.exec(text)?.[1] ?? "", 8) & 0o7777,
    ino: number(/^Inode: (\d+)/m),
    uid: number(/^User:\s+(-?\d+)/m) >>> 0,
    gid: number(/Group:\s+(-?\d+)/) >>> 0,
    size,
    blocks: number(/Blockcount: (\d+)/),
    nlink: number(/^Links: (\d+)/m),
    atime: parseTime(text, "atime"),
    mtime: parseTime(text, "mtime"),
    ctime: parseTime(text, "ctime"),
    ...(type === "file" ? { layout: parseExtents(text, size, blockSize) } : {}),
  };
}

/** `0xSECONDS:EXTRA`: the seconds signed, the extra word with two more of their bits below the nanoseconds. */
function parseTime(text: string, name: string): string {
  const match = new RegExp(`^ *${name}: 0x([0-9a-f]{8})(?::([0-9a-f]{8}))?`, "m").exec(text);
  const seconds = Number.parseInt(match?.[1] ?? "", 16) | 0;
  const extra = Number.parseInt(match?.[2] ?? "0", 16);
  return String(BigInt(seconds + (extra & 3) * 2 ** 32) * 1_000_000_000n + BigInt(extra >>> 2));
}

/** What SEEK_DATA shows of `(0-3):100-103, (5[u]):200`: runs of written blocks, the last one up to the file's end. */
function parseExtents(text: string, size: number, blockSize: number): number[] {
  const listed = text.split("EXTENTS:")[1] ?? "";
  const layout: number[] = [];
  for (const match of listed.matchAll(/\((\d+)(\[u\])?(?:-(\d+)(?:\[u\])?)?\):/g)) {
    if (match[2] !== undefined) continue;
    const start = Number(match[1]) * blockSize;
    const end = Math.min((Number(match[3] ?? match[1]) + 1) * blockSize, size);
    if (start >= size) continue;
    if (layout.at(-1) === start) layout[layout.length - 1] = end;
    else layout.push(start, end);
  }
  return layout;
}

/** mke2fs -d copied what it was given; otherwise neither tool can be believed. */
function assertCopied(from: WalkRecord, to: WalkRecord): void {
  for (const field of ["type", "mode", "uid", "gid"] as const) {
    if (from[field] !== to[field]) {
      throw new Error(`mke2fs -d: ${escapeBytes(from.path)}: ${field} ${from[field]} became ${to[field]}`);
    }
  }
  if (to.type !== "directory" && from.size !== to.size) {
    throw new Error(`mke2fs -d: ${escapeBytes(from.path)}: size ${from.size} became ${to.size}`);
  }
}

function superblockStatistics(image: string): StatisticsRecord {
  const header = run("dumpe2fs", ["-h", image]).stdout.toString("latin1");
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(header)?.[1]);
  const blocks = field("Block count");
  const bfree = field("Free blocks");
  const kept = Math.min(Math.floor(blocks / RESERVED_SHARE), RESERVED_LIMIT);
  return {
    bsize: field("Block size"),
    frsize: field("Block size"),
    blocks: blocks - field("Overhead clusters"),
    bfree,
    bavail: Math.max(0, bfree - field("Reserved block count") - kept),
    files: field("Inode count"),
    ffree: field("Free inodes"),
    namelen: 255,
  };
}
