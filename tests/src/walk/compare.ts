/** Compares two walks and says in words what differs first. */
import type { Walk, WalkRecord } from "./record.js";

export type Field = Exclude<keyof WalkRecord, "path"> | "statistics";

export interface CompareOptions {
  /** What the truth cannot tell (debugfs knows no SEEK_DATA) or may differ. */
  readonly ignore?: readonly Field[];
  /**
   * Nanoseconds since 1970: mtime and ctime of the truth that are later are not compared. The kernel's replay of fast
   * commits stamps the directories from which it removes names with its own time.
   */
  readonly timesUntil?: bigint;
  /** Differences described before the rest is only counted; 12 unless told. */
  readonly limit?: number;
}

const FIELDS: readonly Exclude<Field, "statistics">[] = [
  "type",
  "mode",
  "ino",
  "uid",
  "gid",
  "size",
  "blocks",
  "nlink",
  "atime",
  "mtime",
  "ctime",
  "rdev",
  "xattrs",
  "link",
  "content",
  "layout",
  "error",
];

const SHOWN = 300;

/** The differences of `actual` from the truth, a line each; empty when the two are equal. */
export function compareWalks(truth: Walk, actual: Walk, options: CompareOptions = {}): string[] {
  const ignore = new Set<Field>(options.ignore ?? []);
  const withoutTimes = new Set<Field>([...ignore, "mtime", "ctime"]);
  const differences: string[] = [];
  for (const path of actual.duplicates) differences.push(`${showPath(path)}: listed more than once`);
  for (const [path, expected] of truth.records) {
    const found = actual.records.get(path);
    if (found === undefined) differences.push(`${showPath(path)}: missing (truth: ${expected.type} ${expected.ino})`);
    else compareRecords(expected, found, stamped(expected, options.timesUntil) ? withoutTimes : ignore, differences);
  }
  for (const [path, found] of actual.records) {
    if (!truth.records.has(path))
      differences.push(`${showPath(path)}: not in the truth (${found.error ?? found.type})`);
  }
  if (!ignore.has("statistics")) {
    compareKeys("statfs", truth.statistics ?? {}, actual.statistics ?? {}, differences);
  }
  const limit = options.limit ?? 12;
  if (differences.length <= limit) return differences;
  return [...differences.slice(0, limit), `and ${differences.length - limit} more differences`];
}

function stamped(expected: WalkRecord, until: bigint | undefined): boolean {
  return until !== undefined && expected.type === "directory" && BigInt(expected.ctime) > until;
}

function compareRecords(expected: WalkRecord, found: WalkRecord, ignore: ReadonlySet<Field>, into: string[]): void {
  for (const field of FIELDS) {
    if (ignore.has(field)) continue;
    if (field === "xattrs") {
      compareKeys(`${showPath(expected.path)}: xattr`, expected.xattrs, found.xattrs, into);
      continue;
    }
    if (expected[field] === found[field]) continue;
    const want = show(expected[field]);
    const have = show(found[field]);
    if (want !== have) into.push(`${showPath(expected.path)} (inode ${expected.ino}): ${field}: ${want}, not ${have}`);
  }
}

function compareKeys(what: string, expected: object, found: object, into: string[]): void {
  const want = new Map<string, unknown>(Object.entries(expected));
  const have = new Map<string, unknown>(Object.entries(found));
  for (const key of new Set([...want.keys(), ...have.keys()])) {
    if (want.has(key) && want.get(key) === have.get(key)) continue;
    const a = show(want.get(key));
    const b = show(have.get(key));
    if (a !== b) into.push(`${what} ${escapeBytes(key)}: ${a}, not ${b}`);
  }
}

function show(value: unknown): string {
  const text = value === undefined ? "none" : typeof value === "string" ? escapeBytes(value) : JSON.stringify(value);
  return text;
}

function showPath(path: string): string {
  const text = `/${escapeBytes(path)}`;
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}...` : text;
}

/** Latin-1 bytes for people: what is not printable ASCII as \xNN. */
export function escapeBytes(text: string): string {
  let out = "";
  for (const character of text) {
    const code = character.charCodeAt(0);
    out += code >= 0x20 && code < 0x7f ? character : `\\x${code.toString(16).padStart(2, "0")}`;
  }
  return out;
}
