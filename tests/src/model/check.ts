/** Compares a subject with the model; the first difference is an error in words. */
import { show } from "./action.js";
import { FLAGS, type Model, type Moment, type Node } from "./model.js";
import type { Status, Subject, Target } from "./subject.js";

/** Nanoseconds that the kernel's coarse clock lags behind, on a machine that is busy with other things. */
const CLOCK_LAG = 1_000_000_000n;
/** What the model leaves alone in the root. */
const LOST_AND_FOUND = "lost+found";
/** A directory with more names is listed by `checkAll` only. */
const LISTED_AT_ONCE = 100;

/** Where a node is to be found: by one of its names, or by a handle when it has none. */
function targetOf(model: Model, node: Node): Target | undefined {
  if (node === model.root || node.names.size > 0) return model.path(node);
  const slot = model.handles.findIndex((handle) => handle?.node === node);
  return slot < 0 ? undefined : slot;
}

function name(target: Target): string {
  return typeof target === "string" ? show(target) : `handle ${target}`;
}

/** What stat(2) says of a node, and the names in it when they are few. */
export function checkNode(subject: Subject, model: Model, node: Node, granularity: bigint): void {
  const target = targetOf(model, node);
  if (target === undefined) return;
  checkStatus(node, subject.stat(target), name(target), granularity);
  if (node.kind === "directory" && node.entries.size <= LISTED_AT_ONCE) checkNames(subject, model, node);
}

function checkStatus(node: Node, found: Status, where: string, granularity: bigint): void {
  const differ = (field: string, want: unknown, have: unknown): void => {
    if (want !== have) throw new Error(`${where}: ${field} is ${have}, not ${want}`);
  };
  differ("type", node.kind, found.kind);
  differ("mode", node.mode.toString(8), found.mode.toString(8));
  differ("uid", node.uid, found.uid);
  differ("gid", node.gid, found.gid);
  differ("nlink", node.nlink, found.nlink);
  differ("rdev", node.rdev, found.rdev);
  if (node.kind === "file") differ("size", node.contents.size, found.size);
  if (node.kind === "symlink") differ("size", node.target.length, found.size);
  checkTime(`${where}: mtime`, node.mtime, found.mtime, granularity);
  checkTime(`${where}: atime`, node.atime, found.atime, granularity);
}

function checkTime(what: string, moment: Moment, found: bigint, granularity: bigint): void {
  if (moment === undefined) return;
  if ("exactly" in moment) {
    if (found !== moment.exactly) throw new Error(`${what} is ${found}, not ${moment.exactly}`);
    return;
  }
  const now = BigInt(Date.now() + 1) * 1_000_000n;
  if (found < moment.since - CLOCK_LAG - granularity || found > now + CLOCK_LAG) {
    throw new Error(`${what} is ${found}, not between ${moment.since} and ${now}`);
  }
}

function checkNames(subject: Subject, model: Model, node: Node): void {
  const path = model.path(node);
  const listed = subject.list(path);
  const found = new Set(listed);
  if (found.size !== listed.length) throw new Error(`${show(path)}: names are listed more than once`);
  if (node === model.root) found.delete(LOST_AND_FOUND);
  for (const { name: wanted } of node.entries.values()) {
    if (!found.delete(wanted)) throw new Error(`${show(path)}: ${JSON.stringify(wanted)} is not listed`);
  }
  for (const more of found) throw new Error(`${show(path)}: ${JSON.stringify(more)} is listed and should not be there`);
}

/** Everything that a subject shows: names, attributes, contents, links. */
export function checkAll(subject: Subject, model: Model, granularity: bigint): void {
  const withoutName = model.handles.map((handle) => handle?.node).filter((node) => node?.names.size === 0);
  for (const node of [...model.nodes, ...withoutName]) {
    if (node === undefined) continue;
    const target = targetOf(model, node)!;
    const where = name(target);
    const status = subject.stat(target);
    checkStatus(node, status, where, granularity);
    if (node.kind === "directory") checkNames(subject, model, node);
    if (node.kind === "symlink" && typeof target === "string" && subject.readLink(target) !== node.target) {
      throw new Error(`${where}: another target`);
    }
    if (node.kind === "file") checkContents(subject, node, target);
    if (typeof target === "string") checkDetails(subject, node, target);
    for (const entry of node.names) {
      if (node.names.size === 1) break;
      const other = subject.stat(model.path(entry));
      if (other.ino !== status.ino)
        throw new Error(`${show(model.path(entry))}: inode ${other.ino}, not ${status.ino}`);
    }
  }
}

function checkContents(subject: Subject, node: Node, target: Target): void {
  const ranges = subject.dataRanges(target, node.contents.size);
  const found = node.contents.difference(ranges, (offset, length) => subject.read(target, offset, length));
  if (found !== undefined) throw new Error(`${name(target)}: ${found}`);
}

function checkDetails(subject: Subject, node: Node, path: string): void {
  const found = subject.xattrs(path);
  for (const [xattr, value] of node.xattrs) {
    const have = found.get(xattr);
    if (have === undefined) throw new Error(`${show(path)}: xattr ${xattr} is missing`);
    if (!have.equals(value)) throw new Error(`${show(path)}: xattr ${xattr} has another value, ${have.length} bytes`);
    found.delete(xattr);
  }
  for (const more of found.keys()) throw new Error(`${show(path)}: xattr ${more} should not be there`);
  if (node.kind !== "file" && node.kind !== "directory") return;
  const flags = subject.getFlags(path) & FLAGS;
  if (flags !== node.flags)
    throw new Error(`${show(path)}: flags are 0x${flags.toString(16)}, not 0x${node.flags.toString(16)}`);
}
