import { InodeFlag } from "@bulkhead/ext4/format/inode";
import { nameToString } from "@bulkhead/ext4/names";
import type { GivenArguments } from "../command-line/declaration.js";
import { Problems } from "../command-line/problems.js";
import { formatMode, formatTime, isoTime } from "../output/format.js";
import { Output, OutputClosed } from "../output/output.js";
import { json, printable, utf8 } from "../output/printable.js";
import { sourceSettings } from "../source/open-disk.js";
import { type Found, Session } from "../source/session.js";

export async function run(given: GivenArguments): Promise<number> {
  const session = new Session(sourceSettings(given));
  const problems = new Problems("stat");
  const output = new Output();
  const described: Record<string, unknown>[] = [];
  try {
    for (const argument of given.positionals) {
      try {
        const found = await session.find(argument, false);
        if (given.flag("json")) described.push(describe(found));
        else for (const [label, value] of lines(found)) output.line(`${`${label}:`.padEnd(9)} ${value}`);
      } catch (error) {
        if (error instanceof OutputClosed) throw error;
        problems.add(printable(argument), error);
      }
    }
    if (given.flag("json")) output.line(json(described, 2));
    output.flush();
  } finally {
    session.close();
  }
  return problems.exitCode;
}

/** What there is to tell. */
function all({ disk, node }: Found) {
  return { ...disk.tree.stat(node), ...disk.tree.particulars(node) };
}

function targetOf({ disk, node }: Found): string {
  return nameToString(disk.tree.readLink(node));
}

function lines(found: Found): [label: string, value: string][] {
  const { path } = found;
  const stats = all(found);
  const { kind, mode, device } = stats;
  const target = kind === "symlink" ? ` -> ${printable(targetOf(found))}` : "";
  const list: [string, string][] = [
    ["File", `${printable(path)}${target}`],
    ["Type", kind],
    ["Size", `${stats.size} bytes, ${stats.blocks} blocks of 512`],
    ["Inode", `${stats.ino}, ${stats.links} ${stats.links === 1 ? "link" : "links"}, generation ${stats.generation}`],
    ["Mode", `${(mode & 0o7777).toString(8).padStart(4, "0")} ${formatMode(kind, mode)}`],
    ["Owner", `${stats.uid}:${stats.gid}${stats.projectId === 0 ? "" : `, project ${stats.projectId}`}`],
  ];
  if (kind === "character-device" || kind === "block-device") list.push(["Device", `${device.major}, ${device.minor}`]);
  list.push(
    ["Access", formatTime(stats.atime)],
    ["Modify", formatTime(stats.mtime)],
    ["Change", formatTime(stats.ctime)],
  );
  if (stats.crtime !== undefined) list.push(["Birth", formatTime(stats.crtime)]);
  const flags = flagNames(stats.flags);
  if (flags.length > 0) list.push(["Flags", flags.join(" ")]);
  for (const [name, value] of attributes(found)) list.push(["Xattr", `${printable(name)}=${showValue(value)}`]);
  return list;
}

function describe(found: Found): Record<string, unknown> {
  const stats = all(found);
  return {
    path: found.path,
    ...stats,
    atime: isoTime(stats.atime),
    mtime: isoTime(stats.mtime),
    ctime: isoTime(stats.ctime),
    crtime: stats.crtime && isoTime(stats.crtime),
    flags: flagNames(stats.flags),
    target: stats.kind === "symlink" ? targetOf(found) : undefined,
    xattrs: Object.fromEntries(attributes(found).map(([name, value]) => [name, Buffer.from(value).toString("base64")])),
  };
}

function attributes({ disk, node }: Found): [name: string, value: Uint8Array][] {
  return disk.tree.listXattrs(node).map((name) => {
    return [nameToString(name), disk.tree.getXattr(node, name) ?? new Uint8Array(0)];
  });
}

const SHOWN = 64;

/** Text in quotes, else hexadecimal; no more than its start. */
function showValue(value: Uint8Array): string {
  const start = value.subarray(0, SHOWN);
  const text = utf8(start);
  const more = value.length > SHOWN ? `… (${value.length} bytes)` : "";
  if (text !== undefined && printable(text) === text) return `${JSON.stringify(text)}${more}`;
  return `0x${Buffer.from(start).toString("hex")}${more}`;
}

function flagNames(flags: number): string[] {
  return Object.entries(InodeFlag)
    .filter(([, bit]) => (flags & bit) !== 0)
    .map(([name]) => name);
}
