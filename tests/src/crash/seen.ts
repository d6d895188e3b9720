/** What a file system shows, by the library: paths, attributes and bytes. */
import { type BlockDevice, type Environment, Ext4 } from "@bulkhead/ext4";
import { LOST_AND_FOUND, signatureOf } from "./expected.js";

/** What is at a path, without its contents. */
export interface SeenNode {
  readonly ino: number;
  readonly kind: string;
  readonly mode: number;
  readonly target: string;
  readonly xattrs: ReadonlyMap<string, string>;
}

export interface Seen {
  /** By path, parents first. */
  readonly nodes: ReadonlyMap<string, SeenNode>;
  /** Everything but contents and times, path by path. */
  readonly signature: string;
  /** Of regular files, by path. */
  readonly contents: ReadonlyMap<string, Uint8Array>;
  /** Modification times, by path. */
  readonly times: string;
}

/** Longest file that is read: those of the workloads are far shorter. */
const MOST_BYTES = 16 * 1024 * 1024;

/** Reads everything; a journal that needs recovery is replayed into memory. */
export function look(device: BlockDevice, environment: Environment): Seen {
  const ext4 = Ext4.open(device, {}, environment);
  const lines: string[] = [];
  const times: string[] = [];
  const contents = new Map<string, Uint8Array>();
  const nodes = new Map<string, SeenNode>();
  const visit = (path: string): void => {
    const { ino } = ext4.inode(`/${path}`, { followLinks: false });
    const { kind, mode, links, size, mtime } = ext4.lstat(ino);
    const target = kind === "symlink" ? ext4.readLink(ino) : "";
    const xattrs = new Map<string, string>();
    for (const name of ext4.listXattrs(ino)) {
      xattrs.set(name, Buffer.from(ext4.getXattr(ino, name)!).toString("latin1"));
    }
    lines.push(signatureOf(path, { kind, mode: mode & 0o7777, links, size, target, xattrs }));
    nodes.set(path, { ino, kind, mode: mode & 0o7777, target, xattrs });
    times.push(`${path} ${mtime.seconds}.${mtime.nanoseconds}`);
    if (kind === "file") contents.set(path, ext4.readFile(ino, MOST_BYTES));
    if (kind !== "directory") return;
    for (const { name } of ext4.readDirectory(ino)) {
      if (name === "." || name === "..") continue;
      if (path === "" && name === LOST_AND_FOUND) {
        for (const lost of ext4.readDirectory(`/${name}`)) {
          if (lost.name !== "." && lost.name !== "..") visit(`${name}/${lost.name}`);
        }
      } else visit(path === "" ? name : `${path}/${name}`);
    }
  };
  visit("");
  return { signature: lines.sort().join("\n"), nodes, contents, times: times.sort().join("\n") };
}

/** The first difference of two views of the same file system, undefined when they agree. */
export function difference(one: Seen, other: Seen): string | undefined {
  if (one.signature !== other.signature) return linesThatDiffer(one.signature, other.signature);
  if (one.times !== other.times) return `times: ${linesThatDiffer(one.times, other.times)}`;
  for (const [path, bytes] of one.contents) {
    if (Buffer.compare(bytes, other.contents.get(path)!) !== 0) return `/${path} has other contents`;
  }
  return undefined;
}

const NOTHING: Seen = { signature: "", nodes: new Map(), contents: new Map(), times: "" };

/** What a file system shows but for what was put into lost+found, and another view of it does not have there. */
export function withoutLost(other: Seen, one: Seen = NOTHING): Seen {
  const keep = (text: string, from: string): string => {
    const known = new Set(from.split("\n"));
    return text
      .split("\n")
      .filter((line) => known.has(line) || !/^\/?lost\+found\/#/.test(line))
      .join("\n");
  };
  return {
    ...other,
    signature: keep(other.signature, one.signature),
    times: keep(other.times, one.times),
  };
}

/** What is in one text and not in the other. */
export function linesThatDiffer(one: string, other: string): string {
  const ones = one.split("\n");
  const others = other.split("\n");
  const more = ones.filter((line) => !others.includes(line)).map((line) => `- ${line}`);
  const fewer = others.filter((line) => !ones.includes(line)).map((line) => `+ ${line}`);
  return [...more, ...fewer].join("\n");
}
