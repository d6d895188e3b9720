import { lookup } from "../dir/lookup.js";
import { type DirectoryVisitor, readDirectory } from "../dir/read-directory.js";
import { FileSystemError } from "../errors.js";
import { FileType } from "../format/inode.js";
import { Inode } from "../inode/inode.js";
import { readInode } from "../inode/inode-table.js";
import type { Volume } from "../volume.js";
import { addedEntry, type DirectoryHistory, FastCommitOverlay, resolveName } from "./fast-commit-overlay.js";
import type { FastCommitRecord } from "./fast-commit-scan.js";

/**
 * Directories as fast commits leave them: what the blocks say, without the names that were removed, then the names that were
 * added. Names are compared as the directory compares them.
 */

/** Upper half of the cookies of added names: above all that the blocks' entries have. The lower half is the name's number + 1. */
const ADDED = 0x7fff_ffff;
const DT_DIRECTORY = 4;
const dots = new Uint8Array([0x2e, 0x2e]);

/** lookup() with the fast commits. */
export function lookupCommitted(volume: Volume, overlay: FastCommitOverlay, dir: Inode, name: Uint8Array): number {
  const parent = overlay.newDirectoryParent(dir.ino);
  if (parent !== 0 && dir.isDirectory) {
    if (name.length === 1 && name[0] === 0x2e) return dir.ino;
    if (name.length === 2 && name[0] === 0x2e && name[1] === 0x2e) return parent;
  }
  const onDisk = lookupOnDisk(volume, overlay, dir, name);
  const history = overlay.directory(dir.ino)?.of(name);
  return history === undefined ? onDisk : resolveName(history, onDisk);
}

/** readDirectory() with the fast commits. */
export function readCommittedDirectory(
  volume: Volume,
  overlay: FastCommitOverlay,
  dir: Inode,
  cookieHigh: number,
  cookieLow: number,
  visit: DirectoryVisitor,
): void {
  const changes = overlay.directory(dir.ino);
  const parent = overlay.newDirectoryParent(dir.ino);
  if (changes === undefined && parent === 0) {
    readDirectory(volume, dir, cookieHigh, cookieLow, visit);
    return;
  }
  if (!dir.isDirectory) throw new FileSystemError("ENOTDIR", `inode ${dir.ino} is no directory`);
  if (cookieHigh < ADDED) {
    if (!listOnDisk(volume, dir, parent, changes, cookieHigh, cookieLow, visit)) return;
  }
  if (changes !== undefined) {
    listAdded(volume, overlay, dir, changes, cookieHigh < ADDED ? 0 : cookieLow, visit);
  }
}

/** How many subdirectories a directory has more than its inode counts. */
function addedSubdirectories(volume: Volume, overlay: FastCommitOverlay, dir: Inode): number {
  let added = 0;
  for (const history of overlay.directory(dir.ino)?.order ?? []) {
    // Looking a name up may be dear; nothing but directories matters here.
    if (
      !history.records.some(
        ({ ino }) => isDirectory(modeOf(volume, overlay, ino)) || isDirectory(modeOnDisk(volume, ino)),
      )
    ) {
      continue;
    }
    const onDisk = lookupOnDisk(volume, overlay, dir, history.name);
    const ino = resolveName(history, onDisk);
    if (ino === onDisk) continue;
    if (ino !== 0 && isDirectory(modeOf(volume, overlay, ino))) added++;
    if (onDisk !== 0 && isDirectory(modeOnDisk(volume, onDisk))) added--;
  }
  return added;
}

/** Puts fast commits over a volume that was opened on the replayed device. */
export function applyFastCommits(volume: Volume, records: readonly FastCommitRecord[]): void {
  if (records.length === 0) return;
  const overlay = new FastCommitOverlay(volume, records);
  const counted: [ino: number, added: number][] = [];
  for (const ino of overlay.changedDirectories) {
    try {
      // The overlay is not in place yet: these are the inodes on disk, except for new directories, whose blocks nobody reads.
      const dir = overlay.newDirectoryParent(ino) === 0 ? readInode(volume, ino) : newDirectory(volume, ino);
      counted.push([ino, addedSubdirectories(volume, overlay, dir)]);
    } catch (error) {
      // Whoever reads that directory gets the error.
      volume.environment.log("warning", `fast commits in directory ${ino}: ${String(error)}`);
    }
  }
  for (const [ino, added] of counted) overlay.setAddedSubdirectories(ino, added);
  volume.fastCommits = overlay;
}

function newDirectory(volume: Volume, ino: number): Inode {
  const dir = new Inode(ino, new Uint8Array(volume.geometry.inodeSize));
  dir.mode = FileType.directory;
  return dir;
}

function listOnDisk(
  volume: Volume,
  dir: Inode,
  parent: number,
  changes: DirectoryHistory | undefined,
  high: number,
  low: number,
  visit: DirectoryVisitor,
): boolean {
  if (parent !== 0) {
    if (high > 0) return true;
    if (low < 1 && !visit(dir.ino, DT_DIRECTORY, dots, 0, 1, 0, 1)) return false;
    return low >= 2 || visit(parent, DT_DIRECTORY, dots, 0, 2, 0, 2);
  }
  let goesOn = true;
  readDirectory(volume, dir, high, low, (ino, type, bytes, start, length, nextHigh, nextLow) => {
    const history = changes?.of(bytes.subarray(start, start + length));
    // Who was removed and added again is listed among the added: the spelling may be another.
    if (history !== undefined && (resolveName(history, ino) !== ino || addedEntry(history, ino) !== undefined))
      return true;
    goesOn = visit(ino, type, bytes, start, length, nextHigh, nextLow);
    return goesOn;
  });
  return goesOn;
}

function listAdded(
  volume: Volume,
  overlay: FastCommitOverlay,
  dir: Inode,
  { order }: DirectoryHistory,
  from: number,
  visit: DirectoryVisitor,
): void {
  for (let index = from; index < order.length; index++) {
    const history = order[index]!;
    const added = addedEntry(history, lookupOnDisk(volume, overlay, dir, history.name));
    if (added === undefined) continue;
    // DT_* values are the file type bits of the mode.
    const type = volume.features.filetype ? (modeOf(volume, overlay, added.ino) & FileType.mask) >>> 12 : 0;
    if (!visit(added.ino, type, added.name, 0, added.name.length, ADDED, index + 1)) return;
  }
}

function lookupOnDisk(volume: Volume, overlay: FastCommitOverlay, dir: Inode, name: Uint8Array): number {
  return dir.isDirectory && overlay.newDirectoryParent(dir.ino) !== 0 ? 0 : lookup(volume, dir, name);
}

function isDirectory(mode: number): boolean {
  return (mode & FileType.mask) === FileType.directory;
}

function modeOf(volume: Volume, overlay: FastCommitOverlay, ino: number): number {
  return overlay.loggedMode(ino) ?? modeOnDisk(volume, ino);
}

/** 0 for an inode that cannot be read: whoever opens it gets the error. */
function modeOnDisk(volume: Volume, ino: number): number {
  try {
    return readInode(volume, ino).mode;
  } catch {
    return 0;
  }
}
