import type { Inode } from "../inode/inode.js";
import { lookupCommitted, readCommittedDirectory } from "../journal/fast-commit-directory.js";
import type { Volume } from "../volume.js";
import { lookup as lookupOnDisk } from "./lookup.js";
import { type DirectoryVisitor, readDirectory as readDirectoryOnDisk } from "./read-directory.js";

/** The directory room's door: directories as their blocks say, and as fast commits of a replayed journal changed them. */

export type { DirectoryVisitor } from "./read-directory.js";

/** See lookup() in lookup.ts. */
export function lookup(volume: Volume, dir: Inode, name: Uint8Array): number {
  const { fastCommits } = volume;
  return fastCommits === undefined ? lookupOnDisk(volume, dir, name) : lookupCommitted(volume, fastCommits, dir, name);
}

/** See readDirectory() in read-directory.ts. */
export function readDirectory(
  volume: Volume,
  dir: Inode,
  cookieHigh: number,
  cookieLow: number,
  visit: DirectoryVisitor,
): void {
  const { fastCommits } = volume;
  if (fastCommits === undefined) readDirectoryOnDisk(volume, dir, cookieHigh, cookieLow, visit);
  else readCommittedDirectory(volume, fastCommits, dir, cookieHigh, cookieLow, visit);
}
