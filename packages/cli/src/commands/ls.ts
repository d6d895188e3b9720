import { type FileSystem, type Inode, nameToString, statsOf, stringToName } from "@bulkhead/ext4";
import type { GivenArguments } from "../command-line/declaration.js";
import { Problems } from "../command-line/problems.js";
import { formatMinute, formatMode, isoTime } from "../output/format.js";
import { Output, OutputClosed } from "../output/output.js";
import { printable, printableName } from "../output/printable.js";
import { sourceSettings } from "../source/open-image.js";
import { type Found, Session } from "../source/session.js";
import { sortedEntries } from "../source/walk.js";

/** One line of a listing. */
interface Row {
  readonly name: Uint8Array;
  readonly ino: number;
  /** Read where the listing needs it; undefined as well where it could not be read. */
  readonly inode: Inode | undefined;
}

/** A directory's rows; or a file's, which has no path of its own. */
interface Group {
  readonly path: string | undefined;
  readonly fs: FileSystem;
  readonly rows: readonly Row[];
}

/** Longest path that a recursive listing goes into: a hostile image may have directories without end. */
const MOST_PATH = 65_536;

export function run(given: GivenArguments): number {
  const session = new Session(sourceSettings(given));
  const problems = new Problems("ls");
  const output = new Output();
  try {
    const groups = groupsOf(given, session, problems);
    if (given.flag("json")) printJson(groups, output);
    else printText(groups, given, output);
    output.flush();
  } finally {
    session.close();
  }
  return problems.exitCode;
}

/** Groups are made one by one, so that a long recursive listing shows as it is read. */
function* groupsOf(given: GivenArguments, session: Session, problems: Problems): Generator<Group> {
  for (const argument of given.positionals) {
    try {
      const found = session.find(argument, !given.flag("long"));
      const { path, inode, ext4 } = found;
      if (inode.isDirectory) yield* directoryGroups(found, given, problems);
      else yield { path: undefined, fs: ext4.fs, rows: [{ name: stringToName(path), ino: inode.ino, inode }] };
    } catch (error) {
      if (error instanceof OutputClosed) throw error;
      problems.add(printable(argument), error);
    }
  }
}

function* directoryGroups(
  { ext4: { fs }, inode, path }: Found,
  given: GivenArguments,
  problems: Problems,
): Generator<Group> {
  const recursive = given.flag("recursive");
  const needsInodes = recursive || given.flag("long") || given.flag("json");
  const entered = new Set<number>();
  const pending = [{ inode, path }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { inode: directory, path: where } = next;
    if (entered.has(directory.ino)) continue;
    entered.add(directory.ino);
    const failed = (error: unknown, name?: Uint8Array) =>
      problems.add(printable(name === undefined ? where : `${where}: ${printableName(name)}`), error);
    const rows: Row[] = sortedEntries(fs, directory, {
      failed: (error) => failed(error),
      skip: ({ nameBytes }) => nameBytes[0] === 0x2e && !given.flag("all"),
    }).map(({ nameBytes: name, ino }) => {
      try {
        return { name, ino, inode: needsInodes ? fs.entryInode(directory, ino) : undefined };
      } catch (error) {
        failed(error, name);
        return { name, ino, inode: undefined };
      }
    });
    yield { path: where, fs, rows };
    if (!recursive) return;
    for (const row of rows.toReversed()) {
      if (row.inode?.isDirectory !== true) continue;
      const inside = `${where === "/" ? "" : where}/${nameToString(row.name)}`;
      if (inside.length > MOST_PATH) failed(new Error("too deep to list"), row.name);
      else pending.push({ inode: row.inode, path: inside });
    }
  }
}

function printText(groups: Iterable<Group>, given: GivenArguments, output: Output): void {
  const titled = given.flag("recursive") || given.positionals.length > 1;
  let first = true;
  for (const { path, fs, rows } of groups) {
    if (titled && path !== undefined) {
      if (!first) output.line();
      output.name(stringToName(path));
      output.line(":");
    }
    first = false;
    const columns = rows.map((row) => columnsOf(row, fs, given));
    const widths = (columns[0] ?? []).map((_, index) => columnWidths(columns, index));
    for (const [index, row] of rows.entries()) {
      for (const [column, text] of columns[index]!.entries()) output.write(`${text.padStart(widths[column]!)} `);
      output.name(row.name);
      if (given.flag("long") && row.inode?.isSymlink === true) {
        output.write(" -> ");
        output.name(targetOf(fs, row.inode));
      }
      output.line();
    }
  }
}

function columnsOf({ ino, inode }: Row, fs: FileSystem, given: GivenArguments): string[] {
  const columns = given.flag("inode") ? [String(ino)] : [];
  if (!given.flag("long")) return columns;
  if (inode === undefined) return [...columns, "??????????", "?", "?", "?", "?", "?"];
  const stats = statsOf(inode, fs.geometry.blockSize);
  const isDevice = stats.kind === "character-device" || stats.kind === "block-device";
  const size = isDevice ? `${stats.device.major}, ${stats.device.minor}` : String(stats.size);
  const mode = formatMode(stats.kind, stats.mode);
  return [...columns, mode, String(stats.links), String(stats.uid), String(stats.gid), size, formatMinute(stats.mtime)];
}

function columnWidths(columns: readonly string[][], index: number): number {
  let widest = 0;
  for (const row of columns) widest = Math.max(widest, row[index]!.length);
  return widest;
}

function targetOf(fs: FileSystem, inode: Inode): Uint8Array {
  try {
    return fs.readLink(inode).slice();
  } catch {
    return stringToName("?");
  }
}

function printJson(groups: Iterable<Group>, output: Output): void {
  output.write("[");
  let separator = "\n";
  for (const { path, fs, rows } of groups) {
    output.write(`${separator}${JSON.stringify({ path, entries: rows.map((row) => describe(row, fs)) })}`);
    separator = ",\n";
  }
  output.line("\n]");
}

function describe({ name, ino, inode }: Row, fs: FileSystem): Record<string, unknown> {
  const text = nameToString(name);
  if (inode === undefined) return { name: text, ino };
  const { kind, mode, links, uid, gid, size, blocks, device, atime, mtime, ctime } = statsOf(
    inode,
    fs.geometry.blockSize,
  );
  return {
    name: text,
    ino,
    kind,
    mode,
    links,
    uid,
    gid,
    size,
    blocks,
    device,
    atime: isoTime(atime),
    mtime: isoTime(mtime),
    ctime: isoTime(ctime),
    target: kind === "symlink" ? nameToString(targetOf(fs, inode)) : undefined,
  };
}
