/** What a walk writes down: one record per path, and the statistics of the mount. */
import { writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";

export type FileType = "file" | "directory" | "symlink" | "character" | "block" | "fifo" | "socket";

/** Bytes are Latin-1 strings here (a character a byte), so that records survive JSON and can be keys of a map. */
export interface WalkRecord {
  /** Path below the root without a leading slash; "" is the root. */
  readonly path: string;
  readonly type: FileType;
  /** Permission, set-id and sticky bits. */
  readonly mode: number;
  readonly ino: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Units of 512 bytes. */
  readonly blocks: number;
  readonly nlink: number;
  /** Nanoseconds since 1970, decimal. */
  readonly atime: string;
  readonly mtime: string;
  readonly ctime: string;
  /** dev_t of a device, 0 of anything else. */
  readonly rdev: number;
  /** Name to value; long values as their length and SHA-256. */
  readonly xattrs: Readonly<Record<string, string>>;
  /** Symlink target. */
  readonly link?: string;
  /** SHA-256 of a regular file (see content.ts), or the error that reading it gives. */
  readonly content?: string;
  /** The ranges that SEEK_DATA and SEEK_HOLE show as data: start, end, start, end, ... */
  readonly layout?: readonly number[];
  /** A failure to stat, list or read this path, which is a finding of its own. */
  readonly error?: string;
}

/** statfs(2): sizes in units of `frsize` bytes. */
export interface StatisticsRecord {
  readonly bsize: number;
  readonly frsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
  readonly namelen: number;
}

export interface Walk {
  readonly records: ReadonlyMap<string, WalkRecord>;
  readonly statistics?: StatisticsRecord;
  /** Paths that a directory listed more than once. */
  readonly duplicates: readonly string[];
}

/** One way to see a filesystem: the kernel's, the library's, debugfs's. */
export interface Walker {
  /** Calls `emit` once for every path below the root and the root itself, in any order. */
  walk(emit: (record: WalkRecord) => void): Promise<void>;
  statistics(): Promise<StatisticsRecord | undefined>;
}

/** Runs a walker and writes what it saw to a file, a JSON document a line. */
export async function writeWalk(walker: Walker, file: string): Promise<void> {
  const lines: string[] = [];
  await walker.walk((record) => lines.push(JSON.stringify(record)));
  const statistics = await walker.statistics();
  if (statistics !== undefined) lines.push(JSON.stringify({ statistics }));
  writeFileSync(file, lines.join("\n"));
}

/** Reads what `writeWalk` wrote. */
export async function readWalk(file: string): Promise<Walk> {
  const records = new Map<string, WalkRecord>();
  const duplicates: string[] = [];
  let statistics: StatisticsRecord | undefined;
  for (const line of (await readFile(file, "utf8")).split("\n")) {
    if (line === "") continue;
    const parsed = JSON.parse(line) as WalkRecord | { statistics: StatisticsRecord };
    if ("statistics" in parsed) statistics = parsed.statistics;
    else if (records.has(parsed.path)) duplicates.push(parsed.path);
    else records.set(parsed.path, parsed);
  }
  return { records, duplicates, ...(statistics === undefined ? {} : { statistics }) };
}
