/** What a file system must and may show after a crash, by what happened before. */

import { type CrashState, SECTOR } from "./crash-states.js";
import type { Moved, Node, Snapshot } from "./expected.js";
import type { History, Moment } from "./history.js";
import { linesThatDiffer, type Seen } from "./seen.js";

/** Moments from the last one that was promised to the last one that had begun. */
interface Range {
  readonly low: number;
  readonly high: number;
}

/** The moments that a state may show. */
export interface Span extends Range {
  /** Of files whose data was synced: the moment that the data cannot go behind. */
  readonly data: ReadonlyMap<number, number>;
}

/** When the crash came. */
type Interval = Pick<CrashState, "issued" | "latest">;

export function spanOf({ moments, promises }: History, { issued, latest }: Interval): Span {
  let low = 0;
  const data = new Map<number, number>();
  for (const promise of promises) {
    if (promise.at > latest) continue;
    low = Math.max(low, promise.moment);
    if (promise.node !== undefined) data.set(promise.node, Math.max(data.get(promise.node) ?? 0, promise.data));
  }
  const high = moments.findLastIndex(({ begun }) => begun < issued);
  return { low, high: Math.max(high, low), data };
}

/**
 * With a journal: names and attributes are those of one moment of the span, none half. Data is that of the moment; where it was
 * overwritten in place since, sectors may be newer.
 *
 * @param newer whether data may be newer than names and attributes: not where it goes through the journal
 * @returns what is wrong, undefined when nothing is
 */
export function brokenPromise(history: History, span: Span, seen: Seen, newer: boolean): string | undefined {
  const { moments } = history;
  let wrong: string | undefined;
  for (let moment = span.high; moment >= span.low; moment--) {
    const { snapshot } = moments[moment]!;
    if (snapshot.signature !== seen.signature) continue;
    const range = { low: moment, high: newer ? span.high : moment, data: span.data };
    wrong = wrongContents(moments, snapshot, range, seen);
    if (wrong === undefined) return undefined;
  }
  if (wrong !== undefined) return wrong;
  const { low, high } = span;
  const first = moments[low]!;
  const text = `it shows none of the moments ${low} to ${high} (${moments
    .slice(low, high + 1)
    .map(({ step }) => step)
    .join("; ")})`;
  return `${text}; against ${low}:\n${linesThatDiffer(first.snapshot.signature, seen.signature)}`;
}

function wrongContents(moments: readonly Moment[], { names, nodes }: Snapshot, span: Span, seen: Seen) {
  for (const [path, id] of names) {
    if (nodes.get(id)!.kind !== "file") continue;
    const low = Math.max(span.low, span.data.get(id) ?? 0);
    const versions = versionsOf(moments, id, span.low, { low, high: Math.max(low, span.high) });
    const wrong = wrongFile(versions, seen.contents.get(path)!);
    if (wrong !== undefined) return `/${path}: ${wrong}`;
  }
  return undefined;
}

/** Contents that a file had, and what of them has moved since its names and attributes were those that are seen. */
interface Version {
  readonly contents: Uint8Array;
  readonly moves: readonly Moved[];
}

/** @param mapped the moment whose names and attributes are seen: where the file's blocks lie is that of then */
function versionsOf(moments: readonly Moment[], id: number, mapped: number, { low, high }: Range): Version[] {
  const versions = new Map<Uint8Array, Version>();
  const moves: Moved[] = [];
  let last: Node | undefined;
  for (let n = mapped; n <= high; n++) {
    const node = moments[n]!.snapshot.nodes.get(id);
    if (node === undefined) continue;
    if (n > mapped && node !== last && node.moved !== undefined) moves.push(node.moved);
    last = node;
    if (n >= low && !versions.has(node.contents)) {
      versions.set(node.contents, { contents: node.contents, moves: moves.slice() });
    }
  }
  return [...versions.values()];
}

/** Where a byte of a block has gone; -1 for one that has gone altogether. */
function placeAfter(moves: readonly Moved[], at: number): number {
  let place = at;
  for (const { from, by } of moves) {
    if (place >= from) place += by;
    else if (place >= from + by) return -1;
  }
  return place;
}

function isMoved({ contents, moves }: Version, at: number, sector: Uint8Array): boolean {
  if (moves.length === 0) return false;
  const place = placeAfter(moves, at);
  return place >= 0 && place < contents.length && isSector(contents, place, sector);
}

/** Each sector must be that of a moment of the span, zeros where the file was shorter then. */
function wrongFile(versions: readonly Version[], found: Uint8Array) {
  if (versions.some(({ contents }) => Buffer.compare(contents, found) === 0)) return undefined;
  for (let at = 0; at < found.length; at += SECTOR) {
    const sector = found.subarray(at, at + SECTOR);
    if (versions.some(({ contents }) => isSector(contents, at, sector))) continue;
    // What was written in place after a range was collapsed or inserted lies elsewhere in the file without that.
    if (versions.some((version) => isMoved(version, at, sector))) continue;
    // A truncation zeroes the end of its block in place, before its commit, as the kernel's does: without a collapse that the same
    // commit was to bring, that block lies elsewhere in the file.
    if (versions.length > 1 && versions.some(({ contents }) => isCut(contents, at, sector))) continue;
    return `byte ${at} to ${at + sector.length - 1} of ${found.length}: ${text(sector)}, not ${text(versions[0]!.contents.subarray(at, at + SECTOR))}`;
  }
  return undefined;
}

function isSector(contents: Uint8Array, at: number, sector: Uint8Array): boolean {
  const have = contents.subarray(at, at + sector.length);
  return Buffer.compare(have, sector.subarray(0, have.length)) === 0 && isZero(sector.subarray(have.length));
}

/** Whether a sector is as it was up to some byte, and zeros from there on. */
function isCut(contents: Uint8Array, at: number, sector: Uint8Array): boolean {
  const cut = sector.findIndex((byte, n) => byte !== contents[at + n]);
  return cut >= 0 && isZero(sector.subarray(cut));
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

function text(bytes: Uint8Array): string {
  return JSON.stringify(Buffer.from(bytes.subarray(0, 48)).toString("latin1"));
}

/**
 * Without a journal: what was synced and not touched since is there; nobody's bytes are anywhere but in the file that they were
 * written to.
 *
 * @returns what is wrong, undefined when nothing is
 */
export function lostWithoutJournal(history: History, state: Interval, seen: Seen): string | undefined {
  const { moments, promises } = history;
  const { high } = spanOf(history, state);
  for (const { at, data: moment, node: only, step } of promises) {
    if (at > state.latest) continue;
    const { names, nodes } = moments[moment]!.snapshot;
    for (const [path, id] of names) {
      if (only !== undefined && id !== only) continue;
      if (!isUntouched(moments, { low: moment, high }, path)) continue;
      const node = nodes.get(id)!;
      const { kind, contents } = node;
      if (!seen.signature.includes(`/${path}: ${kind} `)) {
        // Its directory was rearranged, in several blocks: the name may be gone, as with the kernel, what it named is not.
        if (isSaved(node, seen)) continue;
        return `/${path} is lost, after ${step}`;
      }
      if (kind === "file" && Buffer.compare(seen.contents.get(path)!, contents) !== 0) {
        return `/${path} has other contents than at ${step}: ${text(seen.contents.get(path)!)}`;
      }
    }
  }
  return undefined;
}

/** Whether e2fsck has put something where it puts what has no name. */
function isSaved({ kind, contents, target }: Node, seen: Seen): boolean {
  if (kind === "file") {
    for (const [path, found] of seen.contents) {
      if (path.startsWith("lost+found/") && Buffer.compare(found, contents) === 0) return true;
    }
    return false;
  }
  return seen.signature
    .split("\n")
    .some((line) => line.startsWith("/lost+found/") && line.includes(`: ${kind} `) && line.includes(target));
}

/** Whether a path, and all that it leads through, is the same in all moments. */
function isUntouched(moments: readonly Moment[], { low, high }: Range, path: string): boolean {
  const first = moments[low]!.snapshot;
  for (let n = low + 1; n <= high; n++) {
    const { names, nodes } = moments[n]!.snapshot;
    for (let part = path; part !== ""; part = part.slice(0, Math.max(0, part.lastIndexOf("/")))) {
      if (names.get(part) !== first.names.get(part)) return false;
    }
    const id = first.names.get(path)!;
    if (nodes.get(id) !== first.nodes.get(id)) return false;
  }
  return true;
}
