import { nameToString, stringToName } from "@bulkhead/ext4/names";
import { ImageSource, type SourceNode, sortedEntries } from "@bulkhead/image/copy";
import type { GivenArguments } from "../command-line/declaration.js";
import { Problems } from "../command-line/problems.js";
import { formatMinute, formatMode, isoTime } from "../output/format.js";
import { Output, OutputClosed } from "../output/output.js";
import { json, printable, printableName } from "../output/printable.js";
import { sourceSettings } from "../source/open-disk.js";
import { type Found, Session } from "../source/session.js";

/** One line of a listing. */
interface Row {
  readonly name: Uint8Array;
  readonly ino: number;
  /** Read where the listing needs it; undefined as well where it could not be read. */
  readonly node: SourceNode | undefined;
}

/** A directory's rows; or a file's, which has no path of its own. */
interface Group {
  readonly path: string | undefined;
  readonly rows: readonly Row[];
}

/** Longest path that a recursive listing goes into: a hostile image may have directories without end. */
const MOST_PATH = 65_536;

export async function run(given: GivenArguments): Promise<number> {
  const session = new Session(sourceSettings(given));
  const problems = new Problems("ls");
  const output = new Output();
  try {
    const groups = groupsOf(given, session, problems);
    if (given.flag("json")) await printJson(groups, output);
    else await printText(groups, given, output);
    output.flush();
  } finally {
    session.close();
  }
  return problems.exitCode;
}

/** Groups are made one by one, so that a long recursive listing shows as it is read. */
async function* groupsOf(given: GivenArguments, session: Session, problems: Problems): AsyncGenerator<Group> {
  for (const argument of given.positionals) {
    try {
      const found = await session.find(argument, !given.flag("long"));
      const { path, node, disk } = found;
      if (node.isDirectory) yield* directoryGroups(found, given, problems);
      else {
        const name = stringToName(path);
        const rows = [{ name, ino: node.stats.ino, node: new ImageSource(disk, node, name) }];
        yield { path: undefined, rows };
      }
    } catch (error) {
      if (error instanceof OutputClosed) throw error;
      problems.add(printable(argument), error);
    }
  }
}

function* directoryGroups({ disk, node, path }: Found, given: GivenArguments, problems: Problems): Generator<Group> {
  const recursive = given.flag("recursive");
  const needsNodes = recursive || given.flag("long") || given.flag("json");
  const entered = new Set<string>();
  const pending: { node: SourceNode; path: string }[] = [
    { node: new ImageSource(disk, node, stringToName(path), needsNodes), path },
  ];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { node: directory, path: where } = next;
    if (entered.has(directory.key)) continue;
    entered.add(directory.key);
    const failed = (error: unknown, name?: Uint8Array) =>
      problems.add(printable(name === undefined ? where : `${where}: ${printableName(name)}`), error);
    const rows: Row[] = sortedEntries(directory, {
      failed: (error) => failed(error),
      skip: ({ name }) => name[0] === 0x2e && !given.flag("all"),
    }).map((entry) => {
      const { name, ino } = entry;
      try {
        return { name, ino, node: needsNodes ? entry.node() : undefined };
      } catch (error) {
        failed(error, name);
        return { name, ino, node: undefined };
      }
    });
    yield { path: where, rows };
    if (!recursive) return;
    for (const row of rows.toReversed()) {
      if (row.node?.stats.kind !== "directory") continue;
      const inside = `${where === "/" ? "" : where}/${nameToString(row.name)}`;
      if (inside.length > MOST_PATH) failed(new Error("too deep to list"), row.name);
      else pending.push({ node: row.node, path: inside });
    }
  }
}

async function printText(groups: AsyncIterable<Group>, given: GivenArguments, output: Output): Promise<void> {
  const titled = given.flag("recursive") || given.positionals.length > 1;
  let first = true;
  for await (const { path, rows } of groups) {
    if (titled && path !== undefined) {
      if (!first) output.line();
      output.name(stringToName(path));
      output.line(":");
    }
    first = false;
    const columns = rows.map((row) => columnsOf(row, given));
    const widths = (columns[0] ?? []).map((_, index) => columnWidths(columns, index));
    for (const [index, row] of rows.entries()) {
      for (const [column, text] of columns[index]!.entries()) output.write(`${text.padStart(widths[column]!)} `);
      output.name(row.name);
      if (given.flag("long") && row.node?.stats.kind === "symlink") {
        output.write(" -> ");
        output.name(targetOf(row.node));
      }
      output.line();
    }
  }
}

function columnsOf({ ino, node }: Row, given: GivenArguments): string[] {
  const columns = given.flag("inode") ? [String(ino)] : [];
  if (!given.flag("long")) return columns;
  if (node === undefined) return [...columns, "??????????", "?", "?", "?", "?", "?"];
  const { stats } = node;
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

function targetOf(link: SourceNode): Uint8Array {
  try {
    return link.readLink();
  } catch {
    return stringToName("?");
  }
}

async function printJson(groups: AsyncIterable<Group>, output: Output): Promise<void> {
  output.write("[");
  let separator = "\n";
  for await (const { path, rows } of groups) {
    output.write(`${separator}${json({ path, entries: rows.map(describe) })}`);
    separator = ",\n";
  }
  output.line("\n]");
}

function describe({ name, ino, node }: Row): Record<string, unknown> {
  const text = nameToString(name);
  if (node === undefined) return { name: text, ino };
  const { kind, mode, links, uid, gid, size, blocks, device, atime, mtime, ctime } = node.stats;
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
    target: kind === "symlink" ? nameToString(targetOf(node)) : undefined,
  };
}
